import { expect, test } from "vitest";
import { KIB, SECOND } from "../../src/base/units.ts";
import type { Answer, Command } from "../../src/coordinator/contract.ts";
import type { SimDevice } from "../../src/sim/device.ts";
import { Organisation } from "../../src/sim/organisation.ts";
import type { SimPackage } from "../../src/sim/package.ts";
import { allHave, CLEAN_LINE, everyone, sum } from "./fixtures/organisation.ts";

const SLOW = { ...CLEAN_LINE, rate: 250_000 };
const OFFICES = [
  { name: "Central", devices: 2 },
  { name: "Branch", devices: 3, line: SLOW },
  { name: "Lab", parent: "Branch", devices: 2, line: SLOW },
] as const;
const SHAPE = { pieces: 60, pieceBytes: 32 * KIB };

test("SW33: while a deployment is paused nothing more comes, and then all of it comes once", () => {
  const { organisation, simPackage } = halfway(1);

  steer(organisation, { order: { kind: "pause" } });
  organisation.runUntil(() => false, 2);
  const paused = counts(organisation);
  organisation.runUntil(() => false, 120);

  expect(counts(organisation)).toEqual(paused);
  expect(sum(organisation.office("Branch"), "wanInBytes")).toBeLessThan(simPackage.sizeBytes);
  expect(everyone(organisation).some((device) => hold(device) === "paused")).toBe(true);

  steer(organisation, { order: { kind: "resume" } });
  const done = organisation.runUntil(() => allHave(everyone(organisation), simPackage), 60);

  expect(done).toBe(true);
  // What was on its way when it was paused may come twice.
  const wan = sum(organisation.office("Branch"), "wanInBytes");
  expect(wan).toBeLessThanOrEqual(1.1 * simPackage.sizeBytes);
});

test("SW33: what was paused stays so when server and devices begin anew", () => {
  const { organisation } = halfway(2);
  steer(organisation, { order: { kind: "pause" } });
  organisation.runUntil(() => false, 2);
  const held = heldBy(organisation);

  organisation.server.stop();
  for (const device of everyone(organisation)) device.stop();
  for (const device of everyone(organisation)) device.start();
  organisation.runUntil(() => false, 30);
  expect(heldBy(organisation)).toEqual(held);

  organisation.server.restart();
  organisation.runUntil(() => false, 60);
  expect(heldBy(organisation)).toEqual(held);
});

test("SW34: an office that is paused gets nothing, and the one below it gets all", () => {
  const { organisation, simPackage } = halfway(3);
  steer(organisation, { office: "Branch", order: { kind: "pause" } });
  steer(organisation, { office: "Lab", order: { kind: "resume" } });
  organisation.runUntil(() => false, 2);
  const before = counts(organisation, "Branch");

  const done = organisation.runUntil(() => allHave(organisation.office("Lab"), simPackage), 200);

  expect(done).toBe(true);
  expect(counts(organisation, "Branch")).toEqual(before);
});

test("SW34: another device fetches for the office where its RVP alone is paused", () => {
  const { organisation, simPackage } = halfway(4);
  const branch = organisation.office("Branch");
  const rvp = branch.find((device) => device.status()?.rvp === true);
  const others = branch.filter((device) => device !== rvp);

  steer(organisation, { deviceId: rvp?.deviceId ?? "", order: { kind: "pause" } });
  const done = organisation.runUntil(() => allHave(others, simPackage), 60);

  expect(done).toBe(true);
  expect(rvp?.store.isFinished(simPackage.contentId)).toBe(false);
});

test("what is cancelled is let go of, also by a device that was away", () => {
  const { organisation, simPackage } = halfway(5);
  const { contentId } = simPackage;
  const [away, ...there] = organisation.office("Branch");
  const holders = (devices: readonly (SimDevice | undefined)[]) =>
    devices.filter((device) => device?.store.bytesOf(contentId, 0) !== undefined).length;
  away?.stop();
  expect(holders([away, ...there])).toBeGreaterThan(1);

  steer(organisation, { order: { kind: "cancel" } });
  organisation.runUntil(() => false, 3);
  expect(holders(there)).toBe(0);
  expect(holders([away])).toBe(1);
  // Who has all of it keeps it.
  expect(organisation.office("Central")[0]?.store.isFinished(contentId)).toBe(true);

  away?.start();
  organisation.runUntil(() => false, 10);
  expect(holders([away])).toBe(0);

  organisation.server.command({
    ...{ kind: "deploy", contentId, targets: { all: true }, priority: "low" },
  });
  expect(organisation.runUntil(() => allHave(everyone(organisation), simPackage), 120)).toBe(true);
});

test("SW35: the more urgent content comes first over a line, and the other goes on after it", () => {
  const { organisation, simPackage: low } = halfway(6, "low");
  const high = organisation.makePackage(SHAPE);
  publish(organisation, high);
  const before = wanBytes(organisation, low);

  deploy(organisation, high, "high");
  const branch = organisation.office("Branch");
  const done = organisation.runUntil(() => allHave(branch, high), 60);

  expect(done).toBe(true);
  // What had been asked for before was taken back within a second or so.
  expect(wanBytes(organisation, low) - before).toBeLessThan(3 * SLOW.rate);
  expect(allHave(branch, low)).toBe(false);
  expect(organisation.runUntil(() => allHave(everyone(organisation), low), 60)).toBe(true);
});

