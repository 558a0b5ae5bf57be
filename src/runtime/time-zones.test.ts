import { expect, test } from "vitest";
import { intervalsOf, parseWindow } from "../coordinator/windows.ts";
import { zoneOffsetMs } from "./time-zones.ts";

const HOUR_MS = 3_600_000;

test.each([
  ["UTC", "2026-07-01T12:00:00Z", 0],
  ["Europe/Berlin", "2026-01-10T12:00:00Z", 1],
  ["Europe/Berlin", "2026-07-10T12:00:00.250Z", 2],
  ["America/St_Johns", "2026-01-10T12:00:00Z", -3.5],
  ["Pacific/Kiritimati", "2026-01-10T12:00:00Z", 14],
])("in %s at %s clocks are ahead by %d h", (zone, at, hours) => {
  expect(zoneOffsetMs(zone, Date.parse(at))).toBe(hours * HOUR_MS);
});

test.each(["Europe/Berln", "", "../../etc/passwd", "x".repeat(500)])("%j is no zone", (zone) => {
  expect(zoneOffsetMs(zone, 0)).toBeUndefined();
});

// In Berlin clocks go from 02:00 to 03:00 on 29 March 2026, and from 03:00 to 02:00 on 25 October.
test.each([
  ["Tue,Fri 18:00-06:00", "2026-03-27", ["2026-03-27T17:00Z/2026-03-28T05:00Z"]],
  ["Sat 18:00-06:00", "2026-03-28", ["2026-03-28T17:00Z/2026-03-29T04:00Z"]],
  ["Sat 18:00-06:00", "2026-10-24", ["2026-10-24T16:00Z/2026-10-25T05:00Z"]],
  ["Sun 02:30-04:00", "2026-03-29", ["2026-03-29T01:00Z/2026-03-29T02:00Z"]],
  ["Sun 01:00-02:30", "2026-03-29", ["2026-03-29T00:00Z/2026-03-29T01:00Z"]],
  ["Sun 02:30-04:00", "2026-10-25", ["2026-10-25T00:30Z/2026-10-25T03:00Z"]],
  ["Sun 01:00-02:30", "2026-10-25", ["2026-10-24T23:00Z/2026-10-25T01:30Z"]],
])("%s in Berlin from %s is open as the clock on the wall says", (text, day, wanted) => {
  const window = parseWindow(text);
  const offsetMs = (atMs: number): number => zoneOffsetMs("Europe/Berlin", atMs) ?? 0;
  const fromMs = Date.parse(`${day}T00:00Z`) - 2 * HOUR_MS;

  const open = intervalsOf(window === undefined ? [] : [window], offsetMs, {
    fromMs,
    toMs: fromMs + 40 * HOUR_MS,
  });

  const minute = (ms: number): string => new Date(ms).toISOString().replace(/:00\.000Z$/, "Z");
  expect(open.map((one) => `${minute(one.fromMs)}/${minute(one.toMs)}`)).toEqual(wanted);
});

test("whenever it is, a moment is in a window if the clock on the wall shows a time in it", () => {
  const window = parseWindow("Mon-Wed,Sat 22:15-03:45");
  const offsetMs = (atMs: number): number => zoneOffsetMs("Europe/Berlin", atMs) ?? 0;
  const fromMs = Date.parse("2026-03-20T00:00Z");
  const toMs = Date.parse("2026-04-05T00:00Z");
  const open = intervalsOf(window === undefined ? [] : [window], offsetMs, { fromMs, toMs });

  for (let atMs = fromMs; atMs < toMs; atMs += 5 * 60_000) {
    const local = new Date(atMs + offsetMs(atMs));
    const minutes = 60 * local.getUTCHours() + local.getUTCMinutes();
    const begun = (days: readonly number[], day: number): boolean => days.includes((day + 6) % 7);
    const shown =
      (minutes >= 22 * 60 + 15 && begun([0, 1, 2, 5], local.getUTCDay())) ||
      (minutes < 3 * 60 + 45 && begun([0, 1, 2, 5], local.getUTCDay() + 6));
    const isOpen = open.some((one) => one.fromMs <= atMs && atMs < one.toMs);
    expect(isOpen, local.toISOString()).toBe(shown);
  }
});
