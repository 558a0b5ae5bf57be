import { expect, test } from "vitest";
import type { PeerInput } from "../../src/peer/contract.ts";
import type { SimDevice } from "../../src/sim/device.ts";
import { Organisation } from "../../src/sim/organisation.ts";
import type { SimPackage } from "../../src/sim/package.ts";
import { allHave, CLEAN_LINE, everyone, SMALL, sum } from "./fixtures/organisation.ts";

const OFFICES = [
  { name: "Central", devices: 2 },
  { name: "Branch", devices: 6, line: CLEAN_LINE },
] as const;

test("SW25: a device that serves flipped bits is shunned by those it lied to, and then by all", () => {
  const { organisation, devices, deploy } = settled(1);
  const liar = rvpOf(organisation, "Branch");
  liar.spoil = flipped;

  const simPackage = deploy();
  const others = devices.filter((device) => device !== liar);
  const done = organisation.runUntil(() => allHave(others, simPackage), 120);
  organisation.runUntil(() => false, 15);
  const served = sum([liar], "lanOutBytes");
  const next = organisation.deploy(SMALL);
  const doneToo = organisation.runUntil(() => allHave(others, next), 120);

  expect(done).toBe(true);
  expect(new Set(shunned(devices))).toEqual(new Set([liar.deviceId]));
  expect(isShunned(organisation, liar)).toBe(true);
  expect(doneToo).toBe(true);
  // What the organisation shuns serves nobody any more.
  expect(sum([liar], "lanOutBytes")).toBe(served);
});

test("SW24: a device whose disk rots finds out, takes the pieces back, mends them and is forgiven", () => {
  const { organisation, devices, deploy } = settled(2);
  const rotten = rvpOf(organisation, "Branch");
  const late = organisation.office("Branch").find((device) => device !== rotten);
  late?.stop();
  const simPackage = deploy();
  const there = devices.filter((device) => device !== late);
  organisation.runUntil(() => allHave(there, simPackage), 60);

  for (let piece = 0; piece < 10; piece += 1) rotten.store.rot(simPackage.contentId, piece);
  for (const device of organisation.office("Branch")) if (device !== rotten) device.stop();
  late?.start();
  const done = organisation.runUntil(
    () => allHave([rotten, ...(late === undefined ? [] : [late])], simPackage),
    120,
  );
  organisation.runUntil(() => false, 15);

  expect(done).toBe(true);
  expect(mismatchedBy(late)).toContain(rotten.deviceId);
  expect(shunned(devices)).toEqual([]);
  const held = rotten.store.held().find(({ contentId }) => contentId === simPackage.contentId);
  expect(held?.finished).toBe(true);
});

test("SW26: a device that offers what it cannot read is reported, and the others get everything", () => {
  const { organisation, devices, deploy } = settled(3);
  const empty = rvpOf(organisation, "Branch");
  empty.onInput = (input) => (isRead(input) ? { ...input, bytes: undefined } : input);

  const simPackage = deploy();
  const others = devices.filter((device) => device !== empty);
  const done = organisation.runUntil(() => allHave(others, simPackage), 120);
  organisation.runUntil(() => false, 15);

  expect(done).toBe(true);
  expect(new Set(shunned(devices))).toEqual(new Set([empty.deviceId]));
  const accused = organisation.server.coordinator.accusations(empty.deviceId);
  expect(accused.map(({ offence }) => offence)).toContain("broken-promise");
});

test("a device that never answers holds nobody up for long", () => {
  const { organisation, devices, deploy } = settled(4);
  const mute = rvpOf(organisation, "Branch");
  mute.onInput = (input) => (isRead(input) ? undefined : input);

  const simPackage = deploy();
  const others = devices.filter((device) => device !== mute);
  const done = organisation.runUntil(() => allHave(others, simPackage), 90);

  expect(done).toBe(true);
});

test("a device that takes right pieces for wrong ones harms nobody but itself", () => {
  const { organisation, devices, deploy } = settled(5);
  const [accuser] = organisation
    .office("Branch")
    .filter((device) => device !== rvpOf(organisation, "Branch"));
  if (accuser === undefined) throw new Error("the branch has devices");
  accuser.onInput = (input) =>
    input.kind === "piece-stored"
      ? { ...input, kind: "piece-rejected", cause: "mismatch", problem: "" }
      : input;

  const simPackage = deploy();
  const others = devices.filter((device) => device !== accuser);
  const done = organisation.runUntil(() => allHave(others, simPackage), 60);
  organisation.runUntil(() => false, 30);

  expect(done).toBe(true);
  expect(shunned(others)).toEqual([]);
  expect(shunned([accuser]).length).toBeGreaterThan(0);
  for (const device of others) expect(isShunned(organisation, device)).toBe(false);
  // What it doubted was hashed again, but not as often as it said so.
  expect(Math.max(...others.map(({ store }) => store.rechecks))).toBeGreaterThan(0);
  expect(Math.max(...others.map(({ store }) => store.rechecks))).toBeLessThanOrEqual(24);
});

function settled(seed: number) {
  const organisation = new Organisation(seed, OFFICES);
  organisation.settle();
  return {
    organisation,
    devices: everyone(organisation),
    deploy: (): SimPackage => organisation.deploy(SMALL),
  };
}

function rvpOf(organisation: Organisation, office: string): SimDevice {
  const rvp = organisation.office(office).find((device) => device.status()?.rvp);
  if (rvp === undefined) throw new Error("every office has an RVP");
  return rvp;
}

function isShunned(organisation: Organisation, { deviceId }: SimDevice): boolean {
  return organisation.server.coordinator
    .devices()
    .some((device) => device.deviceId === deviceId && device.shunnedAtMs !== undefined);
}

function flipped(bytes: Uint8Array): Uint8Array {
  return bytes.map((byte, index) => (index === 7 ? byte ^ 1 : byte));
}

function isRead(input: PeerInput): input is Extract<PeerInput, { kind: "piece-read" }> {
  return input.kind === "piece-read";
}

function shunned(devices: readonly SimDevice[]): readonly string[] {
  return devices
    .flatMap(({ events }) => events)
    .flatMap((event) => (event.kind === "source-shunned" ? [event.source] : []));
}

function mismatchedBy(device: SimDevice | undefined): readonly string[] {
  return (device?.events ?? []).flatMap((event) =>
    event.kind === "piece-mismatched" ? [event.deviceId] : [],
  );
}
