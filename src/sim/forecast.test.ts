import { expect, test } from "vitest";
import type { DeviceId } from "../base/ids.ts";
import { Prng } from "../base/prng.ts";
import { MIB, MS } from "../base/units.ts";
import { compareCandidates, decidingCriterion } from "../topology/election.ts";
import { boundsOf } from "./bounds.ts";
import {
  type ForecastOffice,
  type ForecastProgress,
  type ForecastSetup,
  forecast,
} from "./forecast.ts";
import { inventMachines } from "./machines.ts";

const MBIT = 125_000;

const TREE: readonly ForecastOffice[] = [
  office({ name: "Depot", parent: "North", type: "wifi", devices: 3, mbit: 10 }),
  office({ name: "North", parent: "Central", devices: 5, mbit: 20 }),
  office({ name: "Central", devices: 3 }),
  office({ name: "Homes", parent: "Central", type: "vpn", devices: 4, mbit: 100 }),
];

const SETUP: ForecastSetup = {
  offices: TREE,
  sizeBytes: 4 * MIB + 5,
  pieces: 17,
  seed: 7,
  grain: "flows",
  lanRate: 125_000_000,
};

test.each(["flows", "packets"] as const)(
  "each line is crossed once, and once for each device of a VPN (%s)",
  (grain) => {
    const { offices, ...whole } = forecast({ ...SETUP, sizeBytes: MIB + 5, pieces: 5, grain });

    expect(whole).toMatchObject({ sizeBytes: MIB + 5, devices: 15, finished: 15, unfinished: [] });
    expect(
      offices.map(({ office: name, link }) => [name, link?.copies, link?.boundCopies]),
    ).toEqual([
      ["Central", undefined, undefined],
      ["Depot", 1, 1],
      ["North", 1, 1],
      ["Homes", 4, 4],
    ]);
    expect(whole.wanBytes).toBe(6 * (MIB + 5));
    // Eight devices lie behind the line of North, and three of them behind that of Depot.
    expect(whole.savedBytes).toBe((7 + 2) * (MIB + 5));
  },
);

test("every office that shares has an RVP, which is the best of it, and why", () => {
  const { offices } = forecast(SETUP);

  const prng = new Prng(SETUP.seed);
  const expected = offices.map(({ office: name, type, devices }) => {
    const machines = inventMachines(prng, { name, type, devices });
    const [best, second] = machines
      .map((machine, index) => ({ ...machine, deviceId: `${index}`.padStart(32, "0") as DeviceId }))
      .sort(compareCandidates);
    if (type === "vpn" || best === undefined || second === undefined) return [name, undefined];
    return [name, best.hostName, best.facts, decidingCriterion(best, second)];
  });
  expect(expected.map(([name]) => name)).toEqual(["Central", "Depot", "North", "Homes"]);
  expect(
    offices.map(({ office: name, rvp }) =>
      rvp === undefined ? [name, undefined] : [name, rvp.hostName, rvp.facts, rvp.reason],
    ),
  ).toEqual(expected);
});

test("the slowest line on the way to who is last is the bottleneck", () => {
  const slow = forecast(SETUP);
  const fast = forecast({
    ...SETUP,
    offices: TREE.map((one) => ({ ...one, lineRate: 100 * MBIT })),
  });

  expect(slow.bottleneck).toMatchObject({ kind: "line", office: "Depot", lastOffice: "Depot" });
  expect(slow.bottleneck?.busyShare).toBeGreaterThan(0.85);
  expect(slow.seconds).toBeGreaterThanOrEqual(slow.boundS);
  expect(slow.ratio).toBeLessThan(1.1);
  expect(fast.bottleneck).toMatchObject({ kind: "line", office: "Homes", lastOffice: "Homes" });
});

test("the port of one device is the bottleneck where all offices below ask that one", () => {
  const below = Array.from({ length: 8 }, (_, index) => ({
    ...office({ name: `Branch ${index}`, parent: "Central", devices: 1, mbit: 100 }),
    subnets: [`10.${20 + index}.0.0/16`],
  }));
  const central = office({ name: "Central", devices: 4 });
  const setup = { ...SETUP, offices: [central, ...below], lanRate: 100 * MBIT };

  const { bottleneck, boundS, seconds } = forecast(setup);

  expect(bottleneck).toMatchObject({ kind: "port", office: "Central" });
  expect(bottleneck?.hostName).toMatch(/^central-/);
  expect(bottleneck?.seconds).toBeGreaterThan(boundS);
  expect(bottleneck?.seconds).toBeLessThan(seconds);
});

