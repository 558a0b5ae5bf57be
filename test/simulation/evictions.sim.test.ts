import { expect, test } from "vitest";
import { Organisation } from "../../src/sim/organisation.ts";
import { allHave, CLEAN_LINE, everyone, SMALL, sum } from "./fixtures/organisation.ts";

const OFFICES = [
  { name: "Central", devices: 2 },
  { name: "Branch", devices: 3, line: CLEAN_LINE },
] as const;

test("what was handed over and then let go of stays complete and is not fetched again", () => {
  const organisation = settled(1);
  const simPackage = organisation.deploy(SMALL);
  const { contentId } = simPackage;
  organisation.runUntil(() => allHave(everyone(organisation), simPackage), 60);
  const [device] = organisation.office("Branch");
  if (device === undefined) throw new Error("the branch has devices");

  device.evict(contentId);
  organisation.runUntil(() => false, 5);
  device.stop();
  device.start();
  organisation.runUntil(() => false, 30);

  const [content] = device.status()?.contents ?? [];
  expect(content).toMatchObject({ state: "complete", delivered: true, piecesHeld: 0, problem: "" });
  expect(sum([device], "lanInBytes") + sum([device], "wanInBytes")).toBe(0);
});

test("what a device has let go of is fetched from others without a complaint about it", () => {
  const organisation = settled(2);
  const late = organisation.office("Branch")[2];
  late?.stop();
  const simPackage = organisation.deploy(SMALL);
  const there = everyone(organisation).filter((device) => device !== late);
  organisation.runUntil(() => allHave(there, simPackage), 60);

  organisation.office("Branch")[0]?.evict(simPackage.contentId);
  late?.start();
  const done = organisation.runUntil(
    () => late?.store.isFinished(simPackage.contentId) === true,
    60,
  );

  expect(done).toBe(true);
  expect(
    everyone(organisation).flatMap(({ events }) => events.map(({ kind }) => kind)),
  ).not.toContain("source-shunned");
});

test("a content that is let go of while it is fetched says so and is fetched anew", () => {
  const organisation = settled(3);
  const simPackage = organisation.deploy(SMALL);
  const { contentId } = simPackage;
  const [device] = organisation.office("Branch");
  const content = () => device?.status()?.contents[0];
  organisation.runUntil(() => (content()?.piecesHeld ?? 0) > 5, 60);

  device?.evict(contentId);
  organisation.runUntil(() => content()?.state === "failed", 5);
  const problem = content()?.problem;
  const done = organisation.runUntil(() => allHave(everyone(organisation), simPackage), 90);

  expect(problem).toContain("The cache let go of it");
  expect(done).toBe(true);
});

test("the cache is told to keep what is on its way, and then the office's copy", () => {
  const organisation = settled(4);
  const simPackage = organisation.deploy(SMALL);
  const { contentId } = simPackage;
  const branch = organisation.office("Branch");
  const protecting = () =>
    branch.filter(({ store }) => store.protectedIds.includes(contentId)).length;
  organisation.runUntil(() => branch.every((device) => device.status()?.contents.length === 1), 30);

  const during = protecting();
  organisation.runUntil(() => allHave(everyone(organisation), simPackage), 60);
  const kept = organisation.runUntil(() => protecting() === 1, 30);

  expect(during).toBe(3);
  expect(kept).toBe(true);
});

function settled(seed: number): Organisation {
  const organisation = new Organisation(seed, OFFICES);
  organisation.settle();
  return organisation;
}
