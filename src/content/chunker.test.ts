import { expect, test } from "vitest";
import { Prng } from "../base/prng.ts";
import { KIB, MIB } from "../base/units.ts";
import { Chunker, PIECE_BYTES_MAX, PIECE_BYTES_MIN } from "./chunker.ts";

test("CO11: the cuts of a known input are part of the format and never change", () => {
  const cuts = cutsOf(noise(1, 3 * MIB));

  expect(cuts).toEqual(GOLDEN_CUTS);
});

test("the cuts do not depend on how the input is split into buffers", () => {
  const bytes = noise(2, 4 * MIB);
  const prng = new Prng(3);
  for (const lengthMax of [7, 4_096, 100_000, 3 * MIB]) {
    const take = () => 1 + prng.below(lengthMax);
    // A buffer of a few bytes costs a call: enough of them to cross every bound, not the whole.
    const part = bytes.subarray(0, lengthMax < 100 ? MIB : bytes.length);
    expect(cutsOf(part, take)).toEqual(cutsOf(part));
  }
});

test("CO11: pieces keep the bounds, and average 256 KiB on random input", () => {
  const bytes = noise(4, 32 * MIB);
  const sizes = sizesOf(cutsOf(bytes));

  expect(Math.min(...sizes.slice(0, -1))).toBeGreaterThanOrEqual(PIECE_BYTES_MIN);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(PIECE_BYTES_MAX);
  expect(bytes.length / sizes.length).toBeGreaterThan(220 * KIB);
  expect(bytes.length / sizes.length).toBeLessThan(300 * KIB);
});

test("input of one repeated byte is cut at the largest size, whatever the byte", () => {
  for (let value = 0; value < 256; value += 1) {
    const bytes = new Uint8Array(PIECE_BYTES_MAX + 1).fill(value);
    expect(new Chunker().feed(bytes)).toEqual([PIECE_BYTES_MAX]);
  }
});

test("eight bytes put into the middle change a few pieces and no others", () => {
  const before = noise(5, 16 * MIB);
  const at = 7 * MIB + 12_345;
  const after = new Uint8Array(before.length + 8);
  after.set(before.subarray(0, at));
  after.set(noise(6, 8), at);
  after.set(before.subarray(at), at + 8);

  const cutsBefore = new Set(cutsOf(before));
  const cutsAfter = cutsOf(after);
  const fresh = cutsAfter.filter((cut) => !cutsBefore.has(cut <= at ? cut : cut - 8));

  expect(cutsAfter.length).toBeGreaterThan(50);
  expect(fresh.length).toBeLessThanOrEqual(3);
});

test("stretches of 2 MiB that are new make hardly more than that new", () => {
  const parts = Array.from({ length: 8 }, (_, seed) => noise(10 + seed, 6 * MIB));
  const before = Buffer.concat(parts);
  const fresh = parts.map((_, seed) => noise(30 + seed, 2 * MIB + 1_000 * seed));
  const after = Buffer.concat(
    parts.map((part, at) => Buffer.concat([part.subarray(2 * MIB), fresh[at] as Uint8Array])),
  );
  const known = new Set(piecesOf(before));

  const sent = piecesOf(after).filter((piece) => !known.has(piece));
  const sentBytes = sent.reduce((sum, piece) => sum + piece.length, 0);
  const freshBytes = fresh.reduce((sum, { length }) => sum + length, 0);
  expect(sentBytes).toBeGreaterThan(freshBytes);
  expect(sentBytes).toBeLessThan(1.25 * freshBytes);
});

test("a stream without bytes has no piece, and a short one has one that is not cut", () => {
  const chunker = new Chunker();

  expect(chunker.feed(new Uint8Array())).toEqual([]);
  expect(chunker.pendingBytes).toBe(0);
  expect(chunker.feed(new Uint8Array(100))).toEqual([]);
  expect(chunker.pendingBytes).toBe(100);
});

/** Checked by hashing the 32 bytes before each byte anew. */
const GOLDEN_CUTS: readonly number[] = [
  307_495, 463_744, 739_162, 912_122, 1_396_576, 1_655_544, 1_942_134, 2_260_425, 2_463_560,
  3_057_690, 3_145_728,
];

/** Where pieces end in `bytes`, the last at their end, when they come in buffers of `take()`. */
function cutsOf(bytes: Uint8Array, take: () => number = () => MIB): readonly number[] {
  const chunker = new Chunker();
  const cuts: number[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = Math.min(bytes.length, at + take());
    for (const cut of chunker.feed(bytes.subarray(at, end))) cuts.push(at + cut);
    at = end;
  }
  if (chunker.pendingBytes > 0) cuts.push(bytes.length);
  return cuts;
}

/** Each piece as a text: a character a byte. */
function piecesOf(bytes: Buffer): readonly string[] {
  const cuts = cutsOf(bytes);
  return cuts.map((cut, index) => bytes.toString("latin1", cuts[index - 1] ?? 0, cut));
}

function sizesOf(cuts: readonly number[]): readonly number[] {
  return cuts.map((cut, index) => cut - (cuts[index - 1] ?? 0));
}

function noise(seed: number, lengthBytes: number): Uint8Array {
  const prng = new Prng(seed);
  const words = new Uint32Array(Math.ceil(lengthBytes / 4)).map(() => prng.next());
  return new Uint8Array(words.buffer, 0, lengthBytes);
}
