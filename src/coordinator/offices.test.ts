import { beforeEach, expect, test } from "vitest";
import { emptyState } from "./state.ts";
import { OFFICES, World } from "./test-world.ts";

let world: World;
beforeEach(() => {
  world = new World(emptyState(7));
});

test("a device belongs to the office of the address that the server sees", () => {
  world.command({ kind: "replace-offices", offices: OFFICES });
  world.join("10.1.0.5", { hosts: ["10.2.0.5", "not an address"] });
  world.join("172.16.0.1", { hosts: ["10.2.0.6"] });
  world.join("172.16.0.2", { hosts: ["172.16.0.2"] });

  expect(world.coordinator.devices().map(({ office }) => office)).toEqual([
    "North",
    "South",
    "(none)",
  ]);
  expect(world.coordinator.devices()[0]?.hosts).toEqual(["10.2.0.5"]);
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
