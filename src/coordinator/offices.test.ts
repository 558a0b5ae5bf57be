import { beforeEach, expect, test } from "vitest";
import { toHex } from "../base/hex.ts";
import { SECOND } from "../base/units.ts";
import { emptyState } from "./state.ts";
import { OFFICES, World } from "./test-world.ts";

let world: World;
beforeEach(() => {
  world = new World(emptyState(7));
});

test("MB1: a device is in the office of its own address where the server sees it from there", () => {
  world.command({ kind: "replace-offices", offices: OFFICES });
  const at = (host: string, hosts: readonly string[]) =>
    world.officeOf(world.join(host, { hosts }).deviceId);

  expect(at("10.1.0.5", ["10.1.0.5"])).toBe("North");
  // Of several addresses the one that the server sees the office of.
  expect(at("10.1.0.6", ["10.2.0.6", "10.1.0.6", "not an address"])).toBe("North");
  expect(at("172.16.0.2", ["172.16.0.2"])).toBe("(none)");
});

test("MB1: a home network with the addresses of an office does not join it", () => {
  world.command({ kind: "replace-offices", offices: OFFICES });
  const member = world.join("10.1.0.5");
  const home = world.join("203.0.113.7", { hosts: ["10.1.0.5"] });
  // Not even with a member that answers there, as long as the server sees that one elsewhere.
  const witnessed = world.join("203.0.113.8", {
    hosts: ["10.1.0.6"],
    witnesses: [member.deviceId],
  });

  expect(world.officeOf(home.deviceId)).toBe("(none)");
  expect(world.officeOf(witnessed.deviceId)).toBe("(none)");
});

test("MB2: a member that answers on the LAN, seen from the same side, vouches for a device", () => {
  const [central, north, ...others] = OFFICES;
  const offices = [central, { ...north, subnets: [...north.subnets, "203.0.113.7"] }, ...others];
  world.command({ kind: "replace-offices", offices });
  const member = world.join("203.0.113.7", { hosts: ["10.1.0.5"] });
  expect(world.officeOf(member.deviceId)).toBe("North");
  const beside = { hosts: ["10.1.0.6"], witnesses: [member.deviceId] };
  const mate = world.join("203.0.113.9", beside);
  const stranger = world.join("198.51.100.9", beside);
  const elsewhere = world.join("203.0.113.10", { ...beside, hosts: ["10.2.0.6"] });

  expect(world.officeOf(mate.deviceId)).toBe("North");
  expect(world.officeOf(stranger.deviceId)).toBe("(none)");
  expect(world.officeOf(elsewhere.deviceId)).toBe("(none)");
  // One that has gone vouches for nobody.
  world.input({ kind: "device-down", association: member.association });
  world.input({ kind: "device-down", association: mate.association });
  const late = world.join("203.0.113.11", beside);
  expect(world.officeOf(late.deviceId)).toBe("(none)");
});

test("MB3: a device whose own address says nothing is where the server sees it", () => {
  world.command({ kind: "replace-offices", offices: OFFICES });
  const translated = world.join("10.2.0.1", { hosts: ["192.168.1.5"] });

  expect(world.officeOf(translated.deviceId)).toBe("South");
});

test("MB1: by IPv6 as by IPv4, and the longest prefix decides", () => {
  const lab = {
    name: "Lab",
    parent: "Central",
    type: "wifi",
    subnets: ["2001:db8:7::/48", "10.1.7.0/24"],
  };
  world.command({ kind: "replace-offices", offices: [...OFFICES, lab] });
  const six = world.join("2001:db8:7::5");
  const four = world.join("10.1.7.9");
  const home = world.join("2001:db8:9::1", { hosts: ["2001:db8:7::6"] });

  expect(world.officeOf(six.deviceId)).toBe("Lab");
  expect(world.officeOf(four.deviceId)).toBe("Lab");
  expect(world.officeOf(home.deviceId)).toBe("(none)");
});

