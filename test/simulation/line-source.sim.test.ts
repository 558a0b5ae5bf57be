import { expect, test } from "vitest";
import { KIB } from "../../src/base/units.ts";
import { Organisation } from "../../src/sim/organisation.ts";
import { SLOW_LINE } from "./fixtures/slow-line.ts";

test("one device of the parent office sends over the line, and the next one once it dies (SW11)", () => {
  const organisation = new Organisation(3, [
    { name: "Central", devices: 3 },
    { name: "Branch", devices: 2, line: SLOW_LINE },
  ]);
  organisation.settle();
  const simPackage = organisation.deploy({ pieces: 160, pieceBytes: 32 * KIB });
  const [central, branch] = [organisation.office("Central"), organisation.office("Branch")];
  const sentBytes = (): readonly number[] =>
    central.map((device) => device.status()?.contents[0]?.wanOutBytes ?? 0);
  const broughtBytes = (): number =>
    Math.max(...branch.map((device) => device.status()?.contents[0]?.wanInBytes ?? 0));

  organisation.runUntil(() => broughtBytes() > 0.5 * simPackage.sizeBytes, 30);
  const senders = central.filter((_, index) => (sentBytes()[index] ?? 0) > 0);
  expect(senders).toHaveLength(1);
  expect(central.every(({ store }) => store.isFinished(simPackage.contentId))).toBe(true);

  const [sender] = senders;
  sender?.stop();
  const before = broughtBytes();
  const goesOn = organisation.runUntil(() => broughtBytes() > before + 64 * KIB, 5);
  const done = organisation.runUntil(
    () => branch.every(({ store }) => store.isFinished(simPackage.contentId)),
    15,
  );

  expect(goesOn).toBe(true);
  expect(done).toBe(true);
  const bytes = branch.map((device) => device.status()?.contents[0]?.wanInBytes ?? 0);
  expect(bytes.reduce((sum, each) => sum + each, 0)).toBeLessThan(1.03 * simPackage.sizeBytes);
});
