import { beforeEach, expect, test } from "vitest";
import type { ContentId, DeviceId } from "../base/ids.ts";
import { GIB, SECOND } from "../base/units.ts";
import { decodeMessage, encodeMessage, MESSAGE_BYTES_MAX } from "../wire/messages.ts";
import { DEPLOYMENTS_MAX } from "./deployments.ts";
import { POLICY_DELAY_US, Policies, SHUNNED_MAX } from "./policies.ts";
import { emptyState } from "./state.ts";
import { CONTENT, type Member, OFFICES, progress, register, World } from "./test-world.ts";

let world: World;
beforeEach(() => {
  world = new World(emptyState(7));
  world.command({ kind: "replace-offices", offices: OFFICES });
});

test("PO1: a device is told the policy when it registers, and then only when it changes for it", () => {
  const device = world.join("10.1.0.5");
  expect(world.policies(device.association)).toEqual([
    { kind: "policy", epoch: 7, version: 1, origins: [], shunned: [], keep: [] },
  ]);
  world.say(device, device.register);
  world.join("10.1.0.6");
  world.runUntil(world.nowUs + 2 * SECOND);
  expect(world.policies(device.association).length).toBe(1);

  world.command({ kind: "add-origin", location: "https://cdn.example" });

  const [, second] = world.policies(device.association);
  expect(second).toMatchObject({ origins: [{ kind: "cdn", location: "https://cdn.example" }] });
  expect(second?.version).toBeGreaterThan(1);
});

test("PO3: the best complete holder of each office keeps what a deployment names", () => {
  const [best, second, empty, south] = [
    world.join("10.1.0.5", { facts: { ...register().facts, freeBytes: 500 * GIB } }),
    world.join("10.1.0.6"),
    world.join("10.1.0.7", { facts: { ...register().facts, freeBytes: 900 * GIB } }),
    world.join("10.2.0.5"),
  ];
  world.publish(second);
  for (const device of [best, second, south]) complete(device);
  world.say(empty, progress(CONTENT));
  world.runUntil(world.nowUs + POLICY_DELAY_US);
  expect([best, second, empty, south].map(keepOf)).toEqual([[], [], [], []]);

  world.deploy({ offices: ["South"] });
  world.runUntil(world.nowUs + POLICY_DELAY_US);

  expect([best, second, empty, south].map(keepOf)).toEqual([[CONTENT], [], [], [CONTENT]]);
});

test("PO3: one whose cache is full keeps nothing where another has room", () => {
  const [full, roomy] = [
    world.join("10.1.0.5", {
      facts: { ...register().facts, freeBytes: 900 * GIB, usableBytes: 0 },
    }),
    world.join("10.1.0.6"),
  ];
  world.publish(roomy);
  world.deploy({ all: true });
  for (const device of [full, roomy]) complete(device);
  settle();

  expect([full, roomy].map(keepOf)).toEqual([[], [CONTENT]]);
});

test("PO3: one that goes, moves or loses its copy hands the keeping over", () => {
  const [first, second] = [world.join("10.1.0.5"), world.join("10.1.0.6")];
  world.publish(first);
  world.deploy({ all: true });
  for (const device of [first, second]) complete(device);
  settle();
  const keeper = keepOf(first).length === 1 ? first : second;
  const other = keeper === first ? second : first;
  expect(keepOf(other)).toEqual([]);

  world.say(keeper, progress(CONTENT, { state: "downloading" }));
  settle();
  expect([keepOf(keeper), keepOf(other)]).toEqual([[], [CONTENT]]);

  complete(keeper);
  settle();
  world.input({ kind: "device-down", association: keeper.association });
  settle();
  expect(keepOf(other)).toEqual([CONTENT]);

  const moved = { ...keeper, association: world.connect(keeper.deviceId, "10.2.0.5") };
  settle();
  expect([keepOf(moved), keepOf(other)]).toEqual([[CONTENT], [CONTENT]]);
});

