import fc from "fast-check";
import { expect, test } from "vitest";
import { concat } from "../base/bytes.ts";
import { fromHex, toHex } from "../base/hex.ts";
import { Prng } from "../base/prng.ts";
import {
  DATAGRAM_BYTES_INITIAL,
  type Datagram,
  decodeDatagram,
  encodeHandshake,
  encodeHello,
  encodeRetry,
  encodeUnsupported,
  RECORD_HEADER_BYTES,
  recordAad,
  rewritePacketNumber,
  writeRecordHeader,
} from "./datagram.ts";

const SOURCE = 0x01_02_03_04;
const DESTINATION = 0xa1_a2_a3_a4;

test("DG4: a HELLO lies on the wire as documented, padded with zeros", () => {
  const hello = encodeHello({
    channel: 1,
    source: SOURCE,
    singlePort: true,
    versions: [1, 3],
    cookie: Uint8Array.of(0xc0, 0xc1),
    tls: Uint8Array.of(0x16),
  });

  expect(toHex(hello.subarray(0, 20))).toBe("0100000000010102030401020103".concat("02c0c1000116"));
  expect(hello.length).toBe(DATAGRAM_BYTES_INITIAL);
  expect(hello.subarray(20).every((byte) => byte === 0)).toBe(true);
});

test("DG5: a RETRY lies on the wire as documented", () => {
  const retry = encodeRetry(2, DESTINATION, Uint8Array.of(7, 8));

  expect(toHex(retry)).toBe("02a1a2a3a402020708");
});

test("DG6: an UNSUPPORTED lies on the wire as documented", () => {
  expect(toHex(encodeUnsupported(1, DESTINATION, [1, 2]))).toBe("01a1a2a3a403020102");
});

test("DG7: a handshake datagram lies on the wire as documented", () => {
  const bytes = encodeHandshake({
    channel: 1,
    destination: DESTINATION,
    source: SOURCE,
    offsetBytes: 0x1112,
    receivedBytes: 0x2122,
    tls: Uint8Array.of(0xee),
  });

  expect(toHex(bytes)).toBe("41a1a2a3a40102030411122122".concat("0001ee"));
});

test("DG8: a record's datagram lies on the wire as documented", () => {
  expect(toHex(recordImage())).toBe("b7a1a2a3a40000000500000006070002eeff");
  expect(toHex(recordImage({ lane: "once", phase: 0, last: false }))).toBe(
    "c7a1a2a3a40000000500000006070002eeff",
  );
});

test("RC4: what a tag vouches for is the same for all fragments and all packets of a record", () => {
  const record = { channel: 7, lane: "reliable", phase: 1, destination: DESTINATION } as const;

  expect(toHex(recordAad({ ...record, record: 6 }))).toBe("97a1a2a3a400000006");
});

test("RC9: a new packet number changes nothing else", () => {
  const image = recordImage();
  rewritePacketNumber(new DataView(image.buffer), 0, 0xff_fe_fd_fc);

  expect(toHex(image)).toBe("b7a1a2a3a4fffefdfc00000006070002eeff");
});

test("what is written is read again", () => {
  fc.assert(
    fc.property(datagram(), (written) => {
      const bytes = encode(written);
      const lengthBytes = bytes.length;
      expect(decodeDatagram(bytes)).toEqual({ ok: true, value: { ...written, lengthBytes } });
    }),
    { numRuns: 1_000 },
  );
});

test("DG3: each datagram tells where it ends, so those that were joined can be told apart", () => {
  fc.assert(
    fc.property(fc.array(datagram(), { minLength: 1, maxLength: 5 }), (written) => {
      const bytes = concat(written.map(encode));
      const read: Datagram[] = [];
      for (let at = 0; at < bytes.length; ) {
        const decoded = decodeDatagram(bytes, at);
        if (!decoded.ok) expect.fail(decoded.error);
        const { lengthBytes, ...value } = decoded.value;
        read.push(value);
        at += lengthBytes;
      }

      // A HELLO is padded with whatever follows it: it is the last one.
      const hello = written.findIndex(({ kind }) => kind === "hello");
      expect(read).toEqual(hello < 0 ? written : written.slice(0, hello + 1));
    }),
  );
});

test("DG2: a datagram that is cut short anywhere is refused", () => {
  fc.assert(
    fc.property(
      datagram(),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (d, at) => {
        const bytes = encode(d);
        expect(decodeDatagram(bytes.subarray(0, Math.floor(at * bytes.length))).ok).toBe(false);
      },
    ),
    { numRuns: 500 },
  );
});

test.each([
  ["a cookie of 65 bytes", `010000000001000000010001014141${"00".repeat(1_300)}`, "malformed"],
  ["no version", `01000000000100000001000000${"00".repeat(1_300)}`, "malformed"],
  ["17 versions", `010000000001000000010011${"01".repeat(1_300)}`, "malformed"],
  ["a RETRY with too long a cookie", `01a1a2a3a40241${"00".repeat(65)}`, "malformed"],
  ["an UNSUPPORTED with 17 versions", `01a1a2a3a40311${"01".repeat(17)}`, "malformed"],
  ["an unknown greeting", "01a1a2a3a404", "unknown-kind"],
  ["a record without a payload", "87a1a2a3a40000000500000006070000", "truncated"],
  ["nothing at all", "", "truncated"],
] as const)("DG2: %s is refused", (_what, hex, error) => {
  expect(decodeDatagram(fromHex(hex) ?? new Uint8Array(0))).toEqual({ ok: false, error });
});

