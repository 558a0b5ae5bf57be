import { beforeEach, expect, test } from "vitest";
import type { Command } from "./contract.ts";
import { emptyState, type Targets } from "./state.ts";
import { CONTENT, type Member, OFFICES, register, WALL_MS, World } from "./test-world.ts";

let world: World;
let members: Readonly<Record<string, Member>>;
beforeEach(() => {
  world = new World(emptyState(7));
  const below = { name: "Lab", parent: "North", type: "wifi", subnets: ["10.1.9.0/24"] };
  world.command({ kind: "replace-offices", offices: [...OFFICES, below] });
  const server = { ...register().facts, serverOs: true };
  members = {
    central: world.join("10.0.0.5", { hostName: "srv-1", facts: server, attributes: os("linux") }),
    north: world.join("10.1.0.5", { hostName: "north-1", attributes: os("windows") }),
    lab: world.join("10.1.9.5", { hostName: "lab-1", attributes: os("windows") }),
    south: world.join("10.2.0.5", { hostName: "South-1" }),
  };
  world.publish(member("central"));
});

test.each([
  [{ offices: ["North"] }, ["north"]],
  [{ officeTrees: ["North"] }, ["lab", "north"]],
  [{ officeTrees: ["Central"] }, ["central", "lab", "north", "south"]],
  [{ officeTrees: ["North"], offices: ["North", "South"] }, ["lab", "north", "south"]],
  [{ where: ["os=windows"] }, ["lab", "north"]],
  [{ where: ["os!=windows", "server-os=no"] }, ["south"]],
  [{ where: ["name=*-1", "name!=srv*"] }, ["lab", "north", "south"]],
  [{ where: ["NAME=so*th-*"] }, ["south"]],
  [{ where: ["version=0.1.*"], officeTrees: ["North"] }, ["lab", "north"]],
  [{ where: ["os=windows"], offices: ["North", "South"] }, ["north"]],
  [{ all: true, where: ["os=linux"] }, ["central"]],
] as const)("%j is for %j, each once", (targets, wanted) => {
  const deploymentId = world.deploy(targets);

  expect(reached()).toEqual(wanted);
  expect(world.coordinator.deployment(deploymentId)?.devices.length).toBe(wanted.length);
});

test("a condition is looked at anew when a device says something else of itself", () => {
  world.deploy({ where: ["os=macos"] });
  expect(reached()).toEqual([]);

  const { association, deviceId, register: said } = member("south");
  const message = { ...said, attributes: os("macos") };
  world.input({ kind: "message", association, deviceId, message });

  expect(reached()).toEqual(["south"]);
});

test("a group is for those who are in it, also later, and no longer for who has left it", () => {
  const [north, lab] = [member("north").deviceId, member("lab").deviceId];
  world.command({ kind: "change-group", name: "Pilots", create: true, add: [north, north] });
  world.deploy({ groups: ["Pilots"], officeTrees: ["North"] });
  world.deploy({ groups: ["Pilots"] });
  expect(reached("groups")).toEqual(["north"]);

  world.command({ kind: "change-group", name: "Pilots", add: [lab], remove: [north] });

  expect(reached("groups")).toEqual(["lab"]);
  expect(world.coordinator.groups()).toEqual([{ name: "Pilots", devices: [lab] }]);
  world = new World({ ...world.state, epoch: 8 });
  expect(world.coordinator.groups()).toEqual([{ name: "Pilots", devices: [lab] }]);
});

test.each([
  ["group-unknown", { name: "Nobody", add: [] }],
  ["group-exists", { name: "Pilots", create: true }],
  ["bad-group-name", { name: " ", create: true }],
  ["bad-group-name", { name: "a\u001b[2J", create: true }],
  ["device-unknown", { name: "Pilots", add: ["ab".repeat(16)] }],
] as const)("%s: %j is refused", (code, given) => {
  world.command({ kind: "change-group", name: "Pilots", create: true });

  const answer = world.command({ kind: "change-group", ...given });

  expect(answer).toMatchObject({ kind: "refused", code });
});

test("a group goes once no deployment names it any more", () => {
  world.command({ kind: "change-group", name: "Pilots", create: true });
  const deploymentId = world.deploy({ groups: ["Pilots"] });
  const remove = { kind: "remove-group", name: "Pilots" } as const;
  expect(world.command(remove)).toMatchObject({ code: "group-in-use" });

  world.command({ kind: "steer", deploymentId, order: { kind: "cancel" } });

  expect(world.command(remove)).toMatchObject({ kind: "group-changed" });
  expect(world.coordinator.groups()).toEqual([]);
});

type Asked = Omit<Extract<Command, { kind: "deploy" }>, "kind" | "contentId" | "priority">;

test.each<[string, Asked]>([
  ["office-unknown", { targets: { officeTrees: ["Nort"] } }],
  ["group-unknown", { targets: { groups: ["Nobody"] } }],
  ["bad-condition", { targets: { where: ["colour=blue"] } }],
  ["bad-condition", { targets: { where: ["os"] } }],
  ["bad-window", { targets: { all: true }, windows: ["Mon-Fri 18-6"] }],
  ["bad-window", { targets: { all: true }, windows: ["Noday 18:00-06:00"] }],
  ["bad-window", { targets: { all: true }, windows: ["Mon 24:00-06:00"] }],
  ["bad-window", { targets: { all: true }, windows: Array(9).fill("daily 01:00-02:00") }],
  ["bad-time-span", { targets: { all: true }, notAfterMs: WALL_MS - 1 }],
  ["bad-time-span", { targets: { all: true }, notBeforeMs: WALL_MS + 9, notAfterMs: WALL_MS + 9 }],
])("%s is refused: %j", (code, asked) => {
  const answer = world.command({ kind: "deploy", contentId: CONTENT, priority: "low", ...asked });

  expect(answer).toMatchObject({ kind: "refused", code });
  expect(world.coordinator.deployments()).toEqual([]);
});

test("whether the signed action is to run is said to devices; it is not unless asked for", () => {
  const asked = { kind: "deploy", contentId: CONTENT, priority: "low" } as const;
  world.command({ ...asked, targets: { offices: ["North"] }, runAction: true });
  world.command({ ...asked, targets: { offices: ["South"] } });

  expect(world.deployments(member("north").association)).toMatchObject([{ runAction: true }]);
  expect(world.deployments(member("south").association)?.[0]?.runAction).toBeUndefined();
});

test("an office with a time zone that nobody knows is refused", () => {
  const offices = OFFICES.map((office) => ({ ...office, timeZone: "Mars/Olympus" }));

  const answer = world.command({ kind: "replace-offices", offices });

  expect(answer).toMatchObject({ kind: "refused", code: "bad-topology" });
});

/** Who has been told of a deployment, or of those of the last one made. */
function reached(which?: keyof Targets): readonly string[] {
  const wanted = world.coordinator
    .deployments()
    .find(({ targets }) => which === undefined || Object.keys(targets).join() === which);
  return Object.keys(members)
    .filter((name) =>
      world
        .deployments(member(name).association)
        ?.some(({ deploymentId }) => deploymentId === wanted?.deploymentId),
    )
    .sort();
}

function member(name: string): Member {
  const found = members[name];
  if (found === undefined) throw new Error(`nobody is called ${name}`);
  return found;
}

function os(value: string) {
  return [{ name: "os", value }];
}
