import { describe, expect, test } from "vitest";
import type { ContentId } from "../../src/base/ids.ts";
import type { Targets } from "../../src/coordinator/state.ts";
import { Organisation } from "../../src/sim/organisation.ts";
import type { OriginConduct } from "../../src/sim/origins.ts";
import {
  addOrigin,
  allHave,
  CLEAN_LINE,
  everyone,
  publishAway,
  SMALL,
  sum,
} from "./fixtures/organisation.ts";

const OFFICES = [
  { name: "Central", devices: 2 },
  { name: "Branch", devices: 3, line: CLEAN_LINE },
] as const;

const CDN = "https://cdn.example/packages";
const STORAGE = "/srv/packages";

test("a package that no device has comes from the CDN once, and crosses each line once", () => {
  const organisation = settled(1);
  const cdn = addOrigin(organisation, CDN);
  const storage = addOrigin(organisation, STORAGE);
  const simPackage = publishAway(organisation);
  for (const origin of [cdn, storage]) origin.add(simPackage);

  deployTo(organisation, simPackage.contentId, { all: true });
  const done = organisation.runUntil(() => allHave(everyone(organisation), simPackage), 60);

  expect(done).toBe(true);
  expect(cdn.sentBytes).toBe(simPackage.sizeBytes);
  expect(storage.asked).toEqual([]);
  expect(new Set(cdn.asked.map(({ host }) => host)).size).toBe(1);
  expect(sum(organisation.office("Central"), "originInBytes")).toBe(simPackage.sizeBytes);
  expect(sum(organisation.office("Branch"), "wanInBytes")).toBe(simPackage.sizeBytes);
});

test("an office below others that are not to have a package fetches it itself", () => {
  const organisation = settled(2);
  const cdn = addOrigin(organisation, CDN);
  const simPackage = publishAway(organisation);
  cdn.add(simPackage);
  const branch = organisation.office("Branch");

  deployTo(organisation, simPackage.contentId, { offices: ["Branch"] });
  const done = organisation.runUntil(() => allHave(branch, simPackage), 60);

  expect(done).toBe(true);
  expect(cdn.sentBytes).toBe(simPackage.sizeBytes);
  expect(sum(branch, "originInBytes")).toBe(simPackage.sizeBytes);
  expect(sum(branch, "wanInBytes")).toBe(0);
});

test("an office waits for the one above that fetches the package from an origin itself", () => {
  const organisation = settled(3);
  const cdn = addOrigin(organisation, CDN);
  const simPackage = publishAway(organisation);
  cdn.add(simPackage);

  deployTo(organisation, simPackage.contentId, { all: true });
  organisation.runUntil(() => allHave(everyone(organisation), simPackage), 60);

  expect(sum(organisation.office("Branch"), "originInBytes")).toBe(0);
});

test("in a VPN office every device asks the origin for itself", () => {
  const organisation = new Organisation(4, [
    { name: "Central", devices: 1 },
    { name: "Home", type: "vpn", devices: 2, line: CLEAN_LINE },
  ]);
  organisation.settle();
  const cdn = addOrigin(organisation, CDN);
  const simPackage = publishAway(organisation);
  cdn.add(simPackage);

  deployTo(organisation, simPackage.contentId, { offices: ["Home"] });
  const done = organisation.runUntil(() => allHave(organisation.office("Home"), simPackage), 60);

  expect(done).toBe(true);
  expect(cdn.sentBytes).toBe(2 * simPackage.sizeBytes);
});

test("where devices have a package no origin is asked", () => {
  const organisation = settled(5);
  const cdn = addOrigin(organisation, CDN);

  const simPackage = organisation.deploy(SMALL);
  const done = organisation.runUntil(() => allHave(everyone(organisation), simPackage), 60);

  expect(done).toBe(true);
  expect(cdn.asked).toEqual([]);
});