test("DG4: a HELLO of fewer than 1,200 bytes is refused, so no answer can be the larger one", () => {
  const hello = encode({ ...HELLO, tls: new Uint8Array(0) });

  expect(decodeDatagram(hello).ok).toBe(true);
  expect(decodeDatagram(hello.subarray(0, 1_199)).ok).toBe(false);
});

test("DG2: whatever arrives, a datagram is read or refused, and its parts lie within it", () => {
  const prng = new Prng(64);
  const seeds = fc.sample(datagram(), { numRuns: 50, seed: 1 }).map(encode);
  let read = 0;
  for (let run = 0; run < 100_000; run += 1) {
    const seed = run % 4 === 0 ? undefined : seeds[prng.below(seeds.length)];
    const bytes = seed === undefined ? random(prng) : mutated(prng, seed);
    const decoded = decodeDatagram(bytes);
    if (!decoded.ok) continue;
    read += 1;
    if (partBytes(decoded.value) > bytes.length) expect.fail(toHex(bytes));
  }
  expect(read).toBeGreaterThan(10_000);
});

const HELLO = {
  kind: "hello",
  channel: 1,
  source: SOURCE,
  singlePort: false,
  versions: [1],
  cookie: new Uint8Array(0),
  tls: Uint8Array.of(1),
} as const;

function recordImage(change: { lane?: "once"; phase?: 0; last?: boolean } = {}): Uint8Array {
  const payload = Uint8Array.of(0xee, 0xff);
  const image = new Uint8Array(RECORD_HEADER_BYTES + payload.length);
  const header = {
    channel: 7,
    lane: "reliable",
    phase: 1,
    destination: DESTINATION,
    packet: 5,
    record: 6,
    fragment: 7,
    last: true,
    lengthBytes: payload.length,
  } as const;
  writeRecordHeader(new DataView(image.buffer), 0, { ...header, ...change });
  image.set(payload, RECORD_HEADER_BYTES);
  return image;
}

function datagram(): fc.Arbitrary<Datagram> {
  const u32 = fc.nat(0xff_ff_ff_ff);
  const u16 = fc.nat(0xff_ff);
  const channel = fc.nat(15);
  const bytes = (minLength: number, maxLength: number) => fc.uint8Array({ minLength, maxLength });
  const versions = fc.array(fc.nat(255), { minLength: 1, maxLength: 16 });
  return fc.oneof(
    fc.record({
      kind: fc.constant("hello" as const),
      channel,
      source: u32,
      singlePort: fc.boolean(),
      versions,
      cookie: bytes(0, 64),
      tls: bytes(0, 1_500),
    }),
    fc.record({
      kind: fc.constant("retry" as const),
      channel,
      destination: u32,
      cookie: bytes(0, 64),
    }),
    fc.record({ kind: fc.constant("unsupported" as const), channel, destination: u32, versions }),
    fc.record({
      kind: fc.constant("handshake" as const),
      channel,
      destination: u32,
      source: u32,
      offsetBytes: u16,
      receivedBytes: u16,
      tls: bytes(0, 1_500),
    }),
    fc.record({
      kind: fc.constant("record" as const),
      channel,
      lane: fc.constantFrom("reliable" as const, "once" as const),
      phase: fc.constantFrom(0 as const, 1 as const),
      destination: u32,
      packet: u32,
      record: u32,
      fragment: fc.nat(255),
      last: fc.boolean(),
      payload: bytes(1, 1_500),
    }),
  );
}

function encode(written: Datagram): Uint8Array {
  switch (written.kind) {
    case "hello":
      return encodeHello(written);
    case "retry":
      return encodeRetry(written.channel, written.destination, written.cookie).slice();
    case "unsupported":
      return encodeUnsupported(written.channel, written.destination, written.versions).slice();
    case "handshake":
      return encodeHandshake(written).slice();
    case "record": {
      const image = new Uint8Array(RECORD_HEADER_BYTES + written.payload.length);
      const lengthBytes = written.payload.length;
      writeRecordHeader(new DataView(image.buffer), 0, { ...written, lengthBytes });
      image.set(written.payload, RECORD_HEADER_BYTES);
      return image;
    }
  }
}

function partBytes(datagram: Datagram): number {
  switch (datagram.kind) {
    case "hello":
      return datagram.cookie.length + datagram.tls.length + datagram.versions.length;
    case "retry":
      return datagram.cookie.length;
    case "unsupported":
      return datagram.versions.length;
    case "handshake":
      return datagram.tls.length;
    case "record":
      return RECORD_HEADER_BYTES + datagram.payload.length;
  }
}

function random(prng: Prng): Uint8Array {
  return Uint8Array.from({ length: prng.below(64) }, () => prng.below(256));
}

function mutated(prng: Prng, seed: Uint8Array): Uint8Array {
  const bytes = seed.slice();
  for (let change = prng.below(4); change > 0; change -= 1) {
    bytes[prng.below(Math.min(32, bytes.length))] = prng.below(256);
  }
  return prng.below(4) === 0 ? bytes.subarray(0, prng.below(bytes.length + 1)) : bytes;
}
