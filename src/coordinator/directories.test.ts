import { beforeEach, expect, test } from "vitest";
import { MS, SECOND } from "../base/units.ts";
import { decodeMessage, encodeMessage } from "../wire/messages.ts";
import { DIRECTORY_INTERVAL_US } from "./directories.ts";
import { emptyState } from "./state.ts";
import { OFFICES, World } from "./test-world.ts";

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
  for (let index = 0; index < 1_500; index += 1) {
    world.join(`10.1.${index >> 8}.${index & 255}`, { hosts });
  }
  const last = world.join("10.1.9.9", { hosts });
  world.runUntil(world.nowUs + 10 * SECOND);

  const directory = world.directories(last.association).at(-1);
  if (directory === undefined) throw new Error("nothing was sent");
  const bytes = encodeMessage(directory);
  expect(bytes.length).toBeLessThan(1 << 20);
  expect(decodeMessage(bytes)).toEqual(directory);
});
