import { beforeEach, expect, test } from "vitest";
import type { OfficeSpec } from "../topology/office.ts";
import { emptyState, type TopologyChangeRow } from "./state.ts";
import { OFFICES, World } from "./test-world.ts";
import type { TopologyChange } from "./topology-changes.ts";

const [CENTRAL, NORTH] = OFFICES;

let world: World;
beforeEach(() => {
  world = new World(emptyState(7));
  replace(OFFICES);
});

test("a dry run says what comes, goes, changes and moves, and changes nothing", () => {
  const { deviceId } = world.join("10.2.0.5", { hosts: ["10.2.0.5"], hostName: "pc-south" });
  const before = world.coordinator.offices();
  const wide = { ...NORTH, subnets: [...NORTH.subnets, "10.2.0.0/24"], wanKbitS: 2_000 };
  const lab = { name: "Lab", parent: "North", type: "wifi", subnets: ["10.9.0.0/24"] };

  const { difference, moves } = replace([CENTRAL, wide, lab], { dryRun: true });

  expect(difference).toEqual({
    added: ["Lab"],
    removed: ["South"],
    changed: [
      {
        office: "North",
        fields: [
          { field: "subnets", before: "10.1.0.0/16", after: "10.1.0.0/16; 10.2.0.0/24" },
          { field: "wanKbitS", before: "", after: "2000" },
        ],
      },
    ],
  });
  expect(moves).toEqual([{ deviceId, hostName: "pc-south", from: "South", to: "North" }]);
  expect(world.coordinator.offices()).toEqual(before);
  expect(world.officeOf(deviceId)).toBe("South");
  expect(history()).toHaveLength(1);
});

test("what a dry run says is what the change then does", () => {
  const devices = ["10.1.0.5", "10.2.0.5", "192.0.2.1"].map((host) => world.join(host));
  const offices = [CENTRAL, { ...NORTH, subnets: ["10.2.0.0/16", "192.0.2.0/24"] }];
  const tried = replace(offices, { dryRun: true });

  const done = replace(offices);

  expect(done).toEqual(tried);
  for (const { deviceId } of devices) {
    const move = tried.moves.find((one) => one.deviceId === deviceId);
    if (move !== undefined) expect(world.officeOf(deviceId)).toBe(move.to);
  }
  expect(tried.moves).toHaveLength(3);
});

test("each change keeps who made it and all that was before; a change of nothing leaves none", () => {
  const before = world.coordinator.offices();
  const central = { ...CENTRAL, metered: true, wanKbitS: 5, description: "Here" };
  replace([central]);
  replace([central]);
  replace(before, { action: "undo" });

  expect(history().map(({ action, summary }) => ({ action, ...summary }))).toEqual([
    { action: "import", added: 3, removed: 0, changed: 0, moved: 0 },
    { action: "import", added: 0, removed: 2, changed: 1, moved: 0 },
    { action: "undo", added: 2, removed: 0, changed: 1, moved: 0 },
  ]);
  expect(history()[0]?.before).toEqual({ generated: true, offices: [] });
  expect(history()[1]?.before).toEqual({ generated: false, offices: before });
  expect(history()[2]?.before.offices).toEqual([central]);
  expect(world.coordinator.offices()).toEqual(before);
});

test("thousands of subnets become offices of their own, each below the Central Office", () => {
  const hosts = Array.from({ length: 300 }, (_, index) => `10.${index >> 8}.${index & 255}.7`);
  const devices = hosts.map((host) => world.join(host, { hosts: [host] }));

  const { moves } = replace([]);

  const offices = world.coordinator.offices();
  expect(offices.filter(({ parent }) => parent === undefined)).toHaveLength(1);
  expect(offices).toHaveLength(300);
  expect(new Set(devices.map(({ deviceId }) => world.officeOf(deviceId))).size).toBe(300);
  expect(moves).toHaveLength(300);
});

function replace(
  offices: readonly OfficeSpec[],
  how: { readonly dryRun?: true; readonly action?: "undo" } = {},
): TopologyChange {
  const answer = world.command({ kind: "replace-offices", offices, ...how });
  if (answer.kind !== "offices-replaced") throw new Error(JSON.stringify(answer));
  const { findings, difference, moves } = answer;
  return { findings, difference, moves };
}

function history(): readonly TopologyChangeRow[] {
  return world.changes.flatMap((change) =>
    change.kind === "topology-change-add" ? [change.row] : [],
  );
}