test("a lower priority has the line while the higher one is paused", () => {
  const { organisation, simPackage: low } = halfway(7, "low");
  const high = organisation.makePackage(SHAPE);
  publish(organisation, high);
  const answer = deploy(organisation, high, "high");
  const deploymentId = answer?.kind === "deployed" ? answer.deploymentId : "";
  organisation.server.command({ kind: "steer", deploymentId, order: { kind: "pause" } });

  expect(organisation.runUntil(() => allHave(everyone(organisation), low), 60)).toBe(true);
  expect(allHave(organisation.office("Branch"), high)).toBe(false);
});

test("SW36: a device that is cut off from the server keeps to the windows that it was told", () => {
  const organisation = new Organisation(8, OFFICES);
  organisation.settle();
  const simPackage = organisation.makePackage(SHAPE);
  publish(organisation, simPackage);
  const wallMs = organisation.world.wallS * 1_000;
  const { contentId } = simPackage;
  const answer = organisation.server.command({
    ...{ kind: "deploy", contentId, targets: { all: true }, priority: "high" },
    ...{ notBeforeMs: wallMs + 60_000, notAfterMs: wallMs + 66_000 },
  });
  expect(answer?.kind).toBe("deployed");
  organisation.runUntil(() => false, 5);
  organisation.stopServer();
  const [, moody] = organisation.office("Branch");
  moody?.stop();
  moody?.start();

  organisation.runUntil(() => false, 50);
  expect(heldBytes(organisation, simPackage, "Branch")).toBe(0);

  organisation.runUntil(() => false, 20);
  const during = heldBytes(organisation, simPackage, "Branch");
  expect(during).toBeGreaterThan(0);
  expect(allHave(organisation.office("Branch"), simPackage)).toBe(false);

  organisation.runUntil(() => false, 60);
  expect(heldBytes(organisation, simPackage, "Branch")).toBe(during);
});

test("what has failed is tried again at once when an operator says so", () => {
  const { organisation, simPackage } = halfway(9);
  const [device] = organisation.office("Lab");
  if (device === undefined) throw new Error("the lab has a device");
  device.store.full = true;
  const failed = () => stateOf(device) === "failed";
  expect(organisation.runUntil(failed, 60)).toBe(true);
  device.store.full = false;
  const atUs = organisation.world.nowUs;

  steer(organisation, { deviceId: device.deviceId, order: { kind: "retry" } });
  expect(organisation.runUntil(() => !failed(), 10)).toBe(true);

  // Left alone it would have waited for 30 s.
  expect(organisation.world.nowUs - atUs).toBeLessThan(3 * SECOND);
  expect(organisation.runUntil(() => allHave([device], simPackage), 100)).toBe(true);
});

type Steer = Omit<Extract<Command, { kind: "steer" }>, "kind">;

/** An organisation in which a package has come halfway to the branch. */
function halfway(
  seed: number,
  priority: "low" | "medium" = "medium",
): { readonly organisation: Organisation; readonly simPackage: SimPackage } {
  const organisation = new Organisation(seed, OFFICES);
  organisation.settle();
  const simPackage = organisation.makePackage(SHAPE);
  publish(organisation, simPackage);
  deploy(organisation, simPackage, priority);
  const come = () => sum(organisation.office("Branch"), "wanInBytes") > simPackage.sizeBytes / 3;
  expect(organisation.runUntil(come, 60)).toBe(true);
  return { organisation, simPackage };
}

function publish(organisation: Organisation, simPackage: SimPackage): void {
  organisation.office("Central")[0]?.publish(simPackage);
  const { contentId } = simPackage;
  const isKnown = () => organisation.server.coordinator.findContents(contentId).length > 0;
  expect(organisation.runUntil(isKnown, 30)).toBe(true);
}

function deploy(
  organisation: Organisation,
  { contentId }: SimPackage,
  priority: "low" | "medium" | "high",
): Answer | undefined {
  const command = { kind: "deploy", contentId, targets: { all: true }, priority } as const;
  return organisation.server.command(command);
}

function steer(organisation: Organisation, what: Steer): void {
  const { server } = organisation;
  const deploymentId = server.coordinator.deployments()[0]?.deploymentId ?? "";
  const answer = server.command({ kind: "steer", deploymentId, ...what });
  expect(answer?.kind).toBe("steered");
}

/** Bytes of pieces that have come to each device. */
function counts(organisation: Organisation, office?: string): readonly number[] {
  const devices = office === undefined ? everyone(organisation) : organisation.office(office);
  return devices.map((device) => sum([device], "wanInBytes") + sum([device], "lanInBytes"));
}

function heldBy(organisation: Organisation): readonly number[] {
  return everyone(organisation).map(
    (device) =>
      device.status()?.contents.reduce((bytes, content) => bytes + content.heldBytes, 0) ?? 0,
  );
}

function heldBytes(
  organisation: Organisation,
  { contentId }: SimPackage,
  office = "Branch",
): number {
  return organisation
    .office(office)
    .flatMap((device) => device.status()?.contents ?? [])
    .filter((content) => content.contentId === contentId)
    .reduce((bytes, content) => bytes + content.heldBytes, 0);
}

/** What has come into the branch over its line. */
function wanBytes(organisation: Organisation, { contentId }: SimPackage): number {
  return organisation
    .office("Branch")
    .flatMap((device) => device.status()?.contents ?? [])
    .filter((content) => content.contentId === contentId)
    .reduce((bytes, content) => bytes + content.wanInBytes, 0);
}

function hold(device: SimDevice): string | undefined {
  return device.status()?.contents[0]?.hold;
}

function stateOf(device: SimDevice): string | undefined {
  return device.status()?.contents[0]?.state;
}
