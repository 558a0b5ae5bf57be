import { describe, expect, test } from "vitest";
import { SECOND } from "../../src/base/units.ts";
import type { Targets } from "../../src/coordinator/state.ts";
import type { SimDevice } from "../../src/sim/device.ts";
import { Organisation } from "../../src/sim/organisation.ts";
import type { SimPackage } from "../../src/sim/package.ts";
import type { ProfileMode, ProfileValues } from "../../src/wire/profile.ts";
import {
  addOrigin,
  allHave,
  CLEAN_LINE,
  everyone,
  publishAway,
  SMALL,
  sum,
} from "./fixtures/organisation.ts";

const STORAGE = "/srv/packages";

const OFFICES = [
  { name: "Central", devices: 3 },
  { name: "Branch", devices: 4, line: CLEAN_LINE },
] as const;

/** About ten seconds of the line. */
const LONG = { pieces: 400, pieceBytes: 65_536 } as const;

describe.each<ProfileMode>(["local", "disabled"])("PF4: devices in %s mode", (mode) => {
  test("fetch all by themselves from file storage, and serve nobody", () => {
    const organisation = settled(1);
    const storage = addOrigin(organisation, STORAGE);
    const [alone, ...others] = organisation.office("Branch");
    publishTo(organisation, { mode }, { devices: [alone?.deviceId ?? ""] });
    const simPackage = publishAway(organisation);
    storage.add(simPackage);

    deployTo(organisation, simPackage, { all: true });
    const done = organisation.runUntil(() => allHave(everyone(organisation), simPackage), 120);

    expect(done).toBe(true);
    expect(trafficOf(alone)).toEqual({ in: 0, out: 0, origin: simPackage.sizeBytes });
    // The others do as always: once over the line, and from each other.
    expect(sum(others, "wanInBytes")).toBe(simPackage.sizeBytes);
    expect(sum(others, "lanInBytes")).toBe((others.length - 1) * simPackage.sizeBytes);
    expect(sum(organisation.office("Central"), "originInBytes")).toBe(simPackage.sizeBytes);
  });

  test("hold up nobody as the only one of their office that has a package", () => {
    const organisation = settled(2);
    const storage = addOrigin(organisation, STORAGE);
    const [alone, ...others] = organisation.office("Branch");
    const simPackage = publishAway(organisation);
    storage.add(simPackage);
    publishTo(organisation, { mode }, { devices: [alone?.deviceId ?? ""] });
    deployTo(organisation, simPackage, { devices: [alone?.deviceId ?? ""] });
    organisation.runUntil(() => alone !== undefined && allHave([alone], simPackage), 60);

    deployTo(organisation, simPackage, { offices: ["Branch"] });
    const done = organisation.runUntil(() => allHave(others, simPackage), 120);

    expect(done).toBe(true);
    expect(trafficOf(alone)).toEqual({ in: 0, out: 0, origin: simPackage.sizeBytes });
    expect(sum(others, "originInBytes")).toBe(simPackage.sizeBytes);
  });

  test("become so while they fetch and serve: nothing more goes between them and others", () => {
    const organisation = settled(3);
    const storage = addOrigin(organisation, STORAGE);
    const simPackage = organisation.makePackage(LONG);
    organisation.office("Central")[0]?.publish(simPackage);
    organisation.runUntil(
      () => organisation.server.coordinator.findContents(simPackage.contentId).length > 0,
      30,
    );
    storage.add(simPackage);
    deployTo(organisation, simPackage, { all: true });
    const branch = organisation.office("Branch");
    const rvp = () => branch.find((device) => device.status()?.rvp === true);
    organisation.runUntil(() => sum(branch, "lanInBytes") > 4_000_000, 60);
    const changed = rvp();

    publishTo(organisation, { mode }, { devices: [changed?.deviceId ?? ""] });
    organisation.runUntil(() => false, 1);
    const before = trafficOf(changed);
    const done = organisation.runUntil(() => allHave(everyone(organisation), simPackage), 200);

    expect(changed).toBeDefined();
    expect(done).toBe(true);
    const after = trafficOf(changed);
    expect([after.in, after.out]).toEqual([before.in, before.out]);
    expect(after.in + after.origin).toBeGreaterThanOrEqual(simPackage.sizeBytes);
    expect(changed?.status()?.rvp).toBe(false);
    // Nobody has accused it of having promised what it did not keep.
    const accusations = everyone(organisation).flatMap(({ deviceId }) =>
      organisation.server.coordinator.accusations(deviceId),
    );
    expect(accusations).toEqual([]);
  });
});

