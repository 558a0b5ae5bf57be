import { expect, test } from "vitest";
import type { CborValue } from "./cbor.ts";
import {
  boolean,
  byteString,
  type Codec,
  field,
  integer,
  list,
  mapped,
  oneOf,
  optional,
  structure,
  text,
} from "./codec.ts";

const ODD: readonly CborValue[] = [
  null,
  true,
  0,
  -1,
  1.5,
  "0",
  [],
  [[]],
  new Map(),
  Uint8Array.of(0),
];

test.each<readonly [string, Codec<never>, readonly CborValue[], readonly CborValue[]]>([
  ["an integer", integer(1, 3) as Codec<never>, [1, 3], [0, 4, "1", true]],
  ["a truth value", boolean as Codec<never>, [true, false], [0, 1, null]],
  ["text", text(2) as Codec<never>, ["", "ab"], ["abc", 1, Uint8Array.of(97)]],
  [
    "bytes",
    byteString(1, 2) as Codec<never>,
    [Uint8Array.of(1), Uint8Array.of(1, 2)],
    [new Uint8Array(0), new Uint8Array(3), "ab", [1]],
  ],
  [
    "a list",
    list(integer(0, 9), 2) as unknown as Codec<never>,
    [[], [1, 2]],
    [[1, 2, 3], ["1"], 1],
  ],
  ["a word", oneOf({ a: 0, b: 7 }) as Codec<never>, [0, 7], [1, "a", null]],
])("%s takes what lies within its bounds and nothing else", (_what, codec, good, bad) => {
  for (const value of good) {
    const decoded = codec.decode(value);
    expect(decoded).toBeDefined();
    expect(codec.encode(decoded as never)).toEqual(value);
  }
  for (const value of bad) expect(codec.decode(value)).toBeUndefined();
  for (const value of ODD) expect(() => codec.decode(value)).not.toThrow();
});

test("something parsed from another form is refused where it does not parse", () => {
  const even = mapped(
    integer(),
    (half: number) => half * 2,
    (whole) => (whole % 2 === 0 ? whole / 2 : undefined),
  );

  expect(even.encode(4)).toBe(8);
  expect(even.decode(8)).toBe(4);
  expect(even.decode(7)).toBeUndefined();
  expect(even.decode("8")).toBeUndefined();
});

const point = structure<{ readonly x: number; readonly label?: string }>({
  x: field(1, integer()),
  label: optional(2, text(4)),
});

test("MS5: a structure is a map of its field numbers, without the fields that are absent", () => {
  expect(point.encode({ x: 3 })).toEqual(new Map([[1, 3]]));
  expect(point.decode(new Map([[1, 3]]))).toEqual({ x: 3 });
  expect(
    point.decode(
      new Map<number, CborValue>([
        [1, 3],
        [2, "a"],
      ]),
    ),
  ).toEqual({ x: 3, label: "a" });
});

test("MS5: fields that the reader does not know are passed over", () => {
  expect(
    point.decode(
      new Map<number, CborValue>([
        [1, 3],
        [99, "new"],
      ]),
    ),
  ).toEqual({ x: 3 });
});

test.each<readonly [string, CborValue]>([
  ["missing", new Map()],
  ["of another form", new Map([[1, "3"]])],
  ["out of its bounds", new Map([[1, -1]])],
  [
    "optional and of another form",
    new Map<number, CborValue>([
      [1, 3],
      [2, 4],
    ]),
  ],
  [
    "optional and out of its bounds",
    new Map<number, CborValue>([
      [1, 3],
      [2, "abcde"],
    ]),
  ],
  ["null", new Map([[1, null]])],
  ["in no map", [3]],
])("MS5: a field that is %s makes the whole unreadable", (_what, value) => {
  expect(point.decode(value)).toBeUndefined();
});