test("progress is told of both phases, and none lasts longer than it has to", () => {
  const told: ForecastProgress[] = [];
  const { seconds } = forecast(SETUP, (progress) => told.push(progress));

  const ends = ["joining", "fetching"].map((name) => told.findLast(({ phase }) => phase === name));
  expect(ends.map((end) => end?.done)).toEqual([15, 15]);
  expect(ends[0]?.seconds).toBeLessThan(2);
  expect(ends[1]?.seconds).toBeLessThan(seconds + 0.2);
  expect(told.length).toBeGreaterThan(10 * seconds);
});

test("one seed gives one forecast, another one other machines", () => {
  const text = (seed: number) => JSON.stringify(forecast({ ...SETUP, seed }));

  expect(text(7)).toBe(text(7));
  expect(text(8)).not.toBe(text(7));
});

test("who is not done in time says how far it is", () => {
  const { offices, unfinished, finished, seconds } = forecast({ ...SETUP, limitS: 2.5 });

  expect(finished).toBe(12);
  expect(seconds).toBeLessThan(2.5);
  expect(unfinished.map(({ office: name }) => name)).toEqual(["Depot", "Depot", "Depot"]);
  for (const { why } of unfinished) expect(why).toMatch(/^it has \d+ of 17 pieces$/);
  expect(offices.find(({ office: name }) => name === "Depot")).toMatchObject({ finished: 0 });
});

test("an office without devices passes on what each office below it wants", () => {
  const empty = TREE.map((one) => (one.name === "North" ? { ...one, devices: 0 } : one));
  const { offices } = forecast({ ...SETUP, offices: empty });

  const north = offices.find(({ office: name }) => name === "North");
  expect(north).toMatchObject({ devices: 0, link: { copies: 1, boundCopies: 1 } });
  expect(north?.rvp).toBeUndefined();
});

test("the bound is the slowest on the way, and a piece and the delay for each line", () => {
  const bounds = boundsOf(TREE, { sizeBytes: 2_500_000, pieceBytes: 25_000, lanRate: Infinity });

  expect(bounds.get("Central")).toMatchObject({ seconds: 0, copies: 0 });
  expect(bounds.get("North")?.seconds).toBeCloseTo(1 + 0.01 + 0.02);
  expect(bounds.get("Depot")?.seconds).toBeCloseTo(2 + 0.01 + 0.02 + 0.02 + 0.02);
  expect(bounds.get("Homes")?.seconds).toBeCloseTo(0.8 + 0.002 + 0.02);
  expect(bounds.get("Homes")).toMatchObject({ copies: 4, narrowest: { kind: "line" } });
});

test("what all devices of an office can send those below it is part of the bound", () => {
  const bounds = boundsOf(TREE, { sizeBytes: 2_500_000, pieceBytes: 25_000, lanRate: MBIT });

  // Five copies for North and Homes, from three devices.
  expect(bounds.get("Homes")?.narrowest).toMatchObject({ kind: "uploads", office: "Central" });
  expect(bounds.get("Homes")?.narrowest.seconds).toBeCloseTo((5 * 20) / 3);
  expect(bounds.get("Central")?.narrowest).toMatchObject({ kind: "lan", seconds: 20 });
});

function office(given: {
  readonly name: string;
  readonly parent?: string;
  readonly type?: ForecastOffice["type"];
  readonly devices: number;
  readonly mbit?: number;
}): ForecastOffice {
  const { name, parent, type = "default", devices, mbit = 1 } = given;
  const place = ["Depot", "North", "Central", "Homes"].indexOf(name) + 1;
  return {
    name,
    ...(parent === undefined ? {} : { parent }),
    type,
    subnets: [`10.${place}.0.0/16`],
    devices,
    lineRate: mbit * MBIT,
    lineDelayUs: 20 * MS,
  };
}
