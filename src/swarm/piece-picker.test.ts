import { expect, test } from "vitest";
import { Bitset } from "../base/bitset.ts";
import { Prng } from "../base/prng.ts";
import { PiecePicker } from "./piece-picker.ts";

test("the rarest piece of those that a device offers is chosen", () => {
  const { picker } = harness(10);
  for (let piece = 0; piece < 10; piece += 1) {
    for (let copy = 0; copy < (piece === 7 ? 1 : 3); copy += 1) picker.onOffered(piece);
  }

  expect(picker.pick(all(10))).toBe(7);
  picker.onWithdrawn(3);
  picker.onWithdrawn(3);
  picker.onWithdrawn(3);
  expect(picker.pick(all(10))).toBe(3);
});

test("a piece that is held, on its way or not offered is not chosen", () => {
  const { picker, held } = harness(4);
  held.add(0);
  picker.onAsked(1);
  const offered = new Bitset(4);
  for (const piece of [0, 1, 2]) offered.add(piece);

  expect(picker.pick(offered)).toBe(2);
  picker.onAsked(2);
  expect(picker.pick(offered)).toBeUndefined();
  picker.onSettled(1);
  expect(picker.pick(offered)).toBe(1);
  expect(picker.askedCount).toBe(1);
});

test("what the own office holds is not fetched over the line again", () => {
  const { picker } = harness(3);
  picker.onOffered(0);
  picker.onOffered(2);

  expect(picker.pickAcrossLine(all(3))).toBe(1);
  picker.onAsked(1);
  expect(picker.pickAcrossLine(all(3))).toBeUndefined();
  expect(picker.pick(all(3))).toBeDefined();
});

test("over the line pieces come in their order", () => {
  const { picker, held } = harness(4);
  held.add(0);

  const order: (number | undefined)[] = [];
  for (let turn = 0; turn < 4; turn += 1) {
    const piece = picker.pickAcrossLine(all(4));
    order.push(piece);
    if (piece !== undefined) picker.onAsked(piece);
  }

  expect(order).toEqual([1, 2, 3, undefined]);
});

test("devices that miss the same pieces begin with different ones", () => {
  const firsts = Array.from({ length: 20 }, (_, seed) =>
    harness(1_000, seed).picker.pick(all(1_000)),
  );

  expect(new Set(firsts).size).toBeGreaterThan(15);
});

test("a content without pieces asks for none", () => {
  expect(harness(0).picker.pick(all(0))).toBeUndefined();
});

function harness(size: number, seed = 1) {
  const held = new Bitset(size);
  return { held, picker: new PiecePicker(held, new Prng(seed)) };
}

function all(size: number): Bitset {
  const set = new Bitset(size);
  set.fill();
  return set;
}
