import { beforeEach, expect, test } from "vitest";
import type { DeviceId } from "../base/ids.ts";
import { ACCUSATION_MS, ACCUSED_MAX } from "./accusations.ts";
import { emptyState } from "./state.ts";
import { CONTENT, type Member, OFFICES, WALL_MS, World } from "./test-world.ts";

let world: World;
let liar: Member;
let reporters: readonly Member[];
beforeEach(() => {
  world = new World(emptyState(7));
  world.command({ kind: "replace-offices", offices: OFFICES });
  liar = world.join("10.1.0.5");
  reporters = [1, 2, 3, 4].map((index) => world.join(`10.1.1.${index}`));
  world.publish(liar);
});

test("B20: three devices that accuse one have it shunned by everyone, and a pardon lifts it", () => {
  for (const reporter of reporters.slice(0, 3)) accuse(reporter, liar.deviceId);

  for (const { association } of reporters) {
    expect(world.policies(association).at(-1)?.shunned).toEqual([liar.deviceId]);
  }
  expect(shunned()).toEqual([liar.deviceId]);
  expect(world.notes.slice(0, 3)).toMatchObject(
    reporters.slice(0, 3).map(({ deviceId }) => ({
      event: "device-accused",
      fields: { reporter: deviceId, accused: liar.deviceId },
    })),
  );
  expect(world.notes.at(-1)).toMatchObject({ event: "device-shunned", level: "warn" });
  expect(shunned(new World(world.state))).toEqual([liar.deviceId]);

  expect(world.command({ kind: "pardon", deviceId: liar.deviceId })).toEqual({ kind: "pardoned" });

  expect(shunned()).toEqual([]);
  expect(world.policies(liar.association).at(-1)?.shunned).toEqual([]);
  expect(shunned(new World(world.state))).toEqual([]);
  for (const reporter of reporters.slice(0, 2)) accuse(reporter, liar.deviceId);
  expect(shunned()).toEqual([]);
});

test("B20: two reporters are not enough, however often they say it", () => {
  for (let minute = 0; minute < 10; minute += 1) {
    for (const reporter of reporters.slice(0, 2)) accuse(reporter, liar.deviceId);
    wait(61_000);
  }

  expect(shunned()).toEqual([]);
  expect(world.coordinator.accusations(liar.deviceId).length).toBe(2);
});

test("B20: accusations count for a day", () => {
  const [first, second, third] = reporters;
  for (const reporter of [first, second]) if (reporter) accuse(reporter, liar.deviceId);
  wait(ACCUSATION_MS);
  if (third) accuse(third, liar.deviceId);
  expect(shunned()).toEqual([]);

  for (const reporter of [first, second]) if (reporter) accuse(reporter, liar.deviceId);

  expect(shunned()).toEqual([liar.deviceId]);
});

test("B20: who accuses everybody is not believed, and who is shunned is not heard", () => {
  const [spiteful, second, third, fourth] = reporters;
  const others = Array.from({ length: ACCUSED_MAX }, (_, index) => world.join(`10.2.0.${index}`));
  if (!spiteful || !second || !third || !fourth) expect.fail();
  for (const { deviceId } of [liar, ...others]) accuse(spiteful, deviceId);
  accuse(second, liar.deviceId);
  accuse(third, liar.deviceId);
  expect(shunned()).toEqual([]);
  accuse(fourth, liar.deviceId);
  expect(shunned()).toEqual([liar.deviceId]);

  accuse(liar, second.deviceId);

  expect(world.coordinator.accusations(second.deviceId)).toEqual([]);
  // And however many it accuses, no more is kept than shows that it accuses too many.
  for (let index = 0; index < 50; index += 1) {
    accuse(spiteful, world.join(`10.2.1.${index}`).deviceId);
  }
  const said = world.state.accusations.filter(({ reporter }) => reporter === spiteful.deviceId);
  expect(said.length).toBe(ACCUSED_MAX + 1);
});

test("accusations of oneself, of nobody and about no content are void", () => {
  const [reporter] = reporters;
  if (!reporter) expect.fail();
  accuse(reporter, reporter.deviceId);
  accuse(reporter, "ab".repeat(16) as DeviceId);
  const contentId = "dd".repeat(32) as typeof CONTENT;
  const said = { kind: "accusation", deviceId: liar.deviceId, contentId } as const;
  world.say(reporter, { ...said, offence: "mismatch" });

  expect(world.state.accusations).toEqual([]);
  expect(world.notes).toEqual([]);
});

function accuse(reporter: Member, deviceId: DeviceId): void {
  world.say(reporter, { kind: "accusation", deviceId, contentId: CONTENT, offence: "mismatch" });
}

let wallMs = WALL_MS;
function wait(ms: number): void {
  wallMs += ms;
  world.input({ kind: "wall-clock", wallMs });
}

function shunned(at = world): readonly DeviceId[] {
  const devices = at.coordinator.devices().filter(({ shunnedAtMs }) => shunnedAtMs !== undefined);
  return devices.map(({ deviceId }) => deviceId);
}
