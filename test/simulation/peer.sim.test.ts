import { expect, test } from "vitest";
import { KIB, MS } from "../../src/base/units.ts";
import type { SimDevice } from "../../src/sim/device.ts";
import type { LinkOptions } from "../../src/sim/link.ts";
import { Organisation } from "../../src/sim/organisation.ts";
import type { SimPackage } from "../../src/sim/package.ts";

/** 20 Mbit/s with 10 ms each way, and what a real line does now and then. */
const LINE: LinkOptions = {
  delayUs: 10 * MS,
  rate: 2_500_000,
  queueBytes: 250_000,
  lossPercent: 0.5,
  duplicatePercent: 0.2,
  jitterUs: 2 * MS,
};

const PACKAGE = { pieces: 60, pieceBytes: 64 * KIB };

const seeds = Array.from({ length: 6 }, (_, seed) => seed);

test.each(seeds)("everyone gets it, and it crosses the line once (seed %i)", (seed) => {
  const organisation = new Organisation(seed, OFFICES);
  organisation.settle();

  const simPackage = organisation.deploy(PACKAGE);
  const done = organisation.runUntil(() => everyoneHas(organisation, simPackage), 60);

  expect(done).toBe(true);
  expect(sum(organisation.office("Branch"), "wanInBytes")).toBe(simPackage.sizeBytes);
});

test.each(seeds)(
  "devices lose power again and again and nothing is fetched twice but what was on its way (seed %i)",
  (seed) => {
    const organisation = new Organisation(seed, OFFICES);
    organisation.settle();
    const simPackage = organisation.deploy(PACKAGE);
    const branch = organisation.office("Branch");
    const { world } = organisation;

    let kills = 0;
    for (; kills < 6; kills += 1) {
      organisation.runUntil(() => false, 0.2 + world.prng.below(10) / 10);
      const victim = branch[world.prng.below(branch.length)];
      victim?.stop();
      organisation.runUntil(() => false, 0.1 + world.prng.below(20) / 10);
      victim?.start();
    }
    const done = organisation.runUntil(() => everyoneHas(organisation, simPackage), 120);

    expect(done).toBe(true);
    // What the line carried beyond one copy with its headers (1.07): for each power cut, what was in
    // flight (a window of 0.3 MB) and the pieces that had begun to arrive from two sources.
    const { carriedBytes } = organisation.lineInto("Branch");
    expect(carriedBytes).toBeLessThanOrEqual(1.07 * simPackage.sizeBytes + kills * 600_000);
  },
);

test("a device that serves flipped bits is named, and the others get the right bytes", () => {
  const organisation = new Organisation(4, OFFICES);
  organisation.settle();
  const liar = organisation.office("Branch")[0];
  if (liar === undefined) throw new Error("the branch has devices");
  liar.spoil = (bytes) => bytes.map((byte, index) => (index === 7 ? byte ^ 1 : byte));

  const simPackage = organisation.deploy(PACKAGE);
  const done = organisation.runUntil(() => everyoneHas(organisation, simPackage), 120);

  expect(done).toBe(true);
  const accused = [...organisation.devices.values()]
    .flat()
    .flatMap(({ events }) => events)
    .flatMap((event) => (event.kind === "piece-mismatched" ? [event.deviceId] : []));
  expect(new Set(accused)).toEqual(new Set([liar.deviceId]));
});

test("one seed gives one run", () => {
  const run = (): readonly string[] => {
    const organisation = new Organisation(11, OFFICES);
    organisation.settle();
    const simPackage = organisation.deploy(PACKAGE);
    organisation.runUntil(() => everyoneHas(organisation, simPackage), 60);
    return organisation.world.trace;
  };
  const first = run();

  expect(first.length).toBeGreaterThan(20);
  expect(run()).toEqual(first);
});

const OFFICES = [
  { name: "Central", devices: 2 },
  { name: "Branch", devices: 3, line: LINE },
] as const;

function everyoneHas(organisation: Organisation, { contentId }: SimPackage): boolean {
  return [...organisation.devices.values()]
    .flat()
    .every((device) => device.running && device.store.isFinished(contentId));
}

function sum(devices: readonly SimDevice[], key: "wanInBytes" | "wanOutBytes"): number {
  return devices
    .flatMap((device) => device.status()?.contents ?? [])
    .reduce((bytes, content) => bytes + content[key], 0);
}