describe.each<ProfileMode>(["local", "disabled"])("PF4: once in %s mode devices", (mode) => {
  test("take part again at once when nothing says otherwise any more", () => {
    const organisation = settled(4);
    addOrigin(organisation, STORAGE);
    const [alone, ...others] = organisation.office("Branch");
    publishTo(organisation, { mode }, { offices: ["Branch"] });
    organisation.runUntil(() => false, 2);
    expect(alone?.status()?.profile.mode?.value).toBe(mode);

    organisation.server.command({ kind: "publish-profile", name: "P", everywhere: true });
    const simPackage = organisation.makePackage(SMALL);
    organisation.office("Central")[0]?.publish(simPackage);
    organisation.runUntil(
      () => organisation.server.coordinator.findContents(simPackage.contentId).length > 0,
      30,
    );
    deployTo(organisation, simPackage, { all: true });
    const done = organisation.runUntil(() => allHave(everyone(organisation), simPackage), 120);

    expect(done).toBe(true);
    expect(sum([...others, ...(alone ? [alone] : [])], "originInBytes")).toBe(0);
    expect(sum(organisation.office("Branch"), "wanInBytes")).toBe(simPackage.sizeBytes);
  });

  test("stay so through a restart with the server gone, and ask nobody who is there", () => {
    const organisation = settled(5);
    const storage = addOrigin(organisation, STORAGE);
    const [alone] = organisation.office("Branch");
    const simPackage = publishAway(organisation);
    publishTo(organisation, { mode }, { offices: ["Branch"] });
    deployTo(organisation, simPackage, { devices: [alone?.deviceId ?? ""] });
    organisation.runUntil(() => alone?.status()?.contents[0]?.state === "downloading", 60);
    storage.add(simPackage);

    organisation.server.stop();
    alone?.stop();
    alone?.start();
    const asked = alone?.questions ?? 0;
    const done = organisation.runUntil(
      () => alone !== undefined && allHave([alone], simPackage),
      120,
    );

    expect(done).toBe(true);
    expect(alone?.status()?.profile.mode).toEqual({ value: mode, profile: "P" });
    expect(trafficOf(alone)).toEqual({ in: 0, out: 0, origin: simPackage.sizeBytes });
    // Where it is it still asks: who answers vouches for its office.
    expect((alone?.questions ?? 0) - asked).toBeLessThanOrEqual(3);
  });
});

test("PF2: what a profile says of the cache reaches the store, and what none says does not", () => {
  const organisation = settled(6);
  addOrigin(organisation, STORAGE);
  const [one, other] = [organisation.office("Branch")[0], organisation.office("Central")[0]];

  publishTo(organisation, { maxAgeDays: 7, diskPercent: 5 }, { offices: ["Branch"] });
  organisation.runUntil(() => one?.store.limits?.diskPercent === 5, 2);

  expect(one?.store.limits).toEqual({ maxAgeDays: 7, diskPercent: 5, reusesPieces: true });
  expect(other?.store.limits?.diskPercent).toBeUndefined();
  const reported = organisation.server.coordinator.profileReport(one?.deviceId ?? "");
  expect(reported?.values).toMatchObject({ diskPercent: { value: 5, profile: "P" } });
  organisation.server.command({ kind: "change-profile", name: "P", values: { diskPercent: 6 } });
  organisation.runUntil(() => one?.store.limits?.diskPercent === 6, 2);
  expect(one?.store.limits).toEqual({ diskPercent: 6, reusesPieces: true });
});

