import fc from "fast-check";
import { expect, test } from "vitest";
import {
  ENVELOPE_BYTES,
  machineUs,
  stampEnvelope,
  unwrapFromLine,
  wrapForLine,
} from "./line-envelope.ts";

test("an envelope lies on the wire as documented", () => {
  const from = { host: "127.10.0.11", port: 0x1234 };
  const to = { host: "127.20.0.12", port: 0x5678 };

  const envelope = wrapForLine(from, to, Uint8Array.of(0xaa));
  stampEnvelope(envelope, 0x010203);
  const hex = Buffer.from(envelope).toString("hex");

  const mapped = `${"00".repeat(10)}ffff`;
  expect(hex).toBe(`0104${mapped}7f14000c5678${mapped}7f0a000b12340000000000010203aa`);
});

test("what was wrapped is unwrapped, for both families", () => {
  const port = fc.integer({ min: 1, max: 65_535 });
  const ipv4 = fc.ipV4();
  const ipv6 = fc.constantFrom("2001:db8::1", "fe80::1:2", "::1", "2001:db8:0:1:1:1:1:1");
  const hosts = fc.oneof(fc.tuple(ipv4, ipv4), fc.tuple(ipv6, ipv6));
  const addresses = fc.record({ hosts, ports: fc.tuple(port, port), payload: fc.uint8Array() });

  fc.assert(
    fc.property(addresses, ({ hosts: [a, b], ports: [portA, portB], payload }) => {
      const from = { host: a, port: portA };
      const to = { host: b, port: portB };
      const envelope = unwrapFromLine(wrapForLine(from, to, payload));
      expect(envelope).toEqual({ from, to, agoUs: expect.any(Number), payload });
    }),
  );
});

test("an envelope says how long ago it passed the line, and nothing where that cannot be", () => {
  const here = { host: "127.10.0.11", port: 1 };
  const envelope = wrapForLine(here, here, Uint8Array.of());
  const agoUs = (atUs: number): number | undefined => {
    stampEnvelope(envelope, atUs);
    return unwrapFromLine(envelope)?.agoUs;
  };

  expect(agoUs(machineUs() - 700_000)).toBeGreaterThanOrEqual(700_000);
  expect(agoUs(machineUs() + 10_000_000)).toBe(0);
  expect(agoUs(0)).toBe(0);
});

test("any bytes are an envelope or are not, and nothing is thrown", () => {
  const almost = fc
    .uint8Array({ minLength: ENVELOPE_BYTES, maxLength: ENVELOPE_BYTES + 4 })
    .map((bytes) => Uint8Array.of(1, ...bytes.subarray(1)));

  fc.assert(
    fc.property(fc.oneof(fc.uint8Array(), almost), (bytes) => {
      const envelope = unwrapFromLine(bytes);
      expect(envelope === undefined || envelope.payload.length <= bytes.length).toBe(true);
    }),
  );
});
