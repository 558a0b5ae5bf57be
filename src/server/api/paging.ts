import { RequestRefused } from "../../runtime/http/problem.ts";

/** What a list is made of, and by what it can be sorted. */
export type Listing<T, Sort extends string> = {
  readonly entries: Iterable<T>;
  readonly matches: (entry: T) => boolean;
  /** What is compared, by the word of the query; texts by their code units. */
  readonly sorts: Readonly<Record<Sort, (entry: T) => string | number>>;
  /** Names an entry among all; of entries that are alike the lesser id comes first. */
  readonly id: (entry: T) => string;
  /** The order where nobody says any. */
  readonly order: NoInfer<Sort | `-${Sort}`>;
};

/** What a query says of a page. */
export type PageQuery = {
  readonly sort?: string;
  readonly limit?: number;
  readonly cursor?: string;
};

/** One page of a list. */
export type SelectedPage<T> = {
  readonly entries: readonly T[];
  /** Where the next page begins; absent where there is none. */
  readonly next?: string;
  readonly total: number;
};

/** Entries of a page where the query does not say how many. */
const ENTRIES_DEFAULT = 100;

/**
 * Picks a page of a list that lies in memory in any order.
 *
 * It goes through the list once and keeps as many entries as the page has, so that a page of a
 * hundred thousand costs no sorting of all of them. A cursor names the last entry of a page by what
 * it is sorted by: entries that come and go meanwhile neither repeat others nor hide them.
 *
 * @throws RequestRefused `cursor-malformed`.
 */
export function selectPage<T, Sort extends string>(
  listing: Listing<T, Sort>,
  query: PageQuery,
): SelectedPage<T> {
  const order = query.sort ?? listing.order;
  const descending = order.startsWith("-");
  const keyOf = listing.sorts[(descending ? order.slice(1) : order) as Sort];
  const limit = query.limit ?? ENTRIES_DEFAULT;
  const after = query.cursor === undefined ? undefined : readCursor(query.cursor, order);
  const sign = descending ? -1 : 1;
  const kept = new Least<T>(limit + 1, sign);
  let total = 0;
  for (const entry of listing.entries) {
    if (!listing.matches(entry)) continue;
    total += 1;
    const key = keyOf(entry);
    const id = listing.id(entry);
    if (after !== undefined && compare(key, id, after) * sign <= 0) continue;
    // Most entries are beyond the page: for these nothing is made.
    if (kept.takes(key, id)) kept.add({ key, id, entry });
  }
  const found = kept.sorted();
  const page = found.slice(0, limit);
  const last = page.at(-1);
  return {
    entries: page.map(({ entry }) => entry),
    ...(found.length > limit && last !== undefined ? { next: writeCursor(order, last) } : {}),
    total,
  };
}

/** Looks for a text in others, whatever the case; `undefined` is in every text. */
export function finder(part: string | undefined): (text: string) => boolean {
  if (part === undefined) return () => true;
  // Nothing of it has a meaning: as an expression it is faster than two texts in lower case.
  const expression = new RegExp(part.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"), "iu");
  return (text) => expression.test(text);
}

type Place = { readonly key: string | number; readonly id: string };

type Placed<T> = Place & { readonly entry: T };

function compare(key: string | number, id: string, other: Place): number {
  if (key !== other.key) return key < other.key ? -1 : 1;
  if (id === other.id) return 0;
  return id < other.id ? -1 : 1;
}

/** Keeps the first so many of all that it is shown, and some more until it next sorts them out. */
class Least<T> {
  readonly #size: number;
  readonly #sign: number;
  #kept: Placed<T>[] = [];
  /** The last of the first so many, of those that have been sorted out. */
  #bound: Place | undefined;

  constructor(size: number, sign: number) {
    this.#size = size;
    this.#sign = sign;
  }

  /** Whether an entry of this place may be among the first. */
  takes(key: string | number, id: string): boolean {
    return this.#bound === undefined || compare(key, id, this.#bound) * this.#sign < 0;
  }

  add(placed: Placed<T>): void {
    this.#kept.push(placed);
    if (this.#kept.length < SORTED_OUT * this.#size) return;
    this.#kept = [...this.sorted()];
    this.#bound = this.#kept.at(-1);
  }

  sorted(): readonly Placed<T>[] {
    return this.#kept.sort((a, b) => compare(a.key, a.id, b) * this.#sign).slice(0, this.#size);
  }
}

/** How many times what is wanted is kept before it is sorted out. */
const SORTED_OUT = 4;

function writeCursor(order: string, { key, id }: Place): string {
  return Buffer.from(JSON.stringify([order, key, id])).toString("base64url");
}

function readCursor(cursor: string, order: string): Place {
  const parsed = parseCursor(cursor);
  if (parsed?.order === order) return parsed.place;
  const detail =
    "The cursor is not one of this list in this order: take the next of the page before, and leave " +
    "sort as it was.";
  throw new RequestRefused(400, "cursor-malformed", detail);
}

function parseCursor(
  cursor: string,
): { readonly order: string; readonly place: Place } | undefined {
  let read: unknown;
  try {
    read = JSON.parse(Buffer.from(cursor, "base64url").toString("utf8"));
  } catch {
    return undefined;
  }
  if (!Array.isArray(read) || read.length !== 3) return undefined;
  const [order, key, id]: unknown[] = read;
  const isKey = typeof key === "string" || typeof key === "number";
  if (typeof order !== "string" || !isKey || typeof id !== "string") return undefined;
  return { order, place: { key, id } };
}