test("a device that registers from elsewhere moves, and both offices are told", () => {
  world.command({ kind: "replace-offices", offices: OFFICES });
  const roamer = world.join("10.1.0.5");
  const left = world.join("10.1.0.6");
  const joined = world.join("10.2.0.6");
  world.connect(roamer.deviceId, "10.2.0.5");
  world.runUntil(world.nowUs + SECOND);
  const membersOf = (association: number) =>
    world
      .directories(association)
      .at(-1)
      ?.members.map(({ deviceId }) => deviceId);

  expect(world.officeOf(roamer.deviceId)).toBe("South");
  expect(membersOf(left.association)).toEqual([left.deviceId]);
  expect(membersOf(joined.association)).toContain(roamer.deviceId);
});

test("MB1: a device that is heard from elsewhere is judged anew when it registers", () => {
  world.command({ kind: "replace-offices", offices: OFFICES });
  const roamer = world.join("10.1.0.5");
  world.input({ kind: "device-moved", association: roamer.association, host: "10.2.0.5" });
  expect(world.officeOf(roamer.deviceId)).toBe("North");

  world.say(roamer, { ...roamer.register, hosts: ["10.2.0.5"] });

  expect(world.officeOf(roamer.deviceId)).toBe("South");
});

test("MS14: an office has one key, which no other office has and a restart keeps", () => {
  world.command({ kind: "replace-offices", offices: OFFICES });
  const north = world.join("10.1.0.5");
  const mate = world.join("10.1.0.6");
  const south = world.join("10.2.0.5");
  const homes = ["192.168.1.5", "192.168.1.6"].map((host) => world.join(host));
  const again = new World({ ...world.state, epoch: 8 });
  const later = again.connect(north.deviceId, "10.1.0.5");
  const key = (from: World, association: number) =>
    toHex(from.directories(association)[0]?.officeKey ?? new Uint8Array(0));

  const first = key(world, north.association);
  expect(first).toHaveLength(64);
  expect(key(world, mate.association)).toBe(first);
  expect(key(again, later)).toBe(first);
  const keys = [north, south, ...homes].map(({ association }) => key(world, association));
  expect(new Set(keys).size).toBe(4);
});

test("B5: without a topology there is one office for each subnet", () => {
  world = new World(emptyState(7), ["10.0.0.1"]);
  world.join("10.1.0.5");
  world.join("10.0.0.5");

  expect(world.state.offices.offices.map(({ name, parent }) => [name, parent])).toEqual([
    ["Central Office", undefined],
    ["10.1.0.0/24", "Central Office"],
  ]);
  expect(world.coordinator.devices().map(({ office }) => office)).toEqual([
    "10.1.0.0/24",
    "Central Office",
  ]);
});

test("a topology with an error is refused as a whole, with the reason", () => {
  world.command({ kind: "replace-offices", offices: OFFICES });
  const answer = world.command({
    kind: "replace-offices",
    offices: [...OFFICES, { name: "West", parent: "Atlantis", type: "default", subnets: [] }],
  });

  expect(answer).toMatchObject({ kind: "refused", code: "bad-topology" });
  expect(answer.kind === "refused" && answer.reason).toContain("Atlantis");
  expect(world.coordinator.offices()).toEqual(OFFICES);
});

test("B13: a topology in which the server is not in the Central Office is refused", () => {
  world = new World(emptyState(7), ["10.1.0.1"]);
  const answer = world.command({ kind: "replace-offices", offices: OFFICES });

  expect(answer).toMatchObject({ kind: "refused", code: "bad-topology" });
  expect(world.coordinator.offices()).toEqual([]);
});

test("a new topology moves the devices, and an empty one is generated anew", () => {
  world.join("10.1.0.5");
  world.command({ kind: "replace-offices", offices: OFFICES });
  expect(world.coordinator.devices()[0]?.office).toBe("North");
  expect(world.state.devices[0]?.office).toBe("North");

  world.command({ kind: "replace-offices", offices: [] });

  expect(world.coordinator.devices()[0]?.office).toBe("Central Office");
  expect(world.state.offices.generated).toBe(true);
});