test("PO3: in an office that does not share nobody keeps anything for the others", () => {
  const vpn = { name: "VPN", parent: "Central", type: "vpn", subnets: ["10.9.0.0/16"] } as const;
  world.command({ kind: "replace-offices", offices: [...OFFICES, vpn] });
  const devices = [world.join("10.9.0.5"), world.join("192.168.1.5")];
  const [first] = devices;
  if (first !== undefined) world.publish(first);
  world.deploy({ all: true });
  for (const device of devices) complete(device);
  settle();

  expect(devices.map(keepOf)).toEqual([[], []]);
});

test("PO6: once so many devices are there that their reports are too many, each is told its pace", () => {
  const sent = new Map<number, number | undefined>();
  const policies = new Policies(1, {
    ...{ origins: () => [], shunned: () => [], deployed: () => new Set<ContentId>() },
    ...{ holders: () => [], isPresent: () => true, shares: () => true },
  });
  const send = (atUs: number): void =>
    policies.send(atUs, {
      ...IGNORING,
      send: (association, message) => {
        if (message.kind === "policy") sent.set(association, message.reportMs);
      },
    });
  for (let index = 0; index < 1_251; index += 1) {
    const deviceId = index.toString(16).padStart(32, "0") as DeviceId;
    policies.registered({ association: index, deviceId }, 0);
  }
  send(0);
  expect(new Set(sent.values())).toEqual(new Set([undefined]));

  send(POLICY_DELAY_US);

  expect(sent.size).toBe(1_251);
  expect(new Set(sent.values())).toEqual(new Set([1_000]));
});

test("MS2: the largest policy fits into a message", () => {
  const id = (index: number, digits: number) => index.toString(16).padStart(digits, "0");
  const many = Array.from({ length: 5_000 }, (_, index) => index);
  const deviceId = id(0, 32) as DeviceId;
  const { facts } = register();
  const holder = {
    ...{ deviceId, hostName: "", machineId: "", office: "North", hosts: [], seenHost: "", facts },
    ...{ portOffset: 0, attributes: [], productVersion: "", enrolledAtMs: 0, lastSeenAtMs: 0 },
  };
  const policies = new Policies(1, {
    origins: () => many.slice(0, 16).map(() => ({ kind: "cdn", location: "x".repeat(1_024) })),
    shunned: () => many.map((index) => id(index, 32) as DeviceId),
    deployed: () => new Set(many.map((index) => id(index, 64) as ContentId)),
    holders: () => [holder],
    isPresent: () => true,
    shares: () => true,
  });
  const sent: Uint8Array[] = [];
  policies.registered({ association: 1, deviceId }, 0);
  policies.send(POLICY_DELAY_US, {
    ...IGNORING,
    send: (_, message) => sent.push(encodeMessage(message)),
  });

  const [bytes = new Uint8Array(0)] = sent;
  expect(bytes.length).toBeGreaterThan(200_000);
  expect(bytes.length).toBeLessThan(MESSAGE_BYTES_MAX);
  const policy = decodeMessage(bytes);
  expect(policy?.kind === "policy" && [policy.shunned.length, policy.keep.length]).toEqual([
    SHUNNED_MAX,
    DEPLOYMENTS_MAX,
  ]);
});

const ignore = (): void => {};
const IGNORING = {
  persist: ignore,
  send: ignore,
  close: ignore,
  requestEnrolment: ignore,
  judgeManifest: ignore,
  readManifest: ignore,
  answer: ignore,
  note: ignore,
};

function complete(device: Member): void {
  world.say(device, progress(CONTENT, { state: "complete" }));
}

function settle(): void {
  world.runUntil(world.nowUs + POLICY_DELAY_US);
}

function keepOf({ association }: Member): readonly ContentId[] {
  return world.policies(association).at(-1)?.keep ?? [];
}
