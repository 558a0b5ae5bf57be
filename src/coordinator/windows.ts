import { INTERVALS_MAX, type Interval } from "../wire/messages.ts";

/** By how much the clocks of a time zone are ahead of UTC at a moment; `undefined`: no such zone. */
export type ZoneOffset = (zone: string, atMs: number) => number | undefined;

/** The zone of offices of which none is known. */
export const DEFAULT_ZONE = "UTC";

/** Most weekly windows of one deployment: a week of them fits into what devices are told. */
export const WINDOWS_MAX = 8;

/** Devices are told the windows of so many weeks, the present one among them. */
export const WEEKS_TOLD = 5;

export const WEEK_MS: number = 7 * 86_400_000;

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

/** A stretch of time on some days of each week, by the clock on the wall of an office. */
export type Window = {
  /** The days on which it begins: 0 is Monday. */
  readonly days: ReadonlySet<number>;
  /** Minutes after midnight. */
  readonly fromMin: number;
  /** The same, above 24 hours where it ends on the next day. */
  readonly toMin: number;
};

/**
 * Reads a weekly window such as `Mon-Fri 18:00-06:00`, `Sat,Sun 00:00-24:00` or `daily 22:00-04:00`.
 * One that ends before it begins, or at the same time, ends on the next day.
 */
export function parseWindow(text: string): Window | undefined {
  const parts = /^\s*(\S+)\s+(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})\s*$/.exec(text);
  if (parts === null) return undefined;
  const [, dayText = "", ...clock] = parts;
  const [fromH = 0, fromM = 0, toH = 0, toM = 0] = clock.map(Number);
  const days = parseDays(dayText.toLowerCase());
  const fromMin = 60 * fromH + fromM;
  const toMin = 60 * toH + toM;
  if (days === undefined || fromM > 59 || toM > 59 || fromMin >= 1_440 || toMin > 1_440) {
    return undefined;
  }
  return { days, fromMin, toMin: toMin <= fromMin ? toMin + 1_440 : toMin };
}

/**
 * When weekly windows are open between two moments, in order and without touching each other.
 *
 * A moment lies in a window if the clock on the wall then shows a time in it. Where clocks are set
 * forward over its edge, the edge is when they are; where an hour comes twice, the first time counts
 * for the beginning of a window and the second for its end.
 */
export function intervalsOf(
  windows: readonly Window[],
  offsetMs: (atMs: number) => number,
  { fromMs, toMs }: Interval,
): readonly Interval[] {
  const found: Interval[] = [];
  const firstDay = Math.floor((fromMs + offsetMs(fromMs)) / DAY_MS) - 2;
  const lastDay = Math.floor((toMs + offsetMs(toMs)) / DAY_MS) + 1;
  for (let day = firstDay; day <= lastDay; day += 1) {
    // 1 January 1970 was a Thursday.
    const weekday = (((day + 3) % 7) + 7) % 7;
    for (const { days, fromMin, toMin } of windows) {
      if (!days.has(weekday)) continue;
      const from = momentsOf(day * DAY_MS + fromMin * MINUTE_MS, offsetMs).first;
      const to = momentsOf(day * DAY_MS + toMin * MINUTE_MS, offsetMs).last;
      found.push({ fromMs: Math.max(from, fromMs), toMs: Math.min(to, toMs) });
    }
  }
  return joined(found);
}

/** When a deployment may be fetched, as devices are told it; `undefined`: at any time. */
export function openingsOf(
  when: {
    readonly windows: readonly Window[];
    readonly notBeforeMs?: number;
    readonly notAfterMs?: number;
  },
  offsetMs: (atMs: number) => number,
  wallMs: number,
): readonly Interval[] | undefined {
  const { windows, notBeforeMs = 0, notAfterMs = Number.MAX_SAFE_INTEGER } = when;
  const whole = { fromMs: notBeforeMs, toMs: notAfterMs };
  if (windows.length > 0) {
    const weekMs = weekOf(wallMs) * WEEK_MS;
    const fromMs = Math.max(whole.fromMs, weekMs);
    const toMs = Math.min(whole.toMs, weekMs + WEEKS_TOLD * WEEK_MS);
    if (fromMs >= toMs) return [];
    return intervalsOf(windows, offsetMs, { fromMs, toMs }).slice(0, INTERVALS_MAX);
  }
  return notBeforeMs === 0 && notAfterMs === Number.MAX_SAFE_INTEGER ? undefined : [whole];
}

/** Weeks are counted from 1970: with each new one devices are told one more. */
export function weekOf(wallMs: number): number {
  return Math.floor(wallMs / WEEK_MS);
}

/** What a local time is in UTC: two moments where clocks were set back, else one. */
function momentsOf(
  localMs: number,
  offsetMs: (atMs: number) => number,
): { readonly first: number; readonly last: number } {
  const moments = [localMs - DAY_MS, localMs + DAY_MS]
    .map((near) => localMs - offsetMs(near))
    .filter((atMs) => atMs + offsetMs(atMs) === localMs);
  if (moments.length > 0) return { first: Math.min(...moments), last: Math.max(...moments) };
  // The clocks skip it: the moment at which they do.
  let [beforeMs, afterMs] = [localMs - DAY_MS, localMs + DAY_MS];
  const offsetBefore = offsetMs(beforeMs);
  while (afterMs - beforeMs > 1) {
    const middleMs = Math.floor((beforeMs + afterMs) / 2);
    if (offsetMs(middleMs) === offsetBefore) beforeMs = middleMs;
    else afterMs = middleMs;
  }
  return { first: afterMs, last: afterMs };
}

function joined(intervals: readonly Interval[]): readonly Interval[] {
  const inOrder = intervals.filter(({ fromMs, toMs }) => fromMs < toMs);
  inOrder.sort((a, b) => a.fromMs - b.fromMs);
  const whole: Interval[] = [];
  for (const interval of inOrder) {
    const last = whole.at(-1);
    if (last === undefined || interval.fromMs > last.toMs) whole.push(interval);
    else whole[whole.length - 1] = { ...last, toMs: Math.max(last.toMs, interval.toMs) };
  }
  return whole;
}

const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

function parseDays(text: string): ReadonlySet<number> | undefined {
  if (text === "daily") return new Set(DAYS.keys());
  const days = new Set<number>();
  for (const part of text.split(",")) {
    const ends = part.split("-").map((word) => DAYS.indexOf(word));
    const [from = -1, to = from] = ends;
    if (ends.length > 2 || from < 0 || to < 0) return undefined;
    for (let day = from; ; day = (day + 1) % 7) {
      days.add(day);
      if (day === to) break;
    }
  }
  return days;
}
