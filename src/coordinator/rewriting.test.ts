import { beforeEach, expect, test } from "vitest";
import { SECOND } from "../base/units.ts";
import type { Progress } from "../wire/messages.ts";
import { emptyState } from "./state.ts";
import { CONTENT, type Member, OFFICES, progress, World } from "./test-world.ts";

let world: World;
let north: Member;
beforeEach(() => {
  world = new World(emptyState(7));
  world.command({ kind: "replace-offices", offices: OFFICES });
  const central = world.join("10.0.0.5");
  north = world.join("10.1.0.5");
  world.publish(central);
  report({ state: "complete", wanInBytes: 900 });
});

test("what a device says again as it was is not written again, also after its restart", () => {
  const written = rows().length;

  report({ state: "complete", wanInBytes: 900 });
  restart();
  // Its counters begin at zero again.
  report({ state: "complete", wanInBytes: 0 });

  expect(written).toBe(1);
  expect(rows().length).toBe(1);
});

test("what was not written again is right when something new comes, and after a restart of the server", () => {
  restart();
  report({ state: "complete", wanInBytes: 0 });
  const again = new World(world.state);
  north = { ...north, association: again.connect(north.deviceId, "10.1.0.5", { bootId: 99 }) };
  world = again;

  report({ state: "complete", wanInBytes: 30, lanOutBytes: 5 });

  const [row] = rows();
  expect(row?.progress).toMatchObject({ base: { wanInBytes: 900 }, current: { wanInBytes: 30 } });
  expect(world.coordinator.ledger(CONTENT).find(({ office }) => office === "North")).toMatchObject({
    wanBytes: 930,
    devices: 1,
  });
});

test("anything else that it says is written", () => {
  for (const said of [{ rvp: true }, { problem: "no room" }, { lanInBytes: 4 }, { heldBytes: 7 }]) {
    const before = rows().length;
    report({ state: "complete", wanInBytes: 900, ...said });
    expect(rows().length).toBe(before + 1);
  }
});

function restart(): void {
  north = { ...north, association: world.connect(north.deviceId, "10.1.0.5", { bootId: 99 }) };
}

function report(said: Partial<Progress>): void {
  world.say(north, progress(CONTENT, { sizeBytes: 1_000, ...said }));
  world.runUntil(world.nowUs + SECOND);
}

function rows() {
  return world.changes.filter((change) => change.kind === "progress-put");
}
