import { beforeEach, expect, test } from "vitest";
import type { DeviceId } from "../base/ids.ts";
import { SECOND } from "../base/units.ts";
import type { Message } from "../wire/messages.ts";
import { CLONE_US } from "./clones.ts";
import { CLOSE_CODES } from "./contract.ts";
import { SAVE_DELAY_US } from "./rollout.ts";
import { emptyState } from "./state.ts";
import { CONTENT, type Member, OFFICES, progress, World } from "./test-world.ts";

let world: World;
let device: Member;
beforeEach(() => {
  world = new World(emptyState(7));
  world.command({ kind: "replace-offices", offices: OFFICES });
  device = world.join("10.1.0.5");
});

test("EN13, EN14: two machines with one identity both lose it, and each gets one of its own", () => {
  const copy = world.connect(device.deviceId, "10.2.0.5", { machineId: "m2", bootId: 2 });
  expect(world.refusals(copy)).toEqual(["cloned"]);
  const original = world.connect(device.deviceId, "10.1.0.5");
  expect(world.refusals(original)).toContain("cloned");
  expect(world.closed.map(({ association }) => association)).not.toContain(copy);
  expect(world.coordinator.counts()).toEqual({ enrolled: 0, present: 0 });

  const fresh = [copy, original].map((association, index) => {
    world.say({ ...device, association }, anew(`m${index}`));
    const request = world.enrolments.at(-1);
    world.decide(association);
    return request;
  });

  expect(fresh.map((request) => request?.securityKey)).toEqual([undefined, undefined]);
  const ids = fresh.map((request) => request?.deviceId as DeviceId);
  expect(new Set([device.deviceId, ...ids]).size).toBe(3);
  expect(world.sent(copy).at(-1)).toMatchObject({ kind: "enrolled", deviceId: ids[0] });
  expect(world.sent(original).at(-1)).toMatchObject({ kind: "enrolled", deviceId: ids[1] });
  // Both go on under their new names, from then on as anybody else.
  const [first, second] = ids.map((deviceId, index) =>
    world.connect(deviceId, `10.1.0.${index + 20}`, { machineId: `m${index}` }),
  );
  expect([first, second].map((association) => world.refusals(association ?? 0))).toEqual([[], []]);
  expect(world.coordinator.counts()).toEqual({ enrolled: 2, present: 2 });
  expect(new World(world.state).coordinator.isRetired(device.deviceId)).toBe(true);
});

test("EN13: copies that have the machine's name too betray themselves by taking turns", () => {
  const codes: string[] = [];
  for (const [turn, bootId] of [2, 1, 2].entries()) {
    world.runUntil(world.nowUs + 5 * SECOND);
    const association = world.connect(device.deviceId, `10.1.0.${turn}`, { bootId });
    codes.push(...world.refusals(association));
  }

  expect(codes).toEqual(["cloned"]);
  expect(world.notes.at(-1)).toMatchObject({ event: "identity-cloned", level: "warn" });
});

test("EN13: a device that is restarted again and again, or now and then, is no copy", () => {
  for (const bootId of [2, 3, 4, 5, 6, 7]) {
    const association = world.connect(device.deviceId, "10.1.0.5", { bootId });
    expect(world.refusals(association)).toEqual([]);
  }
  for (const bootId of [8, 7, 8, 7]) {
    world.runUntil(world.nowUs + CLONE_US);
    expect(world.refusals(world.connect(device.deviceId, "10.1.0.5", { bootId }))).toEqual([]);
  }
  // An agent that cannot name its machine is not taken for another one.
  const nameless = world.connect(device.deviceId, "10.1.0.5", { bootId: 8, machineId: "" });
  expect(world.refusals(nameless)).toEqual([]);
});

test("EN14: an identity that was taken back can do nothing but ask for another", () => {
  world.publish(device);
  const copy = world.connect(device.deviceId, "10.1.0.6", { machineId: "m2" });
  const former = { ...device, association: copy };
  const count = world.sent(copy).length;
  world.say(former, progress(CONTENT, { state: "complete" }));
  world.say(former, { kind: "manifest-wanted", contentId: CONTENT });

  expect(world.sent(copy).length).toBe(count);
  expect(world.coordinator.devices()[0]?.present).toBe(false);
  world.say(former, { kind: "renew", request: Uint8Array.of(1) });
  expect(world.refusals(copy).at(-1)).toBe("cloned");
  // One that has its identity cannot ask for another.
  const honest = world.join("10.1.0.7");
  world.say(honest, anew("m3"));
  expect(world.refusals(honest.association)).toEqual(["unexpected-message"]);
});

test("EN14: an identity that was taken back holds no deployment up, and is in no directory", () => {
  const mate = world.join("10.1.0.6");
  world.publish(mate);
  const deploymentId = world.deploy({ all: true });
  world.say(mate, progress(CONTENT, { state: "complete" }));
  world.runUntil(world.nowUs + SAVE_DELAY_US);
  expect(world.coordinator.deployment(deploymentId)?.finishedAtMs).toBeUndefined();

  world.connect(device.deviceId, "10.1.0.6", { machineId: "m2" });
  world.runUntil(world.nowUs + SECOND);

  expect(world.coordinator.deployment(deploymentId)?.finishedAtMs).toBeDefined();
  const directory = world.directories(mate.association).at(-1);
  expect(directory?.members.map(({ deviceId }) => deviceId)).toEqual([mate.deviceId]);
});

test.each([
  ["9.0.0", "version-too-new", CLOSE_CODES.versionTooNew],
  ["nonsense", "version-too-old", CLOSE_CODES.versionTooOld],
] as const)(
  "EN12, B19: a device of version %s is refused as %s, and turned away",
  (productVersion, code, close) => {
    const mate = world.join("10.1.0.6");
    const association = world.connect(device.deviceId, "10.1.0.5", { productVersion });

    expect(world.sent(association)).toMatchObject([{ kind: "refused", code }]);
    const [refusal] = world.sent(association);
    expect(refusal?.kind === "refused" && refusal.reason).toContain(`"${productVersion}"`);
    expect(world.closed.at(-1)).toEqual({ association, code: close });
    expect(world.notes.at(-1)).toMatchObject({ event: "version-refused" });
    const row = world.coordinator.devices()[0];
    expect(row).toMatchObject({ productVersion, present: false, version: code.slice(8) });
    world.runUntil(world.nowUs + SECOND);
    const directory = world.directories(mate.association).at(-1);
    expect(directory?.members.map(({ present }) => present)).toEqual([true, false]);
  },
);

test("a machine that enrols again while its earlier self is away is noted", () => {
  world.input({ kind: "device-down", association: device.association });
  const again = world.join("10.1.0.5");

  const fields = { deviceId: again.deviceId, earlier: device.deviceId };
  expect(world.notes).toMatchObject([{ event: "machine-enrolled-again", fields }]);
});

function anew(machineId: string): Message {
  return { kind: "enrol-anew", request: Uint8Array.of(1), hostName: "pc-1", machineId };
}
