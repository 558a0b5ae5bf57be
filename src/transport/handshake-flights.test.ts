import fc from "fast-check";
import { expect, test } from "vitest";
import { textOf } from "../../test/simulation/fixtures/records.ts";
import { concat } from "../base/bytes.ts";
import { HANDSHAKE_BYTES_MAX, HANDSHAKE_RESEND_US } from "./constants.ts";
import { type Flight, HandshakeFlights } from "./handshake-flights.ts";

const TLS = textOf(5_000);

test("HS9: TLS bytes come out once and in order, however their datagrams are mixed and repeated", () => {
  const flights = new HandshakeFlights().add(0, TLS);
  const order = fc.array(fc.nat(flights.length - 1), { maxLength: 30 });
  fc.assert(
    fc.property(order, (indexes) => {
      const receiver = new HandshakeFlights();
      const all = [...indexes, ...flights.keys()];
      const parts = all.map((index) => take(receiver, flights[index]));
      expect(concat(parts)).toEqual(TLS);
      expect(receiver.receivedBytes).toBe(TLS.length);
    }),
  );
});

test("HS9: what is not confirmed goes again from its first byte, ever more rarely", () => {
  const sender = new HandshakeFlights();
  const sent = sender.add(0, TLS);
  expect(sender.due().atUs).toBe(HANDSHAKE_RESEND_US);

  expect(sender.resend(HANDSHAKE_RESEND_US)).toEqual(sent);
  expect(sender.due().atUs).toBe(3 * HANDSHAKE_RESEND_US);

  confirm(sender, 1_000_000, 1_185);
  expect(sender.resend(2_000_000).map(({ offsetBytes }) => offsetBytes)).toEqual([
    1_185, 2_370, 3_555, 4_740,
  ]);
  confirm(sender, 3_000_000, TLS.length);
  expect(sender.due().atUs).toBe(Number.POSITIVE_INFINITY);
  expect(sender.resend(3_000_000)).toEqual([]);
});

test("confirming what was never sent has no effect", () => {
  const sender = new HandshakeFlights();
  sender.add(0, TLS);
  confirm(sender, 1, TLS.length + 1);

  expect(sender.resend(2).length).toBe(5);
});

test("HS10: a peer that repeats itself is noticed", () => {
  const receiver = new HandshakeFlights();
  const flight = { offsetBytes: 0, tls: TLS.subarray(0, 100), receivedBytes: 0 };

  expect(receiver.onFlight(0, flight).repeated).toBe(false);
  expect(receiver.onFlight(0, flight).repeated).toBe(true);
  expect(receiver.onFlight(0, { ...flight, tls: new Uint8Array(0) }).repeated).toBe(false);
});

test("HS11: nothing is taken beyond 16 KiB", () => {
  const receiver = new HandshakeFlights();
  const taken = new HandshakeFlights()
    .add(0, new Uint8Array(2 * HANDSHAKE_BYTES_MAX))
    .map((flight) => take(receiver, flight).length);

  expect(taken.reduce((sum, length) => sum + length, 0)).toBeLessThanOrEqual(HANDSHAKE_BYTES_MAX);
});

test("HS11: no more than 32 parts are kept that came too early, and the next one still counts", () => {
  const receiver = new HandshakeFlights();
  for (let part = 0; part < 1_000; part += 1) {
    take(receiver, { offsetBytes: 1 + part, tls: TLS.subarray(1 + part, 2 + part) });
  }
  const first = take(receiver, { offsetBytes: 0, tls: TLS.subarray(0, 1) });

  expect(first).toEqual(TLS.subarray(0, 33));
});

function take(receiver: HandshakeFlights, flight: Flight | undefined): Uint8Array {
  if (flight === undefined) expect.fail("no such flight");
  return receiver.onFlight(0, { ...flight, receivedBytes: 0 }).tls;
}

function confirm(sender: HandshakeFlights, nowUs: number, receivedBytes: number): void {
  sender.onFlight(nowUs, { offsetBytes: 0, tls: new Uint8Array(0), receivedBytes });
}
