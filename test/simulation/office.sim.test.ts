import { expect, test } from "vitest";
import { KIB, MS } from "../../src/base/units.ts";
import type { SimDevice } from "../../src/sim/device.ts";
import type { LinkOptions } from "../../src/sim/link.ts";
import { Organisation } from "../../src/sim/organisation.ts";
import type { SimPackage } from "../../src/sim/package.ts";
import { allHave, everyone } from "./fixtures/organisation.ts";

/** A port of 20 Mbit/s with a queue of a tenth of a second. */
const PORT: LinkOptions = {
  delayUs: MS / 4,
  rate: 2_500_000,
  queueBytes: 250_000,
  lossPercent: 0,
  duplicatePercent: 0,
  jitterUs: 0,
};

test("SW33: twenty devices get it from each other, and the RVP uploads it once", () => {
  const { organisation, rvp, mates } = office(20);
  const { simPackage, startUs } = deploy(organisation, 128);

  const done = organisation.runUntil(() => allHave(mates, simPackage), 60);

  expect(done).toBe(true);
  expect(copiesFrom(rvp, simPackage)).toBeLessThanOrEqual(1.05);
  // At this size a third of the time goes by before all have begun and the last pieces are spread.
  const seconds = (organisation.world.nowUs - startUs) / 1e6;
  expect(seconds).toBeLessThanOrEqual((2 * simPackage.sizeBytes) / PORT.rate);
});

test("SW33: a single mate gets everything as fast as its port is", () => {
  const { organisation, mates } = office(1);
  const { simPackage, startUs } = deploy(organisation, 128);

  const done = organisation.runUntil(() => allHave(mates, simPackage), 60);

  expect(done).toBe(true);
  const seconds = (organisation.world.nowUs - startUs) / 1e6;
  expect(seconds).toBeLessThanOrEqual((1.1 * simPackage.sizeBytes) / PORT.rate);
});

test("SW34: what mates that lose power had to pass on comes from others", () => {
  const { organisation, rvp, mates } = office(6);
  const { simPackage } = deploy(organisation, 64);
  const [first, second, ...others] = mates;

  organisation.runUntil(() => heldBytes(second, simPackage) > simPackage.sizeBytes / 4, 30);
  first?.stop();
  second?.stop();
  const done = organisation.runUntil(() => allHave(others, simPackage), 30);

  expect(done).toBe(true);
  expect(copiesFrom(rvp, simPackage)).toBeLessThanOrEqual(1.5);
});

test("SW34: nobody waits for a mate that takes pieces and never passes them on", () => {
  const { organisation, rvp, mates } = office(6);
  const [miser, ...others] = mates;
  if (miser !== undefined)
    miser.onInput = (input) => (input.kind === "piece-stored" ? undefined : input);

  const { simPackage } = deploy(organisation, 64);
  const done = organisation.runUntil(() => allHave(others, simPackage), 30);

  expect(done).toBe(true);
  expect(copiesFrom(rvp, simPackage)).toBeLessThanOrEqual(2);
});

test("SW34: nobody waits for a mate that says it has what it has not", () => {
  const { organisation, mates } = office(6);
  const [liar, ...others] = mates;
  if (liar !== undefined) liar.spoil = () => new Uint8Array(0);

  const { simPackage } = deploy(organisation, 64);
  const done = organisation.runUntil(() => allHave(others, simPackage), 60);

  expect(done).toBe(true);
});

test("SW33: the RVP of an office behind a line passes each piece on once", () => {
  const organisation = new Organisation(3, [
    { name: "Central", devices: 1 },
    { name: "Branch", devices: 5, line: PORT },
  ]);
  organisation.settle();
  const { simPackage, startUs } = deploy(organisation, 128);

  const done = organisation.runUntil(() => allHave(everyone(organisation), simPackage), 60);

  expect(done).toBe(true);
  const most = Math.max(
    ...organisation.office("Branch").map((device) => copiesFrom(device, simPackage)),
  );
  expect(most).toBeLessThanOrEqual(1.5);
  const seconds = (organisation.world.nowUs - startUs) / 1e6;
  expect(seconds).toBeLessThanOrEqual((1.2 * simPackage.sizeBytes) / PORT.rate);
});

/** One office, in which the first device is the RVP and has the package. */
function office(devices: number) {
  const organisation = new Organisation(1, [{ name: "Central", devices: devices + 1, port: PORT }]);
  organisation.settle();
  const [rvp, ...mates] = organisation.office("Central");
  if (rvp === undefined) throw new Error("the office has devices");
  return { organisation, rvp, mates };
}

function deploy(organisation: Organisation, pieces: number) {
  const simPackage = organisation.deploy({ pieces, pieceBytes: 64 * KIB });
  return { simPackage, startUs: organisation.world.nowUs };
}

function copiesFrom(device: SimDevice, { contentId, sizeBytes }: SimPackage): number {
  const content = device.status()?.contents.find((known) => known.contentId === contentId);
  return (content?.lanOutBytes ?? 0) / sizeBytes;
}

function heldBytes(device: SimDevice | undefined, { contentId }: SimPackage): number {
  const content = device?.status()?.contents.find((known) => known.contentId === contentId);
  return content?.heldBytes ?? 0;
}
