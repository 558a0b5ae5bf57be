import { beforeEach, expect, test } from "vitest";
import { MS, SECOND } from "../base/units.ts";
import type { Command } from "./contract.ts";
import { priorityNumber } from "./deployments.ts";
import { type AuditRow, emptyState } from "./state.ts";
import { CONTENT, type Member, OFFICES, progress, WALL_MS, World } from "./test-world.ts";

type Steer = Omit<Extract<Command, { kind: "steer" }>, "kind">;

let world: World;
let central: Member;
let north: Member;
let lab: Member;
beforeEach(() => {
  world = new World(emptyState(7));
  const below = { name: "Lab", parent: "North", type: "wifi", subnets: ["10.1.9.0/24"] };
  world.command({ kind: "replace-offices", offices: [...OFFICES, below] });
  central = world.join("10.0.0.5");
  north = world.join("10.1.0.5", { hostName: "north-1" });
  lab = world.join("10.1.9.5", { hostName: "lab-1" });
  world.publish(central);
});

test("C3: what is paused is said to everyone concerned in the same step, once it is durable", () => {
  const deploymentId = world.deploy({ all: true });
  const before = world.changes.length;

  const answer = steer({ deploymentId, order: { kind: "pause" } });

  expect(answer).toMatchObject({ kind: "steered", changed: 1, devices: 3, reached: 3 });
  for (const member of [central, north, lab]) expect(entry(member)).toMatchObject({ paused: true });
  const kinds = world.changes.slice(before).map(({ kind }) => kind);
  expect(kinds.slice(0, 2)).toEqual(["audit-add", "deployment-put"]);
});

test("C3: an office is paused with those below it, and any of them resumes by itself", () => {
  const deploymentId = world.deploy({ all: true });

  steer({ deploymentId, office: "North", order: { kind: "pause" } });
  expect(paused()).toEqual([false, true, true]);

  steer({ deploymentId, office: "Lab", order: { kind: "resume" } });
  expect(paused()).toEqual([false, true, false]);

  steer({ deploymentId, deviceId: lab.deviceId, order: { kind: "pause" } });
  expect(paused()).toEqual([false, true, true]);

  steer({ deploymentId, order: { kind: "resume" } });
  expect(paused()).toEqual([false, false, false]);
});

test("C3: the last word counts for a device that comes, moves or enrols later too", () => {
  const deploymentId = world.deploy({ all: true });
  steer({ deploymentId, office: "North", order: { kind: "pause" } });

  const late = world.join("10.1.9.77");
  expect(entry(late)).toMatchObject({ paused: true });
  const moved = world.connect(central.deviceId, "10.1.0.78");
  expect(world.deployments(moved)).toMatchObject([{ paused: true }]);
  const back = world.connect(central.deviceId, "10.0.0.5");
  expect(world.deployments(back)?.[0]?.paused).toBeUndefined();
});

test("C3: what was said is still in force after a crash of the server", () => {
  const deploymentId = world.deploy({ all: true });
  steer({ deploymentId, office: "North", order: { kind: "pause" } });

  world = new World({ ...world.state, epoch: 8 });

  const again = world.connect(lab.deviceId, "10.1.9.5");
  expect(world.deployments(again)).toMatchObject([{ deploymentId, paused: true }]);
});

test("a device that is away when a deployment is cancelled learns it when it is back", () => {
  const deploymentId = world.deploy({ all: true });
  world.input({ kind: "device-down", association: lab.association });

  steer({ deploymentId, order: { kind: "cancel" } });

  const back = world.connect(lab.deviceId, "10.1.9.5");
  expect(lastList(back)).toMatchObject({ deployments: [], cancelled: [CONTENT] });
});

test("what another deployment still brings is not let go of", () => {
  const deploymentId = world.deploy({ all: true });
  world.deploy({ offices: ["Lab"] });

  steer({ deploymentId, order: { kind: "cancel" } });

  expect(lastList(lab.association)).toMatchObject({ deployments: [{}], cancelled: [] });
  expect(lastList(north.association)).toMatchObject({ deployments: [], cancelled: [CONTENT] });
});

