import { expect, test } from "vitest";
import { Prng } from "../base/prng.ts";
import { PROFILE_KEYS, type ProfileValues } from "../wire/profile.ts";
import {
  byOrder,
  type ProfilePlace,
  pendingOf,
  published,
  rankedFor,
  valuesInForce,
} from "./profile-precedence.ts";
import type { ProfileRow, ProfileTargets } from "./profile-rows.ts";

const DEVICE = "d1";

test("PF5: of one value the device's profile counts before its group's, and that before its office's", () => {
  const rows = [
    profile("of-office", { offices: ["North"] }, { diskPercent: 1 }),
    profile("of-group", { groups: ["Lab"] }, { diskPercent: 2, maxAgeDays: 2 }),
    profile("of-device", { devices: [DEVICE] }, { maxAgeDays: 3 }),
  ];

  expect(inForce(rows)).toEqual({
    diskPercent: { value: 2, profile: "of-group" },
    maxAgeDays: { value: 3, profile: "of-device" },
  });
});

test("PF5: the nearest office up the tree counts, value by value", () => {
  const rows = [
    profile("far", { offices: ["Central"] }, { mode: "local", maxAgeDays: 1 }),
    profile("near", { offices: ["North"] }, { mode: "distributed" }),
    profile("beside", { offices: ["South"] }, { mode: "disabled", maxAgeDays: 9 }),
  ];

  expect(inForce(rows)).toEqual({
    mode: { value: "distributed", profile: "near" },
    maxAgeDays: { value: 1, profile: "far" },
  });
});

test("PF5: of profiles that reach a device alike the lower order counts, then the lesser name", () => {
  const rows = [
    profile("b", { groups: ["Lab"] }, { diskPercent: 1, maxAgeDays: 1, minFreeMib: 1 }, 5),
    profile("a", { groups: ["Lab"] }, { diskPercent: 2, maxAgeDays: 2 }, 5),
    profile("z", { groups: ["Lab"] }, { diskPercent: 3 }, 1),
  ];

  expect(inForce(rows)).toEqual({
    diskPercent: { value: 3, profile: "z" },
    maxAgeDays: { value: 2, profile: "a" },
    minFreeMib: { value: 1, profile: "b" },
  });
});

test("PF5: what nobody sets is nobody's, and what is published nowhere sets nothing", () => {
  expect(inForce([profile("a", {}, { diskPercent: 3 })])).toEqual({});
  expect(inForce([])).toEqual({});
});

test("PF5: in random trees each value is that of the strongest profile that sets it", () => {
  for (let seed = 0; seed < 300; seed += 1) {
    const { rows, place } = randomOrganisation(new Prng(seed));
    const sorted = rows.toSorted(byOrder).map(published);

    const values = valuesInForce(sorted, place);

    for (const key of PROFILE_KEYS) {
      // The same by another way: every pair of profiles is compared by how it reaches the device.
      const setters = rows.filter(({ values: set }) => set[key] !== undefined);
      const best = setters
        .flatMap((row) => {
          const strength = strengthOf(row, place);
          return strength === undefined ? [] : [{ row, strength }];
        })
        .reduce<{ row: ProfileRow; strength: number } | undefined>((found, next) => {
          if (found === undefined) return next;
          const nearer = next.strength - found.strength || byOrder(next.row, found.row);
          return nearer < 0 ? next : found;
        }, undefined);
      const expected = best && { value: best.row.values[key], profile: best.row.name };
      expect([seed, key, values[key]]).toEqual([seed, key, expected]);
    }
  }
});

test("PF5: the order in which profiles were entered and targets were named does not matter", () => {
  for (let seed = 0; seed < 100; seed += 1) {
    const prng = new Prng(seed);
    const { rows, place } = randomOrganisation(prng);
    const shuffled = rows
      .map((row) => ({ row, lot: prng.next() }))
      .sort((a, b) => a.lot - b.lot)
      .map(({ row }) => row);

    const one = valuesInForce(rows.toSorted(byOrder).map(published), place);
    const other = valuesInForce(shuffled.toSorted(byOrder).map(published), place);

    expect(other).toEqual(one);
  }
});

