import { csvOf, escapeFormula } from "../../base/csv.ts";
import { type ListShape, propertiesOf } from "../../base/list-shape.ts";
import type { HttpRoute } from "./route.ts";

// Every operation that answers a list of things answers it as CSV too: one column for each property,
// page by page, so that a list of any length takes the memory of a page.

/** Entries that are asked for at once. */
const PAGE_ENTRIES = 1_000;

/** Whether an `Accept` header wants CSV, and would not rather have JSON. */
export function wantsCsv(accept: string | undefined): boolean {
  const kinds = (accept ?? "")
    .split(",")
    .map((kind) => kind.split(";", 1)[0]?.trim().toLowerCase());
  const [csv, json] = [kinds.indexOf("text/csv"), kinds.indexOf("application/json")];
  return csv >= 0 && (json < 0 || csv < json);
}

/**
 * Writes a whole list as CSV, with a heading. Where `query` says how many entries it is to have, or
 * from where on, it is that page alone.
 *
 * @param ask - Answers one page; the first one is asked for before anything is given.
 */
export async function csvOfList(
  route: HttpRoute,
  { name, columns }: ListShape,
  query: ListQuery,
  ask: (query: ListQuery) => Promise<unknown>,
): Promise<AsyncIterable<string>> {
  const known = propertiesOf(route.query);
  const whole = query.limit === undefined && query.cursor === undefined;
  const limit = whole && "limit" in known ? { limit: PAGE_ENTRIES } : {};
  const first = (await ask({ ...query, ...limit })) as Page;
  const goOn = (page: Page): ListQuery | undefined => {
    if (!whole) return undefined;
    if (page.next !== undefined) return { cursor: page.next };
    const last = entriesOf(page, name).at(-1);
    // What operators did goes on behind a row, not from a cursor.
    const more = "after" in known && entriesOf(page, name).length === PAGE_ENTRIES;
    return more ? { after: last?.id } : undefined;
  };
  return (async function* () {
    yield csvOf([columns]);
    let page = first;
    for (;;) {
      const rows = entriesOf(page, name).map((entry) =>
        columns.map((column) => cell(entry[column])),
      );
      if (rows.length > 0) yield csvOf(rows);
      const more = goOn(page);
      if (more === undefined) return;
      page = (await ask({ ...query, ...limit, ...more })) as Page;
    }
  })();
}

type ListQuery = {
  readonly limit?: unknown;
  readonly cursor?: unknown;
  readonly after?: unknown;
};

type Entry = Readonly<Record<string, unknown>> & { readonly id?: unknown };

type Page = { readonly next?: string };

function entriesOf(page: Page, name: string): readonly Entry[] {
  return (page as Readonly<Record<string, readonly Entry[]>>)[name] ?? [];
}

/** A value as a cell: nothing of it is calculated by a spreadsheet. */
function cell(value: unknown): string {
  if (value === undefined || value === null) return "";
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (typeof value === "string") return escapeFormula(value);
  const isPlain = Array.isArray(value) && value.every((one) => typeof one === "string");
  return escapeFormula(isPlain ? value.join("; ") : JSON.stringify(value));
}