test("a deployment that is cancelled for some ends when the others have it", () => {
  const deploymentId = world.deploy({ all: true });
  steer({ deploymentId, office: "North", order: { kind: "cancel" } });

  world.say(central, progress(CONTENT, { state: "complete", piecesHeld: 10 }));
  world.runUntil(world.nowUs + SECOND);

  const [summary] = world.coordinator.deployments();
  expect(summary).toMatchObject({ devices: 3, verified: 1, finishedAtMs: expect.any(Number) });
  const standing = world.coordinator.deployment(deploymentId);
  const kinds = standing?.devices.map((one) => [one.hostName, one.standing.kind, one.standing.why]);
  expect(kinds).toEqual([
    ["pc-1", "active", ""],
    ["north-1", "cancelled", 'cancelled for office "North"'],
    ["lab-1", "cancelled", 'cancelled for office "North"'],
  ]);
});

test("nobody keeps a copy for the office of what is cancelled", () => {
  const deploymentId = world.deploy({ all: true });
  world.say(north, progress(CONTENT, { state: "complete", piecesHeld: 10 }));
  world.runUntil(world.nowUs + SECOND);
  expect(world.policies(north.association).at(-1)?.keep).toEqual([CONTENT]);

  steer({ deploymentId, order: { kind: "cancel" } });
  world.runUntil(world.nowUs + SECOND);

  expect(world.policies(north.association).at(-1)?.keep).toEqual([]);
});

test("a deployment is made more urgent, or goes before its equals, for all or for some", () => {
  const first = world.deploy({ all: true });
  const second = world.deploy({ all: true });

  steer({ deploymentId: second, order: { kind: "priority", priority: "medium", place: "first" } });
  expect(order(lab)).toEqual([second, first]);

  steer({ deploymentId: second, order: { kind: "priority", priority: "medium", place: "last" } });
  expect(order(lab)).toEqual([first, second]);

  steer({ deploymentId: second, office: "Lab", order: { kind: "priority", priority: "high" } });
  expect(order(lab)).toEqual([second, first]);
  expect(order(north)).toEqual([first, second]);
  expect(entry(lab, second)?.priority).toBe(priorityNumber("high", 1));
});

test("what has failed is tried again each time it is asked for", () => {
  const deploymentId = world.deploy({ all: true });
  expect(entry(lab)?.attempt).toBeUndefined();

  steer({ deploymentId, deviceId: lab.deviceId, order: { kind: "retry" } });
  expect([entry(lab)?.attempt, entry(north)?.attempt]).toEqual([1, undefined]);

  steer({ deploymentId, order: { kind: "retry" } });
  expect([entry(lab)?.attempt, entry(north)?.attempt]).toEqual([2, 2]);
});

test("all deployments of a content are steered together", () => {
  world.deploy({ offices: ["Lab"] });
  world.deploy({ offices: ["North"] });

  const answer = steer({ contentId: CONTENT.slice(0, 8), order: { kind: "pause" } });

  expect(answer).toMatchObject({ changed: 2, devices: 2 });
  expect([entry(lab)?.paused, entry(north)?.paused]).toEqual([true, true]);
});

test("each change leaves a row that says who did what, and what was before and after", () => {
  const deploymentId = world.deploy({ all: true });
  const command = {
    kind: "steer",
    deploymentId,
    office: "Lab",
    order: { kind: "pause" },
  } as const;

  world.input({ kind: "command", requestNumber: 900, command, by: "ci" });
  world.input({ kind: "command", requestNumber: 901, command, by: "ci" });

  const rows = audit().slice(-2);
  expect(rows.map(({ action, who }) => [action, who])).toEqual([
    ["deployment-create", "local"],
    // Said once more it changes nothing.
    ["deployment-pause", "ci"],
  ]);
  expect(rows[1]).toMatchObject({
    epoch: 7,
    atMs: WALL_MS,
    subject: `${deploymentId} office "Lab"`,
  });
  expect(JSON.parse(rows[1]?.before ?? "")).toMatchObject({ directives: [] });
  expect(JSON.parse(rows[1]?.after ?? "")).toMatchObject({
    directives: [{ kind: "pause", office: "Lab" }],
  });
});

