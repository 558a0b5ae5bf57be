import { expect, test } from "vitest";
import { Prng } from "./prng.ts";

test("the same seed gives the same numbers on every machine, today and later", () => {
  const prng = new Prng(1);
  const first = Array.from({ length: 4 }, () => prng.next());

  expect(first).toEqual(GOLDEN);
});

test("seeds that differ in one bit give unrelated numbers", () => {
  const firsts = new Set(Array.from({ length: 32 }, (_, bit) => new Prng(2 ** bit).next()));

  expect(firsts.size).toBe(32);
});

test("a drawn number lies below its bound, and each is drawn about as often", () => {
  const prng = new Prng(7);
  const counts = new Array<number>(10).fill(0);
  for (let draw = 0; draw < 100_000; draw += 1) {
    const value = prng.below(10);
    counts[value] = (counts[value] ?? Number.NaN) + 1;
  }

  // Chi-squared with nine degrees of freedom lies below 27.9 in 99.9 % of all fair cases.
  const chiSquared = counts.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0);
  expect(chiSquared).toBeLessThan(27.9);
  expect(prng.below(1)).toBe(0);
});

test("every bit is set about half of the time", () => {
  const prng = new Prng(3);
  const set = new Array<number>(32).fill(0);
  for (let draw = 0; draw < 10_000; draw += 1) {
    const value = prng.next();
    for (let bit = 0; bit < 32; bit += 1) set[bit] = (set[bit] ?? 0) + ((value >>> bit) & 1);
  }

  expect(Math.min(...set)).toBeGreaterThan(4_800);
  expect(Math.max(...set)).toBeLessThan(5_200);
});

const GOLDEN = [0x5e_2d_17_72, 0x14_e4_98_f0, 0xd2_0e_a1_fd, 0xb3_82_f3_39];
