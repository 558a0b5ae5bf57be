import { expect, test } from "vitest";
import { MS, SECOND } from "../../../base/units.ts";
import { Moments } from "./moments.ts";

const ROUND_US = 20 * MS;

test("hold-ups that are over are believed to be over, each time", () => {
  const moments = new Moments();
  const times = [1, 2, 3, 4, 5].map((second) => moments.isOne(second * SECOND, ROUND_US));

  expect(times).toEqual([true, true, true, true, true]);
});

test("another one at once is none, and who comes back each time is believed no more for a while", () => {
  const moments = new Moments();
  expect(moments.isOne(1 * SECOND, ROUND_US)).toBe(true);
  expect(moments.isOne(1 * SECOND + 100 * MS, ROUND_US)).toBe(false);
  moments.onOthers(1 * SECOND + 100 * MS);
  expect(moments.isOne(2 * SECOND, ROUND_US)).toBe(true);
  moments.onOthers(2 * SECOND + 100 * MS);

  expect(moments.isOne(10 * SECOND, ROUND_US)).toBe(false);
  expect(moments.isOne(33 * SECOND, ROUND_US)).toBe(true);
});

test("others who come long after a moment do not speak against it", () => {
  const moments = new Moments();
  for (let second = 1; second < 20; second += 1) {
    expect(moments.isOne(second * SECOND, ROUND_US)).toBe(true);
    moments.onOthers(second * SECOND + 600 * MS);
  }
});
