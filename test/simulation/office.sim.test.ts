import { expect, test } from "vitest";
import { KIB, MS } from "../../src/base/units.ts";
import type { SimDevice } from "../../src/sim/device.ts";
import type { LinkOptions } from "../../src/sim/link.ts";
import { Organisation, type SimOffice } from "../../src/sim/organisation.ts";
import type { SimPackage } from "../../src/sim/package.ts";
import { allHave, everyone } from "./fixtures/organisation.ts";

/** 20 Mbit/s, and 1 Gbit/s, in bytes a second. */
const SLOW_PORT = 2_500_000;
const FAST_PORT = 125_000_000;

/** 50 Mbit/s. */
const LINE: LinkOptions = {
  delayUs: 10 * MS,
  rate: 6_250_000,
  queueBytes: 625_000,
  lossPercent: 0,
  duplicatePercent: 0,
  jitterUs: 0,
};

test("SW38: twenty devices get it from each other, and the RVP uploads it once", () => {
  const { organisation, rvp, mates } = office(20, SLOW_PORT);
  const { simPackage, seconds } = deploy(organisation, 256);

  const done = organisation.runUntil(() => allHave(mates, simPackage), 120);

  expect(done).toBe(true);
  expect(copiesFrom(rvp, simPackage)).toBeLessThanOrEqual(1.05);
  // All could have it when the port has sent it once: 27 s.
  expect(seconds()).toBeLessThanOrEqual((1.4 * simPackage.sizeBytes) / SLOW_PORT);
});

test("SW38: so do a hundred, with fast ports", () => {
  const { organisation, rvp, mates } = office(100, FAST_PORT);
  const { simPackage } = deploy(organisation, 128);

  const done = organisation.runUntil(() => allHave(mates, simPackage), 60);

  expect(done).toBe(true);
  expect(copiesFrom(rvp, simPackage)).toBeLessThanOrEqual(1.5);
});

test("SW38: a single mate gets everything as fast as its port is", () => {
  const { organisation, mates } = office(1, SLOW_PORT);
  const { simPackage, seconds } = deploy(organisation, 64);

  const done = organisation.runUntil(() => allHave(mates, simPackage), 60);

  expect(done).toBe(true);
  expect(seconds()).toBeLessThanOrEqual((1.1 * simPackage.sizeBytes) / SLOW_PORT);
});

test("SW38: the RVP of an office behind a line passes each piece on once", () => {
  const organisation = flows(
    [
      { name: "Central", devices: 1 },
      { name: "Branch", devices: 21, line: LINE },
    ],
    FAST_PORT,
  );
  const { simPackage, seconds } = deploy(organisation, 128);

  const done = organisation.runUntil(() => allHave(everyone(organisation), simPackage), 60);

  expect(done).toBe(true);
  const branch = organisation.office("Branch");
  const rvp = branch.find((device) => device.status()?.rvp === true);
  expect(copiesFrom(rvp, simPackage)).toBeLessThanOrEqual(1.05);
  // What a mate was the first to have it sends to many others, but never everything to all.
  const copies = branch.map((device) => copiesFrom(device, simPackage));
  expect(Math.max(...copies)).toBeLessThanOrEqual(3);
  expect(seconds()).toBeLessThanOrEqual((1.2 * simPackage.sizeBytes) / LINE.rate);
});

test("SW38: who publishes and is not the RVP uploads little more than one copy too", () => {
  const facts = { freeBytes: 1, usableBytes: 1, preferred: false, desktop: true, serverOs: false };
  const machines = Array.from({ length: 21 }, (_, index) => ({
    hostName: `machine-${index}`,
    facts: { ...facts, preferred: index === 1, uptimeS: 1 },
  }));
  const organisation = flows([{ name: "Central", devices: 21, machines }], SLOW_PORT);
  const [publisher, rvp] = organisation.office("Central");
  const { simPackage, seconds } = deploy(organisation, 128);
  organisation.runUntil(() => false, 5);
  const other = rvp?.status()?.rvp;

  const done = organisation.runUntil(() => allHave(everyone(organisation), simPackage), 120);

  expect(done).toBe(true);
  expect(other).toBe(true);
  expect(copiesFrom(publisher, simPackage)).toBeLessThanOrEqual(1.5);
  expect(seconds()).toBeLessThanOrEqual((1.7 * simPackage.sizeBytes) / SLOW_PORT);
});

