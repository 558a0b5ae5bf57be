import { beforeEach, describe, expect, test } from "vitest";
import { decodeMessage, encodeMessage, type ProfileWord } from "../wire/messages.ts";
import type { ProfileValues } from "../wire/profile.ts";
import { POLICY_DELAY_US } from "./policies.ts";
import { PROFILE_REPORT_DELAY_US } from "./profiles.ts";
import { emptyState } from "./state.ts";
import { CONTENT, type Member, OFFICES, progress, World } from "./test-world.ts";

let world: World;
beforeEach(() => {
  world = new World(emptyState(7));
  world.command({ kind: "replace-offices", offices: OFFICES });
  const place = { storageId: "s1", kind: "directory", location: "/srv/packages" } as const;
  world.command({ kind: "set-file-storage", storage: { ...place, details: {} } });
});

test("PF1: a device is told what is in force when it registers, and then where that changes", () => {
  const [north, south] = [world.join("10.1.0.5"), world.join("10.2.0.5")];
  expect([words(north), words(south)].map((said) => said.map(({ values }) => values))).toEqual([
    [{}],
    [{}],
  ]);

  create("Branches", { diskPercent: 10 });
  const answer = publish("Branches", { offices: ["North"] });

  expect(answer).toMatchObject({ devices: 1, present: 1 });
  const values = { diskPercent: { value: 10, profile: "Branches" } };
  expect(words(north).map((said) => said.values)).toEqual([{}, values]);
  expect(words(south).length).toBe(1);
  const [first, second] = words(north);
  expect([first?.epoch, second?.epoch]).toEqual([7, 7]);
  expect(second?.version).toBeGreaterThan(first?.version ?? Number.NaN);
  world.say(north, north.register);
  expect(words(north).length).toBe(2);
});

test("A1: groups, devices and the tree decide, and changes of any of them are told", () => {
  const device = world.join("10.1.0.5");
  create("Everyone", { maxAgeDays: 30, mode: "distributed" });
  create("Lab", { mode: "local" });
  publish("Everyone", { offices: ["Central"] });
  world.command({ kind: "change-group", name: "Lab", create: true });
  publish("Lab", { groups: ["Lab"] });
  expect(latest(device).mode).toEqual({ value: "distributed", profile: "Everyone" });

  world.command({ kind: "change-group", name: "Lab", add: [device.deviceId] });
  expect(latest(device)).toEqual({
    mode: { value: "local", profile: "Lab" },
    maxAgeDays: { value: 30, profile: "Everyone" },
  });

  world.command({ kind: "change-profile", name: "Lab", values: { mode: "disabled" } });
  expect(latest(device).mode).toEqual({ value: "disabled", profile: "Lab" });

  world.command({ kind: "publish-profile", name: "Lab", everywhere: true });
  expect(latest(device).mode).toEqual({ value: "distributed", profile: "Everyone" });

  const [central, , south] = OFFICES;
  world.command({
    kind: "replace-offices",
    offices: [central, { ...south, parent: "Central", subnets: ["10.1.0.0/16"] }],
  });
  publish("Lab", { offices: ["South"] });
  expect(latest(device).mode).toEqual({ value: "disabled", profile: "Lab" });
});

test("PF1: a server that comes back tells the same, under a greater epoch", () => {
  const device = world.join("10.1.0.5");
  create("Branches", { diskPercent: 10, ports: { offset: 3 } });
  publish("Branches", { devices: [device.deviceId] });

  const later = new World({ ...world.state, epoch: 8 });
  const association = later.connect(device.deviceId, "10.1.0.5");
  const word = later.sent(association).find((message) => message.kind === "profile");

  expect(word).toMatchObject({
    epoch: 8,
    values: {
      diskPercent: { value: 10, profile: "Branches" },
      ports: { value: { offset: 3 }, profile: "Branches" },
    },
  });
});

