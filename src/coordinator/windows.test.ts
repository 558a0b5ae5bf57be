import { expect, test } from "vitest";
import { INTERVALS_MAX } from "../wire/messages.ts";
import { intervalsOf, openingsOf, parseWindow, WEEK_MS, WINDOWS_MAX } from "./windows.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** A Monday, 00:00 in UTC. */
const MONDAY_MS = 4 * DAY_MS + 2_900 * WEEK_MS;

test.each([
  ["Mon-Fri 18:00-06:00", [0, 1, 2, 3, 4], 1_080, 1_800],
  ["sat,SUN 00:00-24:00", [5, 6], 0, 1_440],
  ["daily 7:30-7:30", [0, 1, 2, 3, 4, 5, 6], 450, 1_890],
  ["Fri-Mon 22:00 - 04:15", [4, 5, 6, 0], 1_320, 1_695],
])("%s is read", (text, days, fromMin, toMin) => {
  const window = parseWindow(text);

  expect([...(window?.days ?? [])].sort()).toEqual([...days].sort());
  expect(window).toMatchObject({ fromMin, toMin });
});

test.each([
  "",
  "18:00-06:00",
  "Mon",
  "Mon 18-06",
  "Mon 25:00-06:00",
  "Mon 18:60-06:00",
  "Mon 18:00-24:01",
  "Mon-Tue-Wed 18:00-06:00",
  "Mon- 18:00-06:00",
  "Montag 18:00-06:00",
])("%j is no window", (text) => {
  expect(parseWindow(text)).toBeUndefined();
});

test("windows that touch or overlap are one", () => {
  const windows = ["Mon 18:00-24:00", "Tue 00:00-03:00", "Tue 02:00-05:00"].flatMap(
    (text) => parseWindow(text) ?? [],
  );

  const open = intervalsOf(windows, () => 0, { fromMs: MONDAY_MS, toMs: MONDAY_MS + 3 * DAY_MS });

  expect(open).toEqual([{ fromMs: MONDAY_MS + 18 * HOUR_MS, toMs: MONDAY_MS + 29 * HOUR_MS }]);
});

test("windows are cut to when a deployment begins and ends", () => {
  const windows = ["daily 10:00-12:00"].flatMap((text) => parseWindow(text) ?? []);
  const notBeforeMs = MONDAY_MS + 11 * HOUR_MS;
  const notAfterMs = MONDAY_MS + DAY_MS + 11 * HOUR_MS;

  const open = openingsOf({ windows, notBeforeMs, notAfterMs }, () => 0, MONDAY_MS);

  expect(open).toEqual([
    { fromMs: notBeforeMs, toMs: MONDAY_MS + 12 * HOUR_MS },
    { fromMs: MONDAY_MS + DAY_MS + 10 * HOUR_MS, toMs: notAfterMs },
  ]);
});

test("however many windows there are, devices are told a week of them at least", () => {
  const windows = Array.from({ length: WINDOWS_MAX }, (_, index) =>
    parseWindow(`daily ${2 * index}:00-${2 * index + 1}:00`),
  ).flatMap((window) => window ?? []);

  const open = openingsOf({ windows }, () => 0, MONDAY_MS) ?? [];

  expect(open.length).toBeLessThanOrEqual(INTERVALS_MAX);
  expect((open.at(-1)?.toMs ?? 0) - (open[0]?.fromMs ?? 0)).toBeGreaterThan(7 * DAY_MS);
});
