import { beforeEach, expect, test } from "vitest";
import type { ContentId, DeviceId } from "../base/ids.ts";
import type { Progress } from "../wire/messages.ts";
import { emptyState } from "./state.ts";
import { CONTENT, type Member, OFFICES, progress, World } from "./test-world.ts";

const DEPOT = { name: "Depot", parent: "North", type: "wifi", subnets: ["10.3.0.0/16"] } as const;
const VPN = { name: "VPN", parent: "Central", type: "vpn", subnets: ["10.9.0.0/16"] } as const;

let world: World;
let central: Member;
let north: Member;
let depot: Member;
beforeEach(() => {
  world = new World(emptyState(7));
  world.command({ kind: "replace-offices", offices: [...OFFICES, DEPOT, VPN] });
  central = world.join("10.0.0.5");
  north = world.join("10.1.0.5");
  depot = world.join("10.3.0.5");
  world.publish(central);
});

test("D3: bytes are charged to the link of the device's office", () => {
  report(north, { wanInBytes: 400 });
  report(north, { wanInBytes: 1_000, lanInBytes: 5, state: "complete" });

  expect(row("North")).toMatchObject({
    ...{ parent: "Central", wanBytes: 1_000, lanBytes: 5, originBytes: 0 },
    ...{ boundBytes: 1_000, copies: 1, devices: 1, holders: 1, savedBytes: 0, alarm: false },
  });
});

test("D3: what comes from above the parent has crossed every link on the way", () => {
  report(depot, { wanInBytes: 700, farInBytes: [{ office: "Central", bytes: 300 }] });
  report(depot, { wanInBytes: 1_000, farInBytes: [{ office: "Central", bytes: 400 }] });

  expect(row("Depot")?.wanBytes).toBe(1_000);
  expect(row("North")?.wanBytes).toBe(400);
  expect(row("Central")).toBeUndefined();
});

test("D3: offices that are not above, and more than came at all, are charged to nobody", () => {
  const farInBytes = [
    { office: "South", bytes: 500 },
    { office: "Depot", bytes: 100 },
    { office: "Central", bytes: 900 },
  ];
  report(depot, { wanInBytes: 1_000, farInBytes });

  expect(row("South")).toBeUndefined();
  expect(row("North")?.wanBytes).toBe(400);
});

test("D3: a device that moves leaves behind what it has taken in", () => {
  report(north, { wanInBytes: 600 });
  const moved = { ...north, association: world.connect(north.deviceId, "10.2.0.5") };
  report(moved, { wanInBytes: 1_000, state: "complete" });

  expect(row("North")).toMatchObject({ wanBytes: 600, holders: 0 });
  expect(row("South")).toMatchObject({ wanBytes: 400, holders: 1, devices: 1 });
});

test("D3: a restarted device counts from zero, and what goes backwards counts for nothing", () => {
  report(north, { wanInBytes: 600 });
  report(north, { wanInBytes: 100 });
  expect(row("North")?.wanBytes).toBe(600);
  const anew = world.connect(north.deviceId, "10.1.0.5", { bootId: 9 });
  report({ ...north, association: anew }, { wanInBytes: 300 });

  expect(row("North")?.wanBytes).toBe(900);
});

test("D3: an office has room for one copy, over the line and from origins together", () => {
  report(north, { wanInBytes: 800, originInBytes: 250, state: "complete" });
  expect(row("North")).toMatchObject({ originBytes: 250, copies: 0.8, alarm: false });
  report(north, { wanInBytes: 801, originInBytes: 250, state: "complete" });

  expect(row("North")?.alarm).toBe(true);
});

test("D3: an office that does not share has room for a copy a device", () => {
  const devices = [world.join("10.9.0.5"), world.join("10.9.0.6")];
  for (const device of devices) report(device, { wanInBytes: 1_000, state: "complete" });
  expect(row("VPN")).toMatchObject({ wanBytes: 2_000, boundBytes: 2_000, alarm: false });
  const [first] = devices;
  if (first !== undefined) report(first, { wanInBytes: 1_200, state: "complete" });

  expect(row("VPN")?.alarm).toBe(true);
});

test("D3, PF4: devices that a profile has set apart have room for a copy each", () => {
  const [mate, apart] = [world.join("10.1.0.6"), world.join("10.1.0.7")];
  const storage = { storageId: "s", kind: "directory", location: "/srv", details: {} } as const;
  world.command({ kind: "set-file-storage", storage });
  world.command({ kind: "create-profile", name: "Kiosk", values: { mode: "disabled" } });
  report(mate, { wanInBytes: 1_000, state: "complete" });
  report(apart, { originInBytes: 1_000, state: "complete" });
  expect(row("North")).toMatchObject({ boundBytes: 1_000, alarm: true });

  const devices = [apart.deviceId];
  world.command({ kind: "publish-profile", name: "Kiosk", add: { devices } });
  expect(row("North")).toMatchObject({ boundBytes: 2_000, alarm: false });

  world.command({ kind: "publish-profile", name: "Kiosk", add: { offices: ["North"] } });
  expect(row("North")).toMatchObject({ boundBytes: 2_000, alarm: false });
});

test("D3: saved is what each holder at and below a link would have carried over it besides", () => {
  const mates = [world.join("10.1.0.6"), world.join("10.1.0.7")];
  report(north, { wanInBytes: 1_000, state: "complete" });
  for (const mate of mates) report(mate, { lanInBytes: 1_000, state: "complete" });
  report(depot, { wanInBytes: 1_000, state: "complete" });
  report(central, { state: "complete" });

  expect(row("North")).toMatchObject({ holders: 4, savedBytes: 3_000 });
  expect(row("Depot")).toMatchObject({ holders: 1, savedBytes: 0 });
  expect(row("Central")).toMatchObject({ wanBytes: 0, savedBytes: 0 });
});

test("D3: the publisher has fetched nothing, and so saved nothing", () => {
  const other = "c2".repeat(32) as ContentId;
  world.publish(north, other);
  world.say(north, progress(other, { state: "complete" }));

  const [entry] = world.coordinator.ledger(other);
  expect(entry).toMatchObject({ office: "North", holders: 0, savedBytes: 0, wanBytes: 0 });
});

test("D3: the ledger outlives the server, and goes on where it was", () => {
  report(north, { wanInBytes: 600, farInBytes: [{ office: "Central", bytes: 1 }] });
  world.runUntil(world.nowUs + 1_000_000);
  const after = new World({ ...world.state, epoch: 8 });
  const association = after.connect(north.deviceId as DeviceId, "10.1.0.5");
  after.say({ ...north, association }, progress(CONTENT, { wanInBytes: 700 }));

  const found = after.coordinator.ledger(CONTENT).find(({ office }) => office === "North");
  expect(found).toMatchObject({ wanBytes: 700, devices: 1 });
});

function report(device: Member, said: Partial<Progress>): void {
  world.say(device, progress(CONTENT, said));
}

function row(office: string) {
  return world.coordinator.ledger().find((one) => one.office === office);
}
