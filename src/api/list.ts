import { type TSchema, Type } from "typebox";
import { Count } from "./common.ts";
import { exact } from "./route.ts";

/** Most entries of one page of a list. */
export const PAGE_ENTRIES_MAX = 1_000;

/** Entries of a page where nobody says how many. */
export const PAGE_ENTRIES_DEFAULT = 100;

const Limit = Type.Integer({
  minimum: 1,
  maximum: PAGE_ENTRIES_MAX,
  description: `How many entries at most; ${PAGE_ENTRIES_DEFAULT} where nothing is said.`,
});

const Cursor = Type.String({
  pattern: "^[A-Za-z0-9_-]{1,2048}$",
  description: "Where the page before ended: its `next`, with the same filters and order.",
});

/** The query of a list: its filters, all optional, and by what it can be sorted. */
export function listQuery<F extends Record<string, TSchema>, S extends string>(
  filters: F,
  sorts: readonly [S, ...S[]],
) {
  const words = sorts.flatMap((word) => [word, `-${word}`] as const);
  return exact({
    ...(Object.fromEntries(
      Object.entries(filters).map(([name, filter]) => [name, Type.Optional(filter)]),
    ) as { [K in keyof F]: ReturnType<typeof Type.Optional<F[K]>> }),
    sort: Type.Optional(
      Type.Enum([...words], {
        description: "By what to sort; - before it turns the order round. Ties are sorted by id.",
      }),
    ),
    limit: Type.Optional(Limit),
    cursor: Type.Optional(Cursor),
  });
}

/** What an answer has beside the entries of a page. */
export const PAGE_FIELDS = {
  /** The cursor of the next page; absent where this is the last. */
  next: Type.Optional(Type.String()),
  /** How many entries there are on all pages. */
  total: Count,
};

/** A text that is looked for, whatever its case. */
export const SearchText = Type.String({
  minLength: 1,
  maxLength: 256,
  description: "A part of a name, in any case.",
});