describe.each<{ readonly conduct: OriginConduct; readonly named: boolean }>([
  { conduct: "wrong-bytes", named: true },
  { conduct: "ignores-ranges", named: true },
  { conduct: "wrong-length", named: true },
  { conduct: "broken-off", named: false },
  { conduct: "unreachable", named: false },
  { conduct: "absent", named: false },
])("an origin that fails: $conduct", ({ conduct, named }) => {
  test("the next one takes over, and whoever misbehaves is named", () => {
    const organisation = settled(6);
    const cdn = addOrigin(organisation, CDN);
    const storage = addOrigin(organisation, STORAGE);
    // Long enough for three wrong answers.
    const simPackage = publishAway(organisation, { pieces: 56, pieceBytes: 65_536 });
    for (const origin of [cdn, storage]) origin.add(simPackage);
    cdn.conduct = conduct;

    deployTo(organisation, simPackage.contentId, { all: true });
    const done = organisation.runUntil(() => allHave(everyone(organisation), simPackage), 60);

    expect(done).toBe(true);
    expect(storage.sentBytes).toBeGreaterThan(0);
    const shunned = everyone(organisation)
      .flatMap(({ events }) => events)
      .flatMap((event) => (event.kind === "source-shunned" ? [event.source] : []));
    expect(new Set(shunned)).toEqual(new Set(named ? [CDN] : []));
  });

  test("with no other it is asked ever more rarely, and everything comes once it is well", () => {
    const organisation = settled(7);
    const cdn = addOrigin(organisation, CDN);
    const simPackage = publishAway(organisation);
    cdn.add(simPackage);
    cdn.conduct = conduct;

    deployTo(organisation, simPackage.contentId, { all: true });
    organisation.runUntil(() => false, 60);
    const asked = [...Map.groupBy(cdn.asked, ({ host }) => host).values()];
    const problems = everyone(organisation)
      .flatMap((device) => device.status()?.contents ?? [])
      .map(({ problem }) => problem);
    cdn.conduct = "good";
    const done = organisation.runUntil(() => allHave(everyone(organisation), simPackage), 660);

    // Seven failures with pauses that double fill a minute; four requests are under way at a time.
    expect(Math.max(...asked.map((ranges) => ranges.length))).toBeLessThanOrEqual(28);
    expect(problems.some((problem) => problem.includes(CDN))).toBe(true);
    expect(done).toBe(true);
  });
});

test("what an office has part of is not fetched from an origin again", () => {
  const organisation = new Organisation(9, [{ name: "Central", devices: 2 }]);
  organisation.settle();
  const cdn = addOrigin(organisation, CDN);
  const simPackage = publishAway(organisation, { pieces: 160, pieceBytes: 65_536 });
  const { contentId } = simPackage;
  cdn.add(simPackage);
  const devices = organisation.office("Central");
  deployTo(organisation, contentId, { all: true });
  const held = () => devices.map((device) => device.status()?.contents[0]?.piecesHeld ?? 0);
  organisation.runUntil(() => Math.min(...held()) >= 40, 60);
  cdn.conduct = "absent";
  organisation.runUntil(() => false, 2);

  devices.find((device) => device.status()?.rvp)?.evict(contentId);
  cdn.conduct = "good";
  const done = organisation.runUntil(() => allHave(devices, simPackage), 120);

  expect(done).toBe(true);
  expect(cdn.sentBytes).toBe(simPackage.sizeBytes);
});

test("SW29: an origin that sends wrong bytes is not asked for that content for ten minutes", () => {
  const organisation = new Organisation(10, [{ name: "Central", devices: 1 }]);
  organisation.settle();
  const cdn = addOrigin(organisation, CDN);
  const simPackage = publishAway(organisation);
  cdn.add(simPackage);
  cdn.conduct = "wrong-bytes";
  deployTo(organisation, simPackage.contentId, { all: true });
  organisation.runUntil(() => false, 60);
  const asked = cdn.asked.length;

  cdn.conduct = "good";
  const early = organisation.runUntil(() => cdn.asked.length > asked, 500);
  const done = organisation.runUntil(() => allHave(everyone(organisation), simPackage), 120);

  expect(early).toBe(false);
  expect(done).toBe(true);
});

test("a device that is killed while it fetches from an origin goes on from what it has", () => {
  const organisation = new Organisation(8, [{ name: "Central", devices: 1 }]);
  organisation.settle();
  const cdn = addOrigin(organisation, CDN);
  const simPackage = publishAway(organisation, { pieces: 160, pieceBytes: 65_536 });
  cdn.add(simPackage);
  const [device] = organisation.office("Central");
  deployTo(organisation, simPackage.contentId, { all: true });
  const held = () => device?.status()?.contents[0]?.piecesHeld ?? 0;
  organisation.runUntil(() => held() >= 10, 60);

  device?.stop();
  const before = cdn.sentBytes;
  device?.start();
  const done = organisation.runUntil(() => allHave(everyone(organisation), simPackage), 60);

  expect(done).toBe(true);
  expect(before).toBeLessThan(simPackage.sizeBytes);
  // Four requests of a mebibyte were under way.
  expect(cdn.sentBytes).toBeLessThanOrEqual(simPackage.sizeBytes + 4 * 1_048_576);
});

function settled(seed: number): Organisation {
  const organisation = new Organisation(seed, OFFICES);
  organisation.settle();
  return organisation;
}

function deployTo(organisation: Organisation, contentId: ContentId, targets: Targets): void {
  organisation.server.command({ kind: "deploy", contentId, targets, priority: "medium" });
}
