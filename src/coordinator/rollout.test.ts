import { beforeEach, expect, test } from "vitest";
import type { ContentId } from "../base/ids.ts";
import { MS } from "../base/units.ts";
import type { Answer } from "./contract.ts";
import { priorityNumber } from "./deployments.ts";
import { SAVE_DELAY_US } from "./rollout.ts";
import { emptyState } from "./state.ts";
import { CONTENT, type Member, OFFICES, progress, WALL_MS, World } from "./test-world.ts";

let world: World;
let central: Member;
let north: Member;
beforeEach(() => {
  world = new World(emptyState(7));
  world.command({ kind: "replace-offices", offices: OFFICES });
  central = world.join("10.0.0.5");
  north = world.join("10.1.0.5");
  world.publish(central);
});

test("those and only those that it is for are told", () => {
  const deploymentId = world.deploy({ offices: ["North"] });

  expect(world.deployments(north.association)).toEqual([
    { deploymentId, contentId: CONTENT, priority: priorityNumber("medium", 0) },
  ]);
  expect(world.deployments(central.association)).toEqual([]);
});

test("a device that enrols later, or moves to the office later, gets it too", () => {
  world.deploy({ offices: ["North"] });
  const late = world.join("10.1.0.77");
  expect(world.deployments(late.association)).toMatchObject([{ contentId: CONTENT }]);

  const moved = world.connect(central.deviceId, "10.1.0.78");
  expect(world.deployments(moved)).toMatchObject([{ contentId: CONTENT }]);
});

test("a device is told of each deployment of a content: one may be paused, the other not", () => {
  const forAll = world.deploy({ all: true }, "low");
  const forNorth = world.deploy({ devices: [north.deviceId] }, "high");

  expect(world.deployments(north.association)).toEqual([
    { deploymentId: forAll, contentId: CONTENT, priority: priorityNumber("low", 0) },
    { deploymentId: forNorth, contentId: CONTENT, priority: priorityNumber("high", 1) },
  ]);
  expect(world.deployments(central.association)?.length).toBe(1);
  expect(world.coordinator.deployments().length).toBe(2);
});

test.each([
  ["content-unknown", { contentId: "dddddddd", targets: { all: true } }],
  ["no-targets", { contentId: CONTENT, targets: {} }],
  ["office-unknown", { contentId: CONTENT, targets: { offices: ["Nort"] } }],
  ["device-unknown", { contentId: CONTENT, targets: { devices: ["ab".repeat(16)] } }],
] as const)("%s is refused and nothing is begun", (code, asked) => {
  const answer = world.command({ kind: "deploy", priority: "medium", ...asked });

  expect(answer).toMatchObject({ kind: "refused", code });
  expect(world.coordinator.deployments()).toEqual([]);
});

test("an abbreviated content id must be unique", () => {
  const other = `c1c1c1c1${"0".repeat(56)}` as ContentId;
  world.publish(central, other);
  const ask = (text: string): Answer =>
    world.command({ kind: "deploy", contentId: text, targets: { all: true }, priority: "low" });

  expect(ask("c1c1c1c1")).toMatchObject({ code: "content-ambiguous" });
  expect(ask("C1C1C1C10")).toMatchObject({ kind: "deployed" });
});

test("it is finished when every enrolled target has it, and that is remembered", () => {
  const deploymentId = world.deploy({ all: true });
  world.say(central, progress(CONTENT, { state: "complete" }));
  world.runUntil(world.nowUs + SAVE_DELAY_US);
  expect(world.coordinator.deployment(deploymentId)?.finishedAtMs).toBeUndefined();

  world.say(north, progress(CONTENT, { state: "complete" }));
  world.runUntil(world.nowUs + SAVE_DELAY_US);

  const finishedAtMs = WALL_MS + (2 * SAVE_DELAY_US) / MS;
  expect(world.state.deployments).toMatchObject([{ deploymentId, finishedAtMs }]);
  expect(world.coordinator.deployments()).toMatchObject([
    { deploymentId, finishedAtMs, devices: 2, verified: 2 },
  ]);
});

test("a second deployment of what everyone has is finished without a word of theirs", () => {
  for (const device of [central, north]) {
    world.say(device, progress(CONTENT, { state: "complete" }));
  }
  const deploymentId = world.deploy({ all: true });
  world.runUntil(world.nowUs + SAVE_DELAY_US);

  expect(world.coordinator.deployment(deploymentId)?.finishedAtMs).toBeDefined();
});

test("D3: the ledger counts every byte by office, over restarts of the devices", () => {
  const deploymentId = world.deploy({ offices: ["North"] });
  const mate = world.join("10.1.0.6");
  const north1 = { wanInBytes: 600, rvp: true };
  world.say(north, progress(CONTENT, { ...north1, state: "downloading" }));
  const anew = world.connect(north.deviceId, "10.1.0.5", { bootId: 99 });
  const again = { ...north, association: anew };
  world.say(again, progress(CONTENT, { wanInBytes: 100, rvp: true }));
  world.say(again, progress(CONTENT, { wanInBytes: 400, rvp: true, state: "complete" }));
  world.say(mate, progress(CONTENT, { lanInBytes: 1_000, state: "complete" }));
  world.say(central, progress(CONTENT, { wanOutBytes: 1_000, state: "complete" }));

  const standing = world.coordinator.deployment(deploymentId);

  expect(standing?.devices.map(({ deviceId }) => deviceId)).toEqual([
    north.deviceId,
    mate.deviceId,
  ]);
  expect(standing?.devices[0]).toMatchObject({ wanInBytes: 1_000, state: "complete" });
  expect(standing?.offices).toMatchObject([
    { office: "Central", wanBytes: 0, copies: 0, devices: 0, rvp: "" },
    { office: "North", wanBytes: 1_000, lanBytes: 1_000, copies: 1, devices: 2, verified: 2 },
  ]);
  expect(standing?.offices[1]).toMatchObject({ parent: "Central", rvp: "pc-1" });
});