test("PF5: each profile that reaches a device is named once, however often it reaches it", () => {
  const everywhere = { devices: [DEVICE], groups: ["Lab", "All"], offices: ["North", "Central"] };
  const ranked = rankedFor([published(profile("a", everywhere, {}))], placeOf(["Lab", "All"]));

  expect(ranked.map(({ row }) => row.name)).toEqual(["a"]);
});

test("PF3: pending is what is otherwise on the device than it is meant to be", () => {
  const wanted = {
    mode: { value: "local", profile: "a" },
    diskPercent: { value: 10, profile: "a" },
    ports: { value: { offset: 7 }, profile: "a" },
  } as const;

  expect(pendingOf(wanted, undefined)).toEqual(["mode", "diskPercent", "ports"]);
  expect(pendingOf(wanted, wanted)).toEqual([]);
  const otherwise = {
    ...wanted,
    mode: { value: "local", profile: "b" },
    diskPercent: { value: 25 },
    maxAgeDays: { value: 30, profile: "gone" },
    minFreeMib: { value: 512 },
  } as const;
  expect(pendingOf(wanted, otherwise)).toEqual(["mode", "maxAgeDays", "diskPercent"]);
});

function profile(
  name: string,
  targets: Partial<ProfileTargets>,
  values: ProfileValues,
  order = 10,
): ProfileRow {
  const nowhere = { groups: [], offices: [], devices: [] };
  const times = { createdAtMs: 0, changedAtMs: 0 };
  return { name, order, values, targets: { ...nowhere, ...targets }, ...times };
}

function placeOf(groups: readonly string[] = ["Lab"]): ProfilePlace {
  return {
    deviceId: DEVICE,
    offices: ["North", "Central"],
    isInGroup: (group) => groups.includes(group),
  };
}

function inForce(rows: readonly ProfileRow[]) {
  return valuesInForce(rows.toSorted(byOrder).map(published), placeOf());
}

/** How near a profile reaches a device; lower is nearer, and `undefined` where it does not. */
function strengthOf({ targets }: ProfileRow, place: ProfilePlace): number | undefined {
  if (targets.devices.includes(place.deviceId)) return 0;
  if (targets.groups.some((group) => place.isInGroup(group))) return 1;
  const heights = [...place.offices].flatMap((office, height) =>
    targets.offices.includes(office) ? [height] : [],
  );
  return heights.length === 0 ? undefined : 2 + Math.min(...heights);
}

function randomOrganisation(prng: Prng) {
  const names = (prefix: string, count: number) =>
    Array.from({ length: count }, (_, index) => `${prefix}${index}`);
  const some = (all: readonly string[]) => all.filter(() => prng.below(4) === 0);
  // The parent of an office comes before it, as in any tree.
  const offices = names("o", 1 + prng.below(12));
  const parents = offices.map((_, index) => (index === 0 ? undefined : prng.below(index)));
  const path: string[] = [];
  for (let at: number | undefined = prng.below(offices.length); at !== undefined; ) {
    path.push(offices[at] ?? "");
    at = parents[at];
  }
  const groups = names("g", 5);
  const mine = new Set(some(groups));
  const value = () => prng.below(100);
  const rows = names("p", prng.below(8)).map((name) =>
    profile(
      name,
      { offices: some(offices), groups: some(groups), devices: some([DEVICE, "d2", "d3"]) },
      {
        ...(prng.below(2) === 0 ? {} : { diskPercent: 1 + value() }),
        ...(prng.below(2) === 0 ? {} : { maxAgeDays: value() }),
        ...(prng.below(2) === 0 ? {} : { preferred: prng.below(2) === 0 }),
        ...(prng.below(3) === 0 ? {} : { mode: "local" as const }),
        ...(prng.below(3) === 0 ? {} : { ports: { offset: value() } }),
      },
      prng.below(3),
    ),
  );
  const isInGroup = (group: string): boolean => mine.has(group);
  return { rows, place: { deviceId: DEVICE, offices: path, isInGroup } };
}
