import fc from "fast-check";
import { beforeEach, expect, test } from "vitest";
import { PRODUCT_VERSION } from "../base/constants.ts";
import type { ContentId, DeviceId } from "../base/ids.ts";
import { MS, SECOND } from "../base/units.ts";
import type { ContentState, Message } from "../wire/messages.ts";
import { CLOSE_CODES } from "./contract.ts";
import { emptyState } from "./state.ts";
import { CONTENT, ENROL, OFFICES, progress, register, WALL_MS, World } from "./test-world.ts";

let world: World;
beforeEach(() => {
  world = new World(emptyState(7));
});

test("EN6: a stranger gets an identity that the server has made durable", () => {
  world.input({ kind: "stranger-message", association: 1, host: "10.1.0.5", message: ENROL });
  const [request] = world.enrolments;
  expect(request).toMatchObject({ securityKey: "KEY", hostName: "pc-1", host: "10.1.0.5" });
  expect(world.sent(1)).toEqual([]);

  world.decide(1);

  expect(world.sent(1)).toMatchObject([{ kind: "enrolled", deviceId: request?.deviceId }]);
  expect(world.state.devices).toMatchObject([
    { deviceId: request?.deviceId, hostName: "pc-1", enrolledAtMs: WALL_MS, hosts: [] },
  ]);
  expect(world.coordinator.counts()).toEqual({ enrolled: 1, present: 0 });
});

test("EN1, EN8: a stranger may do nothing but enrol, and one request at a time", () => {
  const from = { kind: "stranger-message", association: 1, host: "10.1.0.5" } as const;
  world.input({ ...from, message: register() });
  world.input({ ...from, message: ENROL });
  world.input({ ...from, message: ENROL });

  expect(world.sent(1)).toMatchObject([
    { kind: "refused", code: "not-enrolled" },
    { kind: "refused", code: "enrolment-busy" },
  ]);
  expect(world.enrolments.length).toBe(1);
  expect(world.state.devices).toEqual([]);
});

test("what the server program refuses is passed on, and nobody is enrolled", () => {
  const outcome = { kind: "refused", code: "wrong-key", reason: "Ask for the key." } as const;
  world.input({ kind: "stranger-message", association: 1, host: "10.1.0.5", message: ENROL });
  world.input({ kind: "enrolment-decided", association: 1, outcome });

  expect(world.sent(1)).toEqual([outcome]);
  expect(world.coordinator.counts().enrolled).toBe(0);
});

test("a stranger who has gone before the decision is not enrolled", () => {
  world.input({ kind: "stranger-message", association: 1, host: "10.1.0.5", message: ENROL });
  world.input({ kind: "device-down", association: 1 });
  world.decide(1);

  expect(world.coordinator.counts().enrolled).toBe(0);
});

test("a device is present from its connection to its end", () => {
  const { deviceId, association } = world.join("10.0.0.5");
  expect(world.coordinator.devices()).toMatchObject([{ deviceId, present: true }]);

  world.runUntil(5 * SECOND);
  world.input({ kind: "device-down", association });
  world.runUntil(10 * SECOND);

  expect(world.coordinator.devices()).toMatchObject([{ deviceId, present: false }]);
  expect(world.state.devices[0]?.lastSeenAtMs).toBe(WALL_MS + 5_000);
});

test("EN10: a device that connects anew replaces its old association", () => {
  const { deviceId, association } = world.join("10.0.0.5");
  const anew = world.connect(deviceId, "10.0.0.6");
  world.input({ kind: "device-down", association });

  expect(world.closed).toMatchObject([{ association, code: CLOSE_CODES.replaced }]);
  expect(world.coordinator.counts()).toEqual({ enrolled: 1, present: 1 });
  expect(world.sent(anew).map(({ kind }) => kind)).toEqual([
    "deployments",
    "directory",
    "policy",
    "profile",
  ]);
});

test("EN9: a device that the server does not know is told to enrol again", () => {
  const deviceId = "ab".repeat(16) as DeviceId;
  world.input({ kind: "device-up", association: 9, deviceId, host: "10.0.0.5" });

  expect(world.sent(9)).toMatchObject([{ kind: "refused", code: "unknown-device" }]);
  expect(world.closed).toMatchObject([{ association: 9, code: CLOSE_CODES.unknownDevice }]);
});

test("a server that starts again with what it had made durable goes on as before", () => {
  world.command({ kind: "replace-offices", offices: OFFICES });
  const north = world.join("10.1.0.5");
  const mate = world.join("10.1.0.6");
  world.publish(north, CONTENT);
  const deploymentId = world.deploy({ all: true });
  world.say(north, progress(CONTENT, { wanInBytes: 600, state: "complete" }));
  world.runUntil(world.nowUs + SECOND);
  const before = world.coordinator.deployment(deploymentId);
  for (const { association } of [north, mate]) {
    world.input({ kind: "device-down", association });
  }
  world.runUntil(world.nowUs + SECOND);

  const after = new World({ ...world.state, epoch: 8 });

  const absent = (standing: typeof before): unknown => ({
    ...standing,
    devices: standing?.devices.map((device) => ({ ...device, present: false })),
  });
  expect(absent(after.coordinator.deployment(deploymentId))).toEqual(absent(before));
  expect(after.coordinator.devices()).toEqual(world.coordinator.devices());
  expect(after.coordinator.offices()).toEqual(OFFICES);
  // The device has not been restarted, so it goes on counting where it was.
  const association = after.connect(north.deviceId, "10.1.0.5", { bootId: 1 });
  after.say({ ...north, association }, progress(CONTENT, { wanInBytes: 700, state: "complete" }));
  expect(after.coordinator.deployment(deploymentId)?.devices[0]?.wanInBytes).toBe(700);
  expect(after.directories(association)[0]?.epoch).toBe(8);
  expect(after.deployments(association)).toMatchObject([{ deploymentId }]);
});

