import fc from "fast-check";
import { expect, test } from "vitest";
import { ByteWriter } from "../base/byte-writer.ts";
import { fromHex, toHex } from "../base/hex.ts";
import { Prng } from "../base/prng.ts";
import {
  ACK_BITMAP_BYTES_MAX,
  ACK_RANGES_MAX,
  type AckFrame,
  BLOCK_OVERHEAD_BYTES,
  type Frame,
  readFrames,
  STREAM_OVERHEAD_BYTES,
  TOKEN_BYTES,
  writeFrame,
} from "./frames.ts";

const ACK: AckFrame = {
  kind: "ack",
  ranges: [
    { first: 9, last: 10 },
    { first: 1, last: 3 },
  ],
  delayUs: 0x0102,
  windowBytes: 0x40_00_00,
  recordFloor: 5,
  recordsDone: Uint8Array.of(0xa0),
  single: true,
};

test.each<readonly [string, Frame, string]>([
  [
    "FR2: an ACK",
    ACK,
    "01010000010200400000" +
      "020000000900 00000a0000000100000003".replaceAll(" ", "") +
      "0000000501a0",
  ],
  [
    "FR3: a STREAM",
    { kind: "stream", offsetBytes: 0x0102, data: Uint8Array.of(0xee) },
    "0200000000000001020001ee",
  ],
  [
    "FR4: a BLOCK",
    { kind: "block", requestId: 7, offsetBytes: 8, data: Uint8Array.of(0xee, 0xff) },
    "0300000007000000080002eeff",
  ],
  ["FR5: an ABANDON", { kind: "abandon", record: 0x01020304 }, "0401020304"],
  ["FR6: a PING", { kind: "ping" }, "05"],
  ["FR7: a CLOSE", { kind: "close", code: 0x0102, reason: "bye" }, "06010203627965"],
])("%s lies in a record as documented", (_what, frame, hex) => {
  expect(toHex(written([frame]))).toBe(hex);
  expect(readFrames(written([frame]))).toEqual([frame]);
});

test("FR1: frames lie one behind the other and are read in that order", () => {
  fc.assert(
    fc.property(fc.array(frame(), { maxLength: 8 }), (frames) => {
      expect(readFrames(written(frames))).toEqual(frames);
    }),
    { numRuns: 1_000 },
  );
});

test("what stream and block frames add to their data is as long as promised", () => {
  const data = new Uint8Array(100);
  const stream = written([{ kind: "stream", offsetBytes: 0, data }]);
  const block = written([{ kind: "block", requestId: 0, offsetBytes: 0, data }]);

  expect(stream.length - data.length).toBe(STREAM_OVERHEAD_BYTES);
  expect(block.length - data.length).toBe(BLOCK_OVERHEAD_BYTES);
});

test.each([
  ["a range that ends before it begins", { ranges: [{ first: 4, last: 3 }] }],
  ["one range too many", { ranges: new Array(ACK_RANGES_MAX + 1).fill({ first: 1, last: 1 }) }],
  ["too long a bitmap", { recordsDone: new Uint8Array(ACK_BITMAP_BYTES_MAX + 1) }],
])("FR2: an ACK with %s is no frame", (_what, change) => {
  expect(readFrames(written([{ ...ACK, ...change }]))).toBeUndefined();
});

test("FR2: an ACK with as many ranges and records as allowed is one", () => {
  const ranges = Array.from({ length: ACK_RANGES_MAX }, (_, n) => ({ first: 3 * n, last: 3 * n }));
  const ack = { ...ACK, ranges, recordsDone: new Uint8Array(ACK_BITMAP_BYTES_MAX) };

  expect(readFrames(written([ack]))).toEqual([ack]);
});

test.each(["09", "07", "05ff", "02000000000000", "0600010561", "0701020304050607"])(
  "FR1: %s is not made of frames",
  (hex) => {
    expect(readFrames(fromHex(hex) ?? expect.fail())).toBeUndefined();
  },
);

test.each([
  ["", 0],
  ["05", 1],
  ["0508aabbccddeeff0011", 2],
])("FR10: padding ends a record, whatever stands in it (behind 0x%s)", (before, count) => {
  const frames = readFrames(fromHex(`${before}00000005ff`) ?? expect.fail());

  expect(frames?.length).toBe(count);
});

