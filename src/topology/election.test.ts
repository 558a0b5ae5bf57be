import fc from "fast-check";
import { expect, test } from "vitest";
import type { DeviceId } from "../base/ids.ts";
import { GIB, KIB } from "../base/units.ts";
import {
  type Candidate,
  type CandidateFacts,
  compareCandidates,
  decidingCriterion,
  rankCandidates,
  spaceClass,
} from "./election.ts";

test("B8, SW14: the criteria decide in their order, and at last the device id", () => {
  const plain: CandidateFacts = {
    freeBytes: 10 * GIB,
    usableBytes: GIB,
    preferred: false,
    desktop: false,
    serverOs: false,
    uptimeS: 100,
  };
  const inOrder: readonly CandidateFacts[] = [
    { ...plain, freeBytes: 100 * GIB },
    { ...plain, preferred: true },
    { ...plain, desktop: true },
    { ...plain, serverOs: true },
    { ...plain, uptimeS: 101 },
    { ...plain, usableBytes: 2 * GIB },
    plain,
    plain,
  ];
  const candidates = inOrder.map((facts, index) => ({ deviceId: id(index), facts }));

  expect(rankCandidates(candidates.toReversed())).toEqual(candidates);
  const [last] = candidates.slice(-1);
  expect(candidates.map((one) => last && decidingCriterion(one, last))).toEqual([
    "freeBytes",
    "preferred",
    "desktop",
    "serverOs",
    "uptimeS",
    "usableBytes",
    "deviceId",
    undefined,
  ]);
});

test("B8, SW14: free space counts as a class, so that a download does not change the winner", () => {
  const classes = [0, GIB - 1, GIB, 2 * GIB - 1, 2 * GIB, 15 * GIB, 16 * GIB, KIB * GIB, 2e15];

  expect(classes.map(spaceClass)).toEqual([0, 0, 0, 0, 1, 3, 4, 10, 10]);
});

test("B8, SW14: the order is total: everyone who knows the same candidates names the same winner", () => {
  fc.assert(
    fc.property(candidate(), candidate(), candidate(), (a, b, c) => {
      const sign = (x: Candidate, y: Candidate): number => Math.sign(compareCandidates(x, y));
      expect(sign(a, b) + sign(b, a)).toBe(0);
      if (a.deviceId !== b.deviceId) expect(sign(a, b)).not.toBe(0);
      if (sign(a, b) <= 0 && sign(b, c) <= 0) expect(sign(a, c)).toBeLessThanOrEqual(0);
    }),
  );
  fc.assert(
    fc.property(fc.uniqueArray(candidate(), { selector: (c) => c.deviceId }), (candidates) => {
      expect(rankCandidates(candidates.toReversed())).toEqual(rankCandidates(candidates));
    }),
  );
});

function candidate(): fc.Arbitrary<Candidate> {
  // Few values for each field, so that ties are common.
  return fc.record({
    deviceId: fc.integer({ min: 0, max: 5 }).map(id),
    facts: fc.record({
      freeBytes: fc.constantFrom(0, GIB, 3 * GIB, 4 * GIB),
      usableBytes: fc.constantFrom(0, GIB),
      preferred: fc.boolean(),
      desktop: fc.boolean(),
      serverOs: fc.boolean(),
      uptimeS: fc.constantFrom(0, 60),
    }),
  });
}

function id(index: number): DeviceId {
  return index.toString(16).padStart(32, "0") as DeviceId;
}