test("whatever devices say, the coordinator does not throw, and keeps its counts finite", () => {
  const event = fc.record({
    association: fc.nat(3),
    what: fc.constantFrom<Event["what"]>(
      "up",
      "down",
      "say",
      "stranger",
      "decide",
      "accept",
      "wait",
    ),
    host: fc.constantFrom(...HOSTS),
    message: MESSAGE,
  });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), (events) => {
      const chaos = new World(emptyState(1), ["10.0.0.1"]);
      chaos.command({ kind: "replace-offices", offices: OFFICES });
      const member = chaos.join("10.0.0.9");
      chaos.publish(member);
      for (const event of events) happen(chaos, member.deviceId, event);
      chaos.runUntil(chaos.nowUs + 120 * SECOND);
      expect(chaos.coordinator.due().atUs).toBe(Number.POSITIVE_INFINITY);
      for (const row of chaos.state.progress) {
        expect(Number.isSafeInteger(row.base.wanInBytes)).toBe(true);
        expect(row.piecesHeld).toBeLessThanOrEqual(row.pieces);
      }
      for (const { wanBytes } of chaos.coordinator.ledger()) {
        expect(Number.isSafeInteger(wanBytes)).toBe(true);
      }
    }),
    { numRuns: 200 },
  );
});

const APPLICATION = { request: Uint8Array.of(1), hostName: "pc-1", machineId: "m1" };

const CONTENT_IDS = ["c1", "c2"].map((byte) => byte.repeat(32) as ContentId);
const HOSTS = ["10.0.0.1", "10.1.0.1", "nonsense", "::1", ""];
const BIG = fc.constantFrom(0, 1, 5, Number.MAX_SAFE_INTEGER);
/** What devices may say. */
const MESSAGE = fc.oneof(
  fc
    .record({
      hosts: fc.subarray(HOSTS),
      bootId: BIG,
      hostName: fc.string(),
      machineId: fc.constantFrom("m1", "m1", "m1", "", "m2"),
      productVersion: fc.constantFrom(PRODUCT_VERSION, PRODUCT_VERSION, "9.9.9", "nonsense"),
    })
    .map(register),
  fc
    .record({
      content: fc.nat(1),
      state: fc.constantFrom<ContentState>("downloading", "complete", "failed"),
      wanInBytes: BIG,
      pieces: BIG,
      piecesHeld: BIG,
      heldBytes: BIG,
      originInBytes: BIG,
      farInBytes: fc.array(fc.record({ office: fc.constantFrom("Central", "x"), bytes: BIG }), {
        maxLength: 3,
      }),
    })
    .map(({ content, ...said }) => progress(CONTENT_IDS[content] ?? CONTENT, said)),
  fc.record({ content: fc.nat(1), offsetBytes: fc.nat(4), totalBytes: fc.nat(8) }).map(
    ({ content, ...said }): Message => ({
      kind: "publish-part",
      contentId: CONTENT_IDS[content] ?? CONTENT,
      data: new Uint8Array(2),
      ...said,
    }),
  ),
  fc.constant<Message>({ kind: "unknown", handle: 1 }),
  fc.constant<Message>({ kind: "manifest-wanted", contentId: CONTENT }),
  fc.constant<Message>({ kind: "enrol-anew", ...APPLICATION }),
  fc.constant<Message>({ kind: "renew", request: new Uint8Array(1) }),
  fc.constantFrom("ab", "01").map(
    (byte): Message => ({
      kind: "accusation",
      deviceId: byte.repeat(16) as DeviceId,
      contentId: CONTENT,
      offence: "mismatch",
    }),
  ),
  fc.constant<Message>(ENROL),
);

type Event = {
  readonly association: number;
  readonly what: "up" | "down" | "say" | "stranger" | "decide" | "accept" | "wait";
  readonly host: string;
  readonly message: Message;
};

function happen(chaos: World, deviceId: DeviceId, event: Event): void {
  const { what, association, host, message } = event;
  switch (what) {
    case "up":
      chaos.input({ kind: "device-up", association, deviceId, host });
      break;
    case "down":
      chaos.input({ kind: "device-down", association });
      break;
    case "say":
      chaos.input({ kind: "message", association, deviceId, message });
      break;
    case "stranger":
      chaos.input({ kind: "stranger-message", association, host, message });
      break;
    case "decide":
      chaos.decide(association);
      break;
    case "accept":
      chaos.accept(association, CONTENT);
      break;
    case "wait":
      chaos.runUntil(chaos.nowUs + 100 * MS);
      break;
  }
}