test("FR11, FR12: a challenge and its response lie on the wire as documented", () => {
  const token = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);

  expect(toHex(written([{ kind: "challenge", token }]))).toBe("070102030405060708");
  expect(toHex(written([{ kind: "response", token }]))).toBe("080102030405060708");
});

test("FR7: a reason that is too long is cut, and one cut within a character is still a close", () => {
  const long = "é".repeat(200);
  const [close] = readFrames(written([{ kind: "close", code: 1, reason: long }])) ?? [];

  expect(close).toEqual({ kind: "close", code: 1, reason: "" });
});

test("FR1: whatever a record says, it is made of frames or it is not", () => {
  const prng = new Prng(9);
  const seeds = fc
    .sample(fc.array(frame(), { minLength: 1, maxLength: 3 }), { numRuns: 60, seed: 2 })
    .map(written);
  let read = 0;
  for (let run = 0; run < 100_000; run += 1) {
    const bytes = (seeds[prng.below(seeds.length)] ?? new Uint8Array(1)).slice();
    for (let change = prng.below(4); change > 0 && run % 4 > 0; change -= 1) {
      bytes[prng.below(bytes.length)] = prng.below(256);
    }
    if (run % 4 === 0) for (let at = 0; at < bytes.length; at += 1) bytes[at] = prng.below(256);
    const frames = readFrames(bytes.subarray(0, 1 + prng.below(bytes.length)));
    if (frames === undefined) continue;
    read += 1;
    const total = frames.reduce((sum, one) => sum + ("data" in one ? one.data.length : 0), 0);
    if (total > bytes.length) expect.fail(toHex(bytes));
  }
  expect(read).toBeGreaterThan(1_000);
});

function written(frames: readonly Frame[]): Uint8Array {
  const writer = new ByteWriter();
  for (const one of frames) writeFrame(writer, one);
  return writer.written().slice();
}

/** What differences of packets and of times can be. */
const SHORT = { min: -0x80_00, max: 0x7f_ff };

function arrivals(first: number, steps: readonly (readonly [number, number])[]): Frame {
  const saidAtUs = 0x01_00_00_00_00;
  const arrived = [{ packet: first, atUs: saidAtUs - 5_000 }];
  for (const [packets, us] of steps) {
    const before = arrived.at(-1) ?? { packet: 0, atUs: 0 };
    arrived.push({ packet: before.packet + packets, atUs: before.atUs + us });
  }
  return { kind: "arrivals", arrived, saidAtUs };
}

function frame(): fc.Arbitrary<Frame> {
  const u32 = fc.nat(0xff_ff_ff_ff);
  const data = fc.uint8Array({ maxLength: 300 });
  const range = fc
    .tuple(u32, u32)
    .map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b) }));
  return fc.oneof(
    fc.record({
      kind: fc.constant("ack" as const),
      ranges: fc.array(range, { maxLength: ACK_RANGES_MAX }),
      delayUs: u32,
      windowBytes: u32,
      recordFloor: u32,
      recordsDone: fc.uint8Array({ maxLength: ACK_BITMAP_BYTES_MAX }),
      single: fc.boolean(),
    }),
    fc.record({ kind: fc.constant("stream" as const), offsetBytes: fc.maxSafeNat(), data }),
    fc.record({ kind: fc.constant("block" as const), requestId: u32, offsetBytes: u32, data }),
    fc.record({ kind: fc.constant("abandon" as const), record: u32 }),
    fc.constant({ kind: "ping" as const }),
    fc.record({ kind: fc.constant("probe" as const), busyMs: u32 }),
    fc
      .tuple(u32, fc.array(fc.tuple(fc.integer(SHORT), fc.integer(SHORT)), { maxLength: 63 }))
      .map(([first, steps]) => arrivals(first, steps)),
    fc.record({
      kind: fc.constantFrom("challenge" as const, "response" as const),
      token: fc.uint8Array({ minLength: TOKEN_BYTES, maxLength: TOKEN_BYTES }),
    }),
    fc.record({
      kind: fc.constant("close" as const),
      code: fc.nat(0xff_ff),
      reason: fc.string({ maxLength: 200 }),
    }),
  );
}
