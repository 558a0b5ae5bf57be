import { beforeEach, expect, test } from "vitest";
import type { DeviceId } from "../base/ids.ts";
import { MS, SECOND } from "../base/units.ts";
import { decodeMessage, encodeMessage, MESSAGE_BYTES_MAX } from "../wire/messages.ts";
import { ABOVE_DELAY_US, ABOVE_MEMBERS_MAX, DIRECTORY_INTERVAL_US } from "./directories.ts";
import { emptyState } from "./state.ts";
import { OFFICES, register, World } from "./test-world.ts";

let world: World;
beforeEach(() => {
  world = new World(emptyState(7));
  world.command({ kind: "replace-offices", offices: OFFICES });
});

test("MS12: a device is told of its own office, the parent office and the way up", () => {
  const central = world.join("10.0.0.5");
  const south = world.join("10.2.0.5");
  const north = world.join("10.1.0.5");

  const directory = world.directories(north.association).at(-1);

  expect(directory).toMatchObject({ epoch: 7, office: "North" });
  expect(directory?.offices.map(({ name }) => name)).toEqual(["North", "Central"]);
  expect(directory?.members.map(({ deviceId }) => deviceId)).toEqual([
    north.deviceId,
    central.deviceId,
  ]);
  expect(directory?.members.map(({ deviceId }) => deviceId)).not.toContain(south.deviceId);
});

test("MS12: it is told of some of each office above, and of its own office's subnets", () => {
  const deep = { name: "Depot", parent: "North", type: "wifi", subnets: ["10.3.0.0/16"] } as const;
  world.command({ kind: "replace-offices", offices: [...OFFICES, deep] });
  for (let index = 0; index < ABOVE_MEMBERS_MAX + 5; index += 1) {
    const facts = { ...register().facts, preferred: index === ABOVE_MEMBERS_MAX + 4 };
    world.join(`10.0.1.${index}`, { facts, hostName: `central-${index}` });
  }
  const north = world.join("10.1.0.5");
  const depot = world.join("10.3.0.5");
  world.runUntil(world.nowUs + 10 * SECOND);

  const directory = world.directories(depot.association).at(-1);
  const offices = directory?.members.map(({ office }) => office) ?? [];
  expect(directory?.offices.map(({ subnets }) => subnets)).toEqual([["10.3.0.0/16"], [], []]);
  expect(offices.slice(0, 2)).toEqual(["Depot", "North"]);
  expect(offices.filter((office) => office === "Central").length).toBe(ABOVE_MEMBERS_MAX);
  expect(directory?.members[1]?.deviceId).toBe(north.deviceId);
  expect(directory?.members[2]?.facts.preferred).toBe(true);
});

test("MS12: changes above the parent office are told too, after a while", () => {
  const deep = { name: "Depot", parent: "North", type: "wifi", subnets: ["10.3.0.0/16"] } as const;
  world.command({ kind: "replace-offices", offices: [...OFFICES, deep] });
  const depot = world.join("10.3.0.5");
  world.runUntil(world.nowUs + SECOND);
  const before = world.directories(depot.association).length;
  const central = world.join("10.0.0.5");
  world.runUntil(world.nowUs + SECOND);
  expect(world.directories(depot.association).length).toBe(before);

  world.runUntil(world.nowUs + ABOVE_DELAY_US);

  expect(world.directories(depot.association).at(-1)?.members[1]?.deviceId).toBe(central.deviceId);
});

test("a device in no office is told of itself and the Central Office alone", () => {
  const central = world.join("10.0.0.5");
  world.join("192.168.1.7");
  const home = world.join("192.168.1.8");

  const directory = world.directories(home.association).at(-1);

  expect(directory?.offices).toEqual([
    { name: "(none)", parent: "Central", type: "vpn", subnets: [] },
    { name: "Central", type: "default", subnets: [] },
  ]);
  expect(directory?.members.map(({ deviceId }) => deviceId)).toEqual([
    home.deviceId,
    central.deviceId,
  ]);
});