test("SW39: a device that comes when all others have it gets it as fast as its port is", () => {
  const { organisation, mates } = office(8, SLOW_PORT);
  const late = mates.at(-1);
  late?.stop();
  const { simPackage } = deploy(organisation, 64);
  organisation.runUntil(() => allHave(mates.slice(0, -1), simPackage), 60);
  organisation.runUntil(() => false, 90);

  const startUs = organisation.world.nowUs;
  late?.start();
  const done = organisation.runUntil(() => allHave(mates, simPackage), 60);

  expect(done).toBe(true);
  const seconds = (organisation.world.nowUs - startUs) / 1e6;
  expect(seconds).toBeLessThanOrEqual((1.2 * simPackage.sizeBytes) / SLOW_PORT + 3);
});

test("SW39: what mates that lose power had to pass on comes from others", () => {
  const { organisation, rvp, mates } = office(6, SLOW_PORT);
  const { simPackage } = deploy(organisation, 64);
  const [first, second, ...others] = mates;

  organisation.runUntil(() => heldBytes(second, simPackage) > simPackage.sizeBytes / 4, 30);
  first?.stop();
  second?.stop();
  const done = organisation.runUntil(() => allHave(others, simPackage), 30);

  expect(done).toBe(true);
  expect(copiesFrom(rvp, simPackage)).toBeLessThanOrEqual(1.5);
});

test("SW39: nobody waits for a mate that takes pieces and never passes them on", () => {
  const { organisation, rvp, mates } = office(6, SLOW_PORT);
  const [miser, ...others] = mates;
  if (miser === undefined) throw new Error("the office has mates");
  miser.onInput = (input) => (input.kind === "piece-stored" ? undefined : input);

  const { simPackage } = deploy(organisation, 64);
  const done = organisation.runUntil(() => allHave(others, simPackage), 30);

  expect(done).toBe(true);
  expect(copiesFrom(rvp, simPackage)).toBeLessThanOrEqual(2);
});

test("SW39: nobody waits for a mate that says it has what it has not", () => {
  const { organisation, mates } = office(6, SLOW_PORT);
  const [liar, ...others] = mates;
  if (liar === undefined) throw new Error("the office has mates");
  liar.spoil = () => new Uint8Array(0);

  const { simPackage } = deploy(organisation, 64);
  const done = organisation.runUntil(() => allHave(others, simPackage), 60);

  expect(done).toBe(true);
});

/** One office, in which the first device is the RVP and publishes the package. */
function office(mates: number, lanRate: number) {
  const organisation = flows([{ name: "Central", devices: mates + 1 }], lanRate);
  const [rvp, ...others] = organisation.office("Central");
  if (rvp === undefined) throw new Error("the office has devices");
  return { organisation, rvp, mates: others };
}

function flows(offices: readonly SimOffice[], lanRate: number): Organisation {
  const organisation = new Organisation(1, offices, { grain: "flows", lanRate });
  organisation.settle();
  return organisation;
}

function deploy(organisation: Organisation, pieces: number) {
  const simPackage = organisation.deploy({ pieces, pieceBytes: 256 * KIB });
  const startUs = organisation.world.nowUs;
  return { simPackage, seconds: () => (organisation.world.nowUs - startUs) / 1e6 };
}

function copiesFrom(device: SimDevice | undefined, { contentId, sizeBytes }: SimPackage): number {
  const content = device?.status()?.contents.find((known) => known.contentId === contentId);
  return (content?.lanOutBytes ?? 0) / sizeBytes;
}

function heldBytes(device: SimDevice | undefined, { contentId }: SimPackage): number {
  const content = device?.status()?.contents.find((known) => known.contentId === contentId);
  return content?.heldBytes ?? 0;
}
