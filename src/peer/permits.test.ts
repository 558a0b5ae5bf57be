import { expect, test } from "vitest";
import type { ContentId } from "../base/ids.ts";
import { SECOND } from "../base/units.ts";
import { type DeploymentEntry, PRIORITY_STEP } from "../wire/messages.ts";
import { classOf, nextChangeMs, permitsOf } from "./permits.ts";
import { ServerClock } from "./server-clock.ts";

const CONTENT = "c1".repeat(32) as ContentId;
const OPEN = [
  { fromMs: 1_000, toMs: 2_000 },
  { fromMs: 3_000, toMs: 4_000 },
];

test.each([
  ["before its time", 999, "closed"],
  ["from its beginning", 1_000, "none"],
  ["at its end", 2_000, "closed"],
  ["between two windows", 2_500, "closed"],
  ["in the second one", 3_999, "none"],
  ["after all that is known", 4_000, "closed"],
  ["while the time is not known", undefined, "closed"],
] as const)("%s a content is as its windows say", (_, atMs, hold) => {
  expect(permitsOf([entry({ open: OPEN })], atMs).get(CONTENT)?.hold).toBe(hold);
});

test("without windows a content may be fetched whatever the time is", () => {
  expect(permitsOf([entry()], undefined).get(CONTENT)?.hold).toBe("none");
});

test("what is paused is so within its windows too", () => {
  const permit = permitsOf([entry({ open: OPEN, paused: true })], 1_500).get(CONTENT);

  expect(permit?.hold).toBe("paused");
});

test("of several deployments one that lets a content be fetched counts, and of these the most urgent", () => {
  const paused = entry({ paused: true, priority: 1 });
  const later = entry({ priority: 7, attempt: 3 });
  const urgent = entry({ priority: 5, runAction: true });

  const permit = permitsOf([paused, later, urgent], 0).get(CONTENT);

  expect(permit).toEqual({ hold: "none", priority: 5, attempt: 3, runAction: true });
  expect(permitsOf([paused], 0).get(CONTENT)).toMatchObject({ hold: "paused", priority: 1 });
});

test("what changes next is the nearest edge of any window", () => {
  const entries = [entry(), entry({ open: OPEN })];

  expect([0, 1_000, 3_500, 4_000].map((atMs) => nextChangeMs(entries, atMs))).toEqual([
    1_000,
    2_000,
    4_000,
    Number.POSITIVE_INFINITY,
  ]);
});

test("a place among equals is no other class", () => {
  expect([0, PRIORITY_STEP - 1, PRIORITY_STEP].map(classOf)).toEqual([0, 0, 1]);
});

test("the server's word counts for the time, whatever the own clock shows meanwhile", () => {
  const clock = new ServerClock();
  clock.onOwn(0, 5_000_000, false);
  expect(clock.atMs(SECOND)).toBe(5_001_000);

  clock.onServer(2 * SECOND, 1_000_000);
  clock.onOwn(3 * SECOND, 9_999_999, true);

  expect(clock.atMs(4 * SECOND)).toBe(1_002_000);
});

test("once the server is away the own clock goes on, less what it was wrong by", () => {
  const clock = new ServerClock();
  clock.onServer(0, 1_000_000);
  clock.onOwn(0, 4_600_000, true);

  // The machine slept for an hour in which its counting clock stood still.
  clock.onOwn(SECOND, 4_600_000 + 3_600_000, false);

  expect(clock.atMs(SECOND)).toBe(1_000_000 + 3_600_000);
});

test("a device that nobody has told the time knows none", () => {
  expect(new ServerClock().atMs(SECOND)).toBeUndefined();
});

function entry(said: Partial<DeploymentEntry> = {}): DeploymentEntry {
  return { deploymentId: "d", contentId: CONTENT, priority: 3, ...said };
}