test("MS12: changes are gathered: one directory a device in each interval, the last one complete", () => {
  const first = world.join("10.1.0.5");
  for (let index = 0; index < 20; index += 1) {
    world.join(`10.1.1.${index}`);
    world.runUntil(world.nowUs + 10 * MS);
  }
  world.runUntil(world.nowUs + SECOND);

  const told = world.directories(first.association);
  expect(told.length).toBeGreaterThan(1);
  expect(told.length).toBeLessThanOrEqual(3);
  expect(told.at(-1)?.members.length).toBe(21);
  expect(told.map(({ version }) => version)).toEqual(
    told.map(({ version }) => version).toSorted((a, b) => a - b),
  );
});

test("who sees no difference is told nothing", () => {
  const north = world.join("10.1.0.5");
  const mate = world.join("10.1.0.6");
  world.runUntil(SECOND);
  const count = world.directories(north.association).length;

  world.join("10.2.0.5");
  world.say(mate, mate.register);
  world.runUntil(world.nowUs + SECOND);
  // Away and back within one interval.
  world.input({ kind: "device-down", association: mate.association });
  world.connect(mate.deviceId, "10.1.0.6");
  world.runUntil(world.nowUs + SECOND);
  expect(world.directories(north.association).length - count).toBeLessThanOrEqual(2);
  const settled = world.directories(north.association).at(-1);
  expect(settled?.members.map(({ present }) => present)).toEqual([true, true]);
  const after = world.directories(north.association).length;

  world.join("10.2.0.6");
  world.runUntil(world.nowUs + SECOND);

  expect(world.directories(north.association).length).toBe(after);
});

test("who goes is told of as absent", () => {
  const north = world.join("10.1.0.5");
  const mate = world.join("10.1.0.6");
  world.input({ kind: "device-down", association: mate.association });
  world.runUntil(world.nowUs + DIRECTORY_INTERVAL_US);

  const member = world
    .directories(north.association)
    .at(-1)
    ?.members.find(({ deviceId }) => deviceId === mate.deviceId);
  expect(member?.present).toBe(false);
});

test("MS2: the largest directory of a crowded office fits into a message", () => {
  const hosts = Array.from(
    { length: 8 },
    (_, index) => `2001:db8:ffff:ffff:ffff:ffff:ffff:${index + 1000}`,
  );
  const name = (text: string) => text.padEnd(64, "界");
  const offices = Array.from({ length: 8 }, (_, level) => ({
    name: name(`Level ${level}`),
    ...(level === 0 ? {} : { parent: name(`Level ${level - 1}`) }),
    type: "default",
    subnets: [`10.${level}.0.0/16`],
  }));
  const subnets = Array.from(
    { length: 1_100 },
    (_, index) =>
      `2001:db8:${index}:ffff:ffff:ffff:ffff:1001-2001:db8:${index}:ffff:ffff:ffff:ffff:ffff`,
  );
  const crowded = offices.map((office, level) =>
    level === 7 ? { ...office, subnets: [...office.subnets, ...subnets] } : office,
  );
  const most = Number.MAX_SAFE_INTEGER;
  const facts = { ...register().facts, freeBytes: most, usableBytes: most, uptimeS: most };
  const devices = crowded.flatMap(({ name: office }, level) =>
    Array.from({ length: level === 7 ? 1_300 : 220 }, (_, index) => ({
      ...{ hostName: "pc", machineId: "", office, hosts, seenHost: "", portOffset: 65_535, facts },
      deviceId: `${level}${index}`.padStart(32, "0") as DeviceId,
      ...{ attributes: [], productVersion: "", enrolledAtMs: 0, lastSeenAtMs: 0 },
    })),
  );
  const state = { ...emptyState(7), offices: { generated: false, offices: crowded }, devices };
  world = new World(state);
  const last = world.join("10.7.9.9", { hosts });
  world.runUntil(world.nowUs + 10 * SECOND);

  const directory = world.directories(last.association).at(-1);
  if (directory === undefined) throw new Error("nothing was sent");
  const bytes = encodeMessage(directory);
  expect(directory.members.length).toBe(1_528);
  expect(bytes.length).toBeLessThan(MESSAGE_BYTES_MAX);
  expect(decodeMessage(bytes)).toEqual(directory);
});
