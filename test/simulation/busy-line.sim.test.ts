import { expect, test } from "vitest";
import { KIB, SECOND } from "../../src/base/units.ts";
import { Organisation } from "../../src/sim/organisation.ts";
import { SLOW_LINE } from "./fixtures/slow-line.ts";

const OFFICES = [
  { name: "Central", devices: 2 },
  { name: "Branch", devices: 3, line: SLOW_LINE },
] as const;

test("while others fill the line a transfer waits and says so, nobody is replaced, and it goes on by itself", () => {
  const organisation = new Organisation(2, OFFICES);
  organisation.settle();
  const simPackage = organisation.deploy({ pieces: 160, pieceBytes: 32 * KIB });
  const branch = organisation.office("Branch");
  const broughtBytes = (): number =>
    branch
      .flatMap((device) => device.status()?.contents ?? [])
      .reduce((bytes, { wanInBytes }) => bytes + wanInBytes, 0);
  organisation.runUntil(() => broughtBytes() >= simPackage.sizeBytes / 2, 60);
  const rvp = branch.find((device) => device.status()?.rvp);

  const traffic = fill(organisation, 40 * SECOND);
  organisation.runUntil(() => false, 10);
  const before = broughtBytes();
  organisation.runUntil(() => false, 25);

  // What is sent to see whether the line is free is little of it.
  expect(broughtBytes() - before).toBeLessThan(0.02 * SLOW_LINE.rate * 25);
  expect(branch.find((device) => device.status()?.rvp)).toBe(rvp);
  expect(rvp?.status()?.lineBusyMs).toBeGreaterThan(20_000);
  const ledger = () =>
    organisation.server.coordinator
      .ledger(simPackage.contentId)
      .find(({ office }) => office === "Branch");
  const { wallS } = organisation.world;
  expect((ledger()?.lineBusySinceMs ?? 0) / 1_000).toBeLessThan(wallS - 20);
  expect(traffic.carriedPart()).toBeGreaterThan(0.97);

  const done = organisation.runUntil(
    () => branch.every(({ store }) => store.isFinished(simPackage.contentId)),
    20,
  );
  expect(done).toBe(true);
  organisation.runUntil(() => false, 2);
  expect(branch.map((device) => device.status()?.lineBusyMs)).toEqual([0, 0, 0]);
  expect(ledger()?.lineBusySinceMs).toBeUndefined();
  expect(broughtBytes()).toBeLessThan(1.02 * simPackage.sizeBytes);
});

/** Others who send a little more than the line into the Branch takes, for so long. */
function fill(organisation: Organisation, forUs: number): { carriedPart(): number } {
  const { world } = organisation;
  const line = organisation.lineInto("Branch");
  const endUs = world.nowUs + forUs;
  let sent = 0;
  let carried = 0;
  const send = (): void => {
    if (world.nowUs >= endUs) return;
    sent += 1_472;
    if (line.carry(world.nowUs, 1_472).length > 0) carried += 1_472;
    world.plan((0.99 * 1_500 * SECOND) / SLOW_LINE.rate, send);
  };
  send();
  return { carriedPart: () => carried / sent / 0.99 };
}
