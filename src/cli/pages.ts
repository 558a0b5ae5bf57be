import type { ParamsOf, QueryOf, ResponseOf, Route } from "../api/route.ts";
import type { Control } from "./parts.ts";

/** Entries that are asked for at once. */
const PAGE_ENTRIES = 1_000;

/** An operation that answers a page of a list. */
type ListRoute<Name extends string> = Route & {
  readonly response: { readonly properties: { readonly [N in Name | "total"]: unknown } };
};

/** A list to fetch: its operation, how it calls its entries, and what is asked of it. */
type WantedList<Name extends string, R extends Route> = {
  readonly route: R;
  readonly name: Name;
  readonly params?: ParamsOf<R>;
  readonly query?: QueryOf<R>;
};

/** Fetches a whole list, page by page. */
export async function everyPage<Name extends string, R extends ListRoute<Name>>(
  control: Control,
  { route, name, params, query }: WantedList<Name, R>,
): Promise<ResponseOf<R> extends Readonly<Record<Name, (infer Entry)[]>> ? Entry[] : never> {
  const entries: unknown[] = [];
  let cursor: string | undefined;
  do {
    const asked = { limit: PAGE_ENTRIES, ...query, ...(cursor === undefined ? {} : { cursor }) };
    const page = await control(route, {
      ...(params === undefined ? {} : { params }),
      query: asked as QueryOf<R>,
    });
    const { [name]: some, next } = page as { readonly next?: string };
    entries.push(...(some as unknown as readonly unknown[]));
    cursor = next;
  } while (cursor !== undefined);
  return entries as Awaited<ReturnType<typeof everyPage<Name, R>>>;
}
