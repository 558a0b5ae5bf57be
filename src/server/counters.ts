import { type Counters, NO_BYTES } from "../coordinator/state.ts";

// There is a row of counters for each device and content, by far the most of all rows: without the
// names of the fields it takes a third less room.

/** Counters as they lie in the database: a list, in an order that never changes. */
export function countersJson(counters: Counters): string {
  const values = FIELDS.map((field) => counters[field]);
  // Zeros at the end go without saying.
  return JSON.stringify(values.slice(0, 1 + values.findLastIndex((value) => value !== 0)));
}

/** Reads what `countersJson` wrote, and what earlier versions wrote, with names and fewer fields. */
export function parseCounters(json: string): Counters {
  const read = JSON.parse(json) as readonly number[] | Partial<Counters>;
  if (!isList(read)) return { ...NO_BYTES, ...read };
  return { ...NO_BYTES, ...Object.fromEntries(FIELDS.map((field, at) => [field, read[at] ?? 0])) };
}

const FIELDS: readonly (keyof Counters)[] = [
  "wanInBytes",
  "lanInBytes",
  "wanOutBytes",
  "lanOutBytes",
  "originInBytes",
  "cacheInBytes",
  "hostedInBytes",
];

function isList(read: readonly number[] | Partial<Counters>): read is readonly number[] {
  return Array.isArray(read);
}
