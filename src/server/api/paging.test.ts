import fc from "fast-check";
import { expect, test } from "vitest";
import { finder, type Listing, selectPage } from "./paging.ts";

type Entry = { readonly id: string; readonly name: string; readonly size: number };

const entryLists = fc.uniqueArray(
  fc.record({
    id: fc.string({ minLength: 1, maxLength: 6 }),
    name: fc.string({ maxLength: 2 }),
    size: fc.nat(5),
  }),
  { selector: ({ id }) => id, maxLength: 60 },
);

test("the pages of a list, one after the other, are the sorted list", () => {
  const order = fc.constantFrom("name", "-name", "size", "-size");
  fc.assert(
    fc.property(entryLists, order, fc.integer({ min: 1, max: 9 }), (entries, sort, limit) => {
      const pages = allPages(listing(entries), { sort, limit });

      const sign = sort.startsWith("-") ? -1 : 1;
      const key = ({ name, size }: Entry) => (sort.endsWith("name") ? name : size);
      const wanted = entries.toSorted(
        (a, b) => sign * (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : a.id < b.id ? -1 : 1),
      );
      expect(pages.flatMap(({ entries: some }) => some)).toEqual(wanted);
      expect(new Set(pages.map(({ total }) => total))).toEqual(new Set([entries.length]));
    }),
  );
});

test("what comes and goes between two pages neither repeats entries nor hides others", () => {
  const entries = Array.from({ length: 10 }, (_, index) => entry(`e${index}`));
  const first = selectPage(listing(entries), { sort: "name", limit: 4 });
  const changed = [entry("e00"), ...entries.filter(({ id }) => id !== "e3" && id !== "e5")];

  const second = selectPage(listing(changed), { sort: "name", limit: 4, cursor: first.next ?? "" });

  expect(second.entries.map(({ id }) => id)).toEqual(["e4", "e6", "e7", "e8"]);
});

test("what does not match is neither shown nor counted", () => {
  const entries = ["a", "b", "c"].map(entry);
  const page = selectPage({ ...listing(entries), matches: ({ id }) => id !== "b" }, {});

  expect(page).toEqual({ entries: [entries[0], entries[2]], total: 2 });
});

test("a text is looked for as it stands, in any case", () => {
  const odd = "a.b*(c)[d]{e}|f^$\\/-";

  expect(finder(odd.toUpperCase())(`x${odd}y`)).toBe(true);
  expect(finder("a.b")("aXb")).toBe(false);
  expect(finder(undefined)("")).toBe(true);
});

test("a cursor of another order, or of nobody, is refused", () => {
  const entries = ["a", "b", "c"].map(entry);
  const { next = "" } = selectPage(listing(entries), { sort: "name", limit: 1 });

  const forged = ["x", "W10", Buffer.from('["name",{},"a"]').toString("base64url")];
  for (const cursor of [...forged, next]) {
    expect(() => selectPage(listing(entries), { sort: "-name", cursor })).toThrow(
      expect.objectContaining({ code: "cursor-malformed" }),
    );
  }
});

function allPages(of: Listing<Entry, "name" | "size">, query: { sort: string; limit: number }) {
  const pages = [selectPage(of, query)];
  for (let next = pages[0]?.next; next !== undefined; next = pages.at(-1)?.next) {
    pages.push(selectPage(of, { ...query, cursor: next }));
  }
  return pages;
}

function listing(entries: readonly Entry[]): Listing<Entry, "name" | "size"> {
  return {
    entries,
    matches: () => true,
    sorts: { name: ({ name }) => name, size: ({ size }) => size },
    id: ({ id }) => id,
    order: "name",
  };
}

function entry(id: string): Entry {
  return { id, name: id, size: 1 };
}
