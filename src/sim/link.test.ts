import { expect, test } from "vitest";
import { Prng } from "../base/prng.ts";
import { MS, SECOND } from "../base/units.ts";
import { LAN, Link } from "./link.ts";

test("a link carries no more than its rate, headers included, and delays what waits", () => {
  const link = new Link(
    { ...LAN, rate: 1_228_000, delayUs: 10 * MS, queueBytes: 1e9 },
    new Prng(1),
  );
  const arrivals = Array.from({ length: 1_000 }, () => link.carry(0, 1_200)[0] ?? 0);

  expect(arrivals[0]).toBe(11 * MS);
  expect(arrivals.at(-1)).toBe(SECOND + 10 * MS);
  expect(link.carriedBytes).toBe(1_228_000);
});

test("what does not fit into the queue is dropped, and there is room again later", () => {
  const link = new Link({ ...LAN, rate: 1_228_000, queueBytes: 10 * 1_228 }, new Prng(1));
  const carried = Array.from({ length: 20 }, () => link.carry(0, 1_200).length);

  expect(carried.filter((copies) => copies === 1).length).toBe(10);
  expect(link.dropped).toBe(10);
  expect(link.carry(20 * MS, 1_200).length).toBe(1);
});

test("losses and duplicates are as frequent as asked for", () => {
  const link = new Link(
    { ...LAN, rate: Infinity, lossPercent: 10, duplicatePercent: 5 },
    new Prng(2),
  );
  const copies = Array.from({ length: 20_000 }, (_, at) => link.carry(at, 100).length);
  const share = (count: number) => copies.filter((each) => each === count).length / copies.length;

  expect(share(0)).toBeCloseTo(0.1, 2);
  expect(share(2)).toBeCloseTo(0.045, 2);
});

test("a link that is cut carries nothing", () => {
  const link = new Link(LAN, new Prng(1));
  link.cut = true;

  expect(link.carry(0, 100)).toEqual([]);
  expect(link.carriedBytes).toBe(0);
});