test.each([
  ["deployment-unknown", { deploymentId: "nothing" }],
  ["content-unknown", { contentId: "dddddddd" }],
  ["deployment-unknown", { contentId: CONTENT }],
  ["office-unknown", { office: "Nort" }],
  ["device-unknown", { deviceId: "ab".repeat(16) }],
  ["bad-scope", { office: "North", deviceId: "HERE" }],
] as const)("%s: %j is refused, and nothing is said or written", (code, wrong) => {
  const deploymentId = "contentId" in wrong ? undefined : world.deploy({ all: true });
  const changes = world.changes.length;
  const given = { ...(deploymentId && { deploymentId }), ...wrong };
  const asked =
    "deviceId" in given && given.deviceId === "HERE" ? { ...given, deviceId: lab.deviceId } : given;

  const answer = steer({ ...asked, order: { kind: "pause" } });

  expect(answer).toMatchObject({ kind: "refused", code });
  expect(world.changes.length).toBe(changes);
});

test("what is cancelled stays so", () => {
  const deploymentId = world.deploy({ all: true });
  steer({ deploymentId, order: { kind: "cancel" } });

  const answer = steer({ deploymentId, order: { kind: "resume" } });

  expect(answer).toMatchObject({ kind: "refused", code: "deployment-over" });
});

test("a window is told as times, for weeks ahead, and a new week to everyone", () => {
  const windows = ["Mon-Fri 18:00-06:00"];
  world.command({
    kind: "deploy",
    contentId: CONTENT,
    targets: { all: true },
    priority: "low",
    windows,
  });
  const told = entry(lab)?.open ?? [];
  const lists = lastList(lab.association)?.version ?? 0;

  const hours = told.map(({ fromMs, toMs }) => (toMs - fromMs) / 3_600_000);
  // Five weeks of five nights, and the one on which they end is cut in two.
  expect(hours.reduce((sum, one) => sum + one, 0)).toBe(5 * 5 * 12);
  expect(hours.filter((one) => one !== 12).length).toBe(2);
  world.nowUs += 8 * 86_400 * SECOND;
  world.input({ kind: "wall-clock", wallMs: WALL_MS + world.nowUs / MS });

  expect(lastList(lab.association)?.version).toBeGreaterThan(lists);
  const later = entry(lab)?.open ?? [];
  expect((later.at(-1)?.toMs ?? 0) - (told.at(-1)?.toMs ?? 0)).toBe(7 * 86_400_000);
});

test("of a deployment that waits for its time is said when that comes", () => {
  const notBeforeMs = WALL_MS + 60_000;
  const deployed = { kind: "deploy", contentId: CONTENT, priority: "low" } as const;
  const answer = world.command({ ...deployed, targets: { offices: ["Lab"] }, notBeforeMs });
  const deploymentId = answer.kind === "deployed" ? answer.deploymentId : "";

  const [device] = world.coordinator.deployment(deploymentId)?.devices ?? [];
  expect(device?.standing).toMatchObject({ kind: "closed", opensAtMs: notBeforeMs });
  expect(entry(lab)?.open).toEqual([{ fromMs: notBeforeMs, toMs: Number.MAX_SAFE_INTEGER }]);
});

function steer(given: Steer) {
  return world.command({ kind: "steer", ...given });
}

function lastList(association: number) {
  return world.sent(association).findLast((message) => message.kind === "deployments");
}

function entry({ association }: Member, deploymentId?: string) {
  const entries = world.deployments(association) ?? [];
  return deploymentId === undefined
    ? entries[0]
    : entries.find((one) => one.deploymentId === deploymentId);
}

function paused(): readonly boolean[] {
  return [central, north, lab].map((member) => entry(member)?.paused === true);
}

function order({ association }: Member): readonly string[] {
  const entries = [...(world.deployments(association) ?? [])];
  return entries.sort((a, b) => a.priority - b.priority).map(({ deploymentId }) => deploymentId);
}

function audit(): readonly AuditRow[] {
  return world.changes.flatMap((change) => (change.kind === "audit-add" ? [change.row] : []));
}
