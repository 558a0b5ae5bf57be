import { expect, test } from "vitest";
import { SECOND } from "../../src/base/units.ts";
import { Organisation } from "../../src/sim/organisation.ts";
import { ANSWER_BYTES, QUESTION_BYTES } from "../../src/wire/discovery.ts";
import type { OfficeType } from "../../src/wire/messages.ts";
import { CLEAN_LINE } from "./fixtures/organisation.ts";

test("DI6, DI9: devices of an office answer each other, and nothing of it leaves their LAN", () => {
  const organisation = officesOf("default");

  organisation.settle();
  organisation.runUntil(() => false, 60);

  const said = discovery(organisation);
  expect(said.length).toBeGreaterThan(10);
  expect(said.filter(({ from, to }) => subnetOf(from) !== subnetOf(to))).toEqual([]);
  for (const { host } of organisation.office("Branch")) {
    expect(said.some(({ to, bytes }) => to === host && bytes === ANSWER_BYTES)).toBe(true);
  }
});

test.each<[OfficeType, boolean, boolean]>([
  ["default", true, true],
  ["vpn", true, false],
  ["wifi", false, true],
])("DI10: in a %s office without its server devices ask: %s", (type, asks, answersOthers) => {
  const organisation = officesOf(type);
  organisation.settle();

  organisation.stopServer();
  organisation.runUntil(() => false, 120);

  const branch = organisation.office("Branch");
  const hosts = branch.map(({ host }) => host);
  const its = discovery(organisation).filter(({ from }) => hosts.includes(from));
  expect(branch.some(({ questions }) => questions > 0)).toBe(asks);
  expect(its.some(({ bytes }) => bytes === QUESTION_BYTES)).toBe(asks);
  // In a WiFi office nobody asks, so there is nothing to answer either.
  expect(its.some(({ bytes }) => bytes === ANSWER_BYTES)).toBe(asks && answersOthers);
});

test("DI11, DI12: with its server a device falls silent, and without it asks every 30 s at most", () => {
  const organisation = officesOf("default");
  organisation.settle();
  organisation.runUntil(() => false, 60);
  const [device] = organisation.office("Branch");
  const settled = device?.questions ?? 0;

  organisation.runUntil(() => false, 300);
  const quiet = device?.questions ?? 0;
  organisation.stopServer();
  organisation.runUntil(() => false, 600);

  expect(settled).toBeGreaterThan(0);
  expect(quiet).toBe(settled);
  const asked = (device?.questions ?? 0) - quiet;
  expect(asked).toBeGreaterThanOrEqual(600 / 30 - 1);
  expect(asked).toBeLessThanOrEqual(5 + 600 / 15);
});

function officesOf(type: OfficeType): Organisation {
  const organisation = new Organisation(3, [
    { name: "Central", devices: 1 },
    { name: "Branch", devices: 3, type, line: CLEAN_LINE },
  ]);
  organisation.world.traceDatagrams = true;
  return organisation;
}

/** Every datagram of discovery that has been sent, for each of its receivers. */
function discovery({ world }: Organisation) {
  return world.trace
    .map((line) => line.split(" "))
    .filter(([, , , channel]) => channel === "discovery")
    .map(([atUs, from = "", to = "", , bytes]) => ({
      atS: Number(atUs) / SECOND,
      from,
      to,
      bytes: Number(bytes),
    }));
}

function subnetOf(host: string): string {
  return host.split(".").slice(0, 3).join(".");
}