test("PF4: who takes no part is in nobody's directory and keeps nothing for others", () => {
  const [one, other] = [world.join("10.1.0.5"), world.join("10.1.0.6")];
  world.publish(one);
  world.deploy({ all: true });
  for (const device of [one, other]) {
    world.say(device, progress(CONTENT, { state: "complete" }));
  }
  settle();
  const keeper = [one, other].find((device) => keepOf(device).length === 1);
  expect(keeper).toBeDefined();
  if (keeper === undefined) return;
  const mate = keeper === one ? other : one;

  create("Kiosks", { mode: "disabled" });
  publish("Kiosks", { devices: [keeper.deviceId] });
  settle();

  const members = world.directories(mate.association).at(-1)?.members;
  expect(members?.map(({ deviceId }) => deviceId)).toEqual([mate.deviceId]);
  expect([keepOf(keeper), keepOf(mate)]).toEqual([[], [CONTENT]]);

  world.command({ kind: "publish-profile", name: "Kiosks", everywhere: true });
  settle();
  expect(world.directories(mate.association).at(-1)?.members.length).toBe(2);
});

test("PF3: what a device reports is kept once, and is no more than it may be", () => {
  const device = world.join("10.1.0.5");
  const values = { mode: { value: "local", profile: "\u202eevil" } } as const;
  const report = { kind: "profile-report", values, problems: ["a\u0007b"] } as const;

  for (let round = 0; round < 100; round += 1) {
    world.say(device, { ...report, problems: [`${round}`] });
  }
  world.say(device, report);
  world.say(device, report);
  world.runUntil(world.nowUs + PROFILE_REPORT_DELAY_US);

  const kept = world.changes.filter(({ kind }) => kind === "profile-report-put");
  expect(kept.length).toBe(1);
  expect(world.coordinator.profileReport(device.deviceId)).toMatchObject({
    values: { mode: { value: "local", profile: "?evil" } },
    problems: ["a?b"],
  });
});

test("MS2: the largest profile fits into a message", () => {
  const text = "h".repeat(256);
  const channels = Array.from({ length: 9 }, (_, index) => ({ channel: index + 1, port: 65_535 }));
  const profile = "n".repeat(64);
  const bytes = encodeMessage({
    kind: "profile",
    epoch: Number.MAX_SAFE_INTEGER,
    version: Number.MAX_SAFE_INTEGER,
    values: {
      hostedCaches: { value: Array.from({ length: 16 }, () => text), profile },
      ports: { value: { offset: 65_535, channels }, profile },
    },
  });

  expect(bytes.length).toBeLessThan(8_192);
  expect(decodeMessage(bytes)?.kind).toBe("profile");
});