test("PF2: in Hosted mode devices do as in Distributed mode until hosted caches are asked", () => {
  const organisation = settled(7);
  addOrigin(organisation, STORAGE);
  const values = { mode: "hosted", hostedCaches: ["cache.example"] } as const;
  publishTo(organisation, values, { offices: ["Central"] });
  const simPackage = organisation.makePackage(SMALL);
  organisation.office("Central")[0]?.publish(simPackage);
  organisation.runUntil(() => false, 2);

  deployTo(organisation, simPackage, { all: true });
  const done = organisation.runUntil(() => allHave(everyone(organisation), simPackage), 120);

  expect(done).toBe(true);
  expect(sum(organisation.office("Branch"), "wanInBytes")).toBe(simPackage.sizeBytes);
  const status = organisation.office("Branch")[0]?.status();
  expect(status?.profile.hostedCaches).toEqual({ value: ["cache.example"], profile: "P" });
  expect(status?.profileProblems[0]).toMatch(/not asked yet/);
});

test("PF2: a device that a profile prefers fetches for its office", () => {
  const organisation = settled(8);
  addOrigin(organisation, STORAGE);
  const branch = organisation.office("Branch");
  const last = branch.at(-1);
  publishTo(organisation, { preferred: true }, { devices: [last?.deviceId ?? ""] });
  organisation.runUntil(() => false, 2);
  const simPackage = organisation.makePackage(SMALL);
  organisation.office("Central")[0]?.publish(simPackage);
  organisation.runUntil(() => false, 2);

  deployTo(organisation, simPackage, { all: true });
  organisation.runUntil(() => allHave(everyone(organisation), simPackage), 120);

  expect(last?.status()?.rvp).toBe(true);
  expect(sum(last === undefined ? [] : [last], "wanInBytes")).toBe(simPackage.sizeBytes);
});

test("PF1: an older word of the server changes nothing", () => {
  const organisation = settled(9);
  addOrigin(organisation, STORAGE);
  const [device] = organisation.office("Branch");
  publishTo(organisation, { mode: "local" }, { offices: ["Branch"] });
  organisation.runUntil(() => device?.status()?.profile.mode?.value === "local", 5);
  const backup = organisation.server.database.copy();

  organisation.server.command({ kind: "publish-profile", name: "P", everywhere: true });
  organisation.runUntil(() => device?.status()?.profile.mode?.value === "distributed", 5);
  expect(device?.status()?.profile.mode).toEqual({ value: "distributed" });

  // A server from a backup begins a greater epoch: its word counts again.
  organisation.server.stop();
  organisation.runUntil(() => false, 5);
  organisation.server.database = backup;
  organisation.server.restart();
  const back = organisation.runUntil(() => device?.status()?.profile.mode?.value === "local", 60);
  expect(back).toBe(true);
});

function settled(seed: number): Organisation {
  const organisation = new Organisation(seed, OFFICES);
  organisation.settle();
  return organisation;
}

function deployTo(organisation: Organisation, { contentId }: SimPackage, targets: Targets): void {
  organisation.server.command({ kind: "deploy", contentId, targets, priority: "medium" });
}

function publishTo(
  organisation: Organisation,
  values: ProfileValues,
  add: { devices?: string[]; offices?: string[] },
): void {
  const { server, world } = organisation;
  const place = { storageId: "s1", kind: "directory", location: STORAGE } as const;
  server.command({ kind: "set-file-storage", storage: { ...place, details: {} } });
  const made = server.command({ kind: "create-profile", name: "P", values });
  const published = server.command({ kind: "publish-profile", name: "P", add });
  expect([made?.kind, published?.kind]).toEqual(["profile-changed", "profile-changed"]);
  const untilUs = world.nowUs + SECOND / 2;
  organisation.runUntil(() => world.nowUs >= untilUs, 1);
}

function trafficOf(device: SimDevice | undefined) {
  const some = device === undefined ? [] : [device];
  return {
    in: sum(some, "lanInBytes") + sum(some, "wanInBytes"),
    out: sum(some, "lanOutBytes") + sum(some, "wanOutBytes"),
    origin: sum(some, "originInBytes"),
  };
}