describe("refused with a reason is", () => {
  test("A4: a profile before there is file storage", () => {
    world.command({ kind: "set-file-storage" });

    expect(world.command({ kind: "create-profile", name: "A", values: {} })).toMatchObject({
      code: "storage-not-configured",
    });
  });

  test.each<[string, ProfileValues]>([
    ["hosted-cache-missing", { mode: "hosted" }],
    ["hosted-cache-missing", { mode: "hosted", hostedCaches: [] }],
    ["bad-profile-value", { hostedCaches: [] }],
    ["bad-profile-value", { hostedCaches: ["a", "a"] }],
    ["bad-profile-value", { hostedCaches: ["http://cache"] }],
    ["bad-profile-value", { hostedCaches: ["cache:0"] }],
    ["bad-profile-value", { hostedCaches: ["cache:65536"] }],
    ["bad-profile-value", { hostedCaches: ["a\nb"] }],
    ["bad-profile-value", { diskPercent: 0 }],
    ["bad-profile-value", { diskPercent: 101 }],
    ["bad-profile-value", { maxAgeDays: 1.5 }],
    ["bad-profile-value", { minFreeMib: -1 }],
    ["bad-profile-value", { ports: {} }],
    ["bad-profile-value", { ports: { single: 0 } }],
    ["bad-profile-value", { ports: { single: 5_000, offset: 1 } }],
    ["bad-profile-value", { ports: { single: 34_329 } }],
    ["bad-profile-value", { ports: { offset: 40_000 } }],
    ["bad-profile-value", { ports: { channels: [{ channel: 10, port: 5_000 }] } }],
    [
      "bad-profile-value",
      {
        ports: {
          channels: [
            { channel: 1, port: 5_000 },
            { channel: 1, port: 5_001 },
          ],
        },
      },
    ],
  ])("%s for %j", (code, values) => {
    expect(world.command({ kind: "create-profile", name: "A", values })).toMatchObject({ code });
    expect(world.coordinator.profiles()).toEqual([]);
  });

  test.each<ProfileValues>([
    { mode: "hosted", hostedCaches: ["cache"] },
    { hostedCaches: ["10.0.0.1:8080", "[2001:db8::1]:80", "cache.example"] },
    { ports: { offset: 0 } },
    { ports: { single: 443 } },
    { ports: { offset: 5, channels: [{ channel: 9, port: 5_000 }] } },
    {},
  ])("but not %j", (values) => {
    expect(world.command({ kind: "create-profile", name: "A", values })).toMatchObject({
      kind: "profile-changed",
    });
  });

  test("whatever names what is not there, or is there already", () => {
    create("A", {});
    const code = (answer: unknown) => (answer as { code?: string }).code;

    expect(code(world.command({ kind: "create-profile", name: "A", values: {} }))).toBe(
      "profile-exists",
    );
    expect(code(world.command({ kind: "create-profile", name: " ", values: {} }))).toBe(
      "bad-profile-name",
    );
    expect(code(world.command({ kind: "change-profile", name: "B", values: {} }))).toBe(
      "profile-unknown",
    );
    expect(code(publish("A", { offices: ["Nowhere"] }))).toBe("office-unknown");
    expect(code(publish("A", { groups: ["Nobody"] }))).toBe("group-unknown");
    expect(code(publish("A", { devices: ["00".repeat(16)] }))).toBe("device-unknown");
    expect(world.coordinator.profile("A")?.targets).toEqual({
      groups: [],
      offices: [],
      devices: [],
    });
  });

  test("removing what is in use: a published profile, and a group that one is published to", () => {
    create("A", {});
    world.command({ kind: "change-group", name: "Lab", create: true });
    publish("A", { groups: ["Lab"] });

    expect(world.command({ kind: "remove-profile", name: "A" })).toMatchObject({
      code: "profile-in-use",
    });
    expect(world.command({ kind: "remove-group", name: "Lab" })).toMatchObject({
      code: "group-in-use",
    });
    world.command({ kind: "publish-profile", name: "A", remove: { groups: ["Lab"] } });
    expect(world.command({ kind: "remove-profile", name: "A" })).toMatchObject({
      kind: "profile-changed",
    });
    expect(world.command({ kind: "remove-group", name: "Lab" })).toMatchObject({
      kind: "group-changed",
    });
  });
});

test("each change leaves an audit row that says what was before and after", () => {
  create("A", { diskPercent: 5 });
  world.command({ kind: "change-profile", name: "A", values: { diskPercent: 6 }, order: 3 });
  publish("A", { offices: ["North"] });
  world.command({ kind: "publish-profile", name: "A", everywhere: true });
  world.command({ kind: "remove-profile", name: "A" });

  const rows = world.changes.flatMap((change) =>
    change.kind === "audit-add" && change.row.subject === "A" ? [change.row] : [],
  );
  expect(rows.map(({ action }) => action)).toEqual([
    "profile-create",
    "profile-change",
    "profile-publish",
    "profile-unpublish",
    "profile-delete",
  ]);
  expect(JSON.parse(rows[1]?.before ?? "")).toMatchObject({
    order: 10,
    values: { diskPercent: 5 },
  });
  expect(JSON.parse(rows[1]?.after ?? "")).toMatchObject({ order: 3, values: { diskPercent: 6 } });
});

function create(name: string, values: ProfileValues) {
  const answer = world.command({ kind: "create-profile", name, values });
  expect(answer).toMatchObject({ kind: "profile-changed" });
}

function publish(name: string, add: { offices?: string[]; groups?: string[]; devices?: string[] }) {
  return world.command({ kind: "publish-profile", name, add });
}

function words({ association }: Member): readonly ProfileWord[] {
  return world.sent(association).filter((message) => message.kind === "profile");
}

function latest(device: Member): ProfileWord["values"] {
  return words(device).at(-1)?.values ?? {};
}

function settle(): void {
  world.runUntil(world.nowUs + 2 * POLICY_DELAY_US);
}

function keepOf({ association }: Member) {
  return world.policies(association).at(-1)?.keep ?? [];
}
