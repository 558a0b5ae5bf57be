import fc from "fast-check";
import { expect, test } from "vitest";
import { fromHex, toHex } from "../base/hex.ts";
import { Prng } from "../base/prng.ts";
import { CBOR_DEPTH_MAX, type CborValue, decodeCbor, encodeCbor } from "./cbor.ts";

/** RFC 8949, appendix A: the rows whose values lie in our subset. */
const APPENDIX_A: readonly (readonly [hex: string, value: CborValue])[] = [
  ["00", 0],
  ["01", 1],
  ["0a", 10],
  ["17", 23],
  ["1818", 24],
  ["1819", 25],
  ["1864", 100],
  ["1903e8", 1000],
  ["1a000f4240", 1_000_000],
  ["1b000000e8d4a51000", 1_000_000_000_000],
  ["20", -1],
  ["29", -10],
  ["3863", -100],
  ["3903e7", -1000],
  ["f4", false],
  ["f5", true],
  ["f6", null],
  ["40", new Uint8Array(0)],
  ["4401020304", Uint8Array.of(1, 2, 3, 4)],
  ["60", ""],
  ["6161", "a"],
  ["6449455446", "IETF"],
  ["62225c", '"\\'],
  ["62c3bc", "\u00fc"],
  ["63e6b0b4", "\u6c34"],
  ["64f0908591", "\ud800\udd51"],
  ["80", []],
  ["83010203", [1, 2, 3]],
  ["8301820203820405", [1, [2, 3], [4, 5]]],
  [
    "98190102030405060708090a0b0c0d0e0f101112131415161718181819",
    Array.from({ length: 25 }, (_, index) => index + 1),
  ],
  ["a0", new Map()],
  [
    "a201020304",
    new Map([
      [1, 2],
      [3, 4],
    ]),
  ],
];

test.each(APPENDIX_A)(
  "MS4: %s is written and read as RFC 8949, appendix A has it",
  (hex, value) => {
    expect(toHex(encodeCbor(value))).toBe(hex);
    expect(decodeCbor(bytesOf(hex))).toEqual(value);
  },
);

test.each([
  ["an integer that a shorter head could hold", "1817"],
  ["the same in two bytes", "190018"],
  ["the same in four bytes", "1a00000100"],
  ["the same in eight bytes", "1b0000000000000001"],
  ["an integer above 53 bits", "1b0020000000000000"],
  ["a negative one below -2^53", "3b001fffffffffffff"],
  ["the largest negative one of RFC 8949", "3bffffffffffffffff"],
  ["a float", "fb3ff199999999999a"],
  ["a half float", "f97c00"],
  ["undefined", "f7"],
  ["an unassigned simple value", "f0"],
  ["a simple value in two bytes", "f818"],
  ["false in two bytes", "f814"],
  ["a tag", "c11a514b67b0"],
  ["indefinite bytes", "5f42010243030405ff"],
  ["an indefinite array", "9fff"],
  ["an indefinite map", "bfff"],
  ["a break alone", "ff"],
  ["a reserved head", "1c"],
  ["text that is not UTF-8", "61ff"],
  ["a text key", "a1616101"],
  ["a negative key", "a12001"],
  ["keys out of order", "a203040102"],
  ["a key twice", "a201020103"],
  ["a byte behind the value", "0000"],
  ["nothing", ""],
  ["a cut head", "19ff"],
  ["a cut array", "8301"],
  ["a cut byte string", "4301"],
] as const)("MS4: %s is refused", (_what, hex) => {
  expect(decodeCbor(bytesOf(hex))).toBeUndefined();
});

test("MS4: the integers at both ends of 53 bits are exchanged", () => {
  for (const value of [Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER]) {
    expect(decodeCbor(encodeCbor(value))).toBe(value);
  }
});

test("MS4: values nested as deep as allowed are read, deeper ones are refused", () => {
  const nested = (depth: number) => bytesOf(`${"81".repeat(depth)}00`);

  expect(decodeCbor(nested(CBOR_DEPTH_MAX))).toBeDefined();
  expect(decodeCbor(nested(CBOR_DEPTH_MAX + 1))).toBeUndefined();
  expect(decodeCbor(nested(500_000))).toBeUndefined();
});

test.each(["9b001fffffffffffff", "bb001fffffffffffff", "5b001fffffffffffff", "9affffffff00"])(
  "a count that its bytes cannot hold is refused before it costs memory (%s)",
  (hex) => {
    expect(decodeCbor(bytesOf(hex))).toBeUndefined();
  },
);

test("any value is read back as it was, whatever the order of a map's keys", () => {
  fc.assert(
    fc.property(value(), (written) => {
      const bytes = encodeCbor(written);
      expect(decodeCbor(bytes)).toEqual(written);
      expect(encodeCbor(reversed(written))).toEqual(bytes);
    }),
    { numRuns: 500 },
  );
});

test("MS4: whatever is accepted is what the encoder would have written", () => {
  const prng = new Prng(8949);
  const seeds = APPENDIX_A.map(([hex]) => bytesOf(hex));
  let accepted = 0;
  for (let run = 0; run < 100_000; run += 1) {
    const bytes = run % 2 === 0 ? random(prng, 12) : mutated(prng, seeds);
    const decoded = decodeCbor(bytes);
    if (decoded === undefined) continue;
    accepted += 1;
    const again = encodeCbor(decoded);
    if (toHex(again) !== toHex(bytes)) expect(toHex(again)).toBe(toHex(bytes));
  }
  // Otherwise the property would hold of nothing.
  expect(accepted).toBeGreaterThan(10_000);
});

function bytesOf(hex: string): Uint8Array {
  return fromHex(hex) ?? expect.fail(`${hex} is not hexadecimal`);
}

function random(prng: Prng, lengthMax: number): Uint8Array {
  return Uint8Array.from({ length: prng.below(lengthMax) }, () => prng.below(256));
}

function mutated(prng: Prng, seeds: readonly Uint8Array[]): Uint8Array {
  const bytes = (seeds[prng.below(seeds.length)] ?? new Uint8Array(1)).slice();
  for (let change = prng.below(3); change > 0; change -= 1) {
    bytes[prng.below(bytes.length)] = prng.below(256);
  }
  return prng.below(4) === 0 ? bytes.subarray(0, prng.below(bytes.length + 1)) : bytes;
}

function value(): fc.Arbitrary<CborValue> {
  const integer = fc.oneof(fc.maxSafeInteger(), fc.integer({ min: -300, max: 300 }));
  const leaf = fc.oneof(
    integer.map((number) => number + 0),
    fc.boolean(),
    fc.constant(null),
    fc.string({ unit: "grapheme" }),
    fc.uint8Array(),
  );
  return fc.letrec<{ value: CborValue }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      leaf,
      fc.array(tie("value"), { maxLength: 5 }),
      fc
        .array(fc.tuple(fc.maxSafeNat(), tie("value")), { maxLength: 5 })
        .map((entries) => new Map(entries)),
    ),
  })).value;
}

function reversed(written: CborValue): CborValue {
  if (!(written instanceof Map)) return written;
  return new Map([...written].reverse().map(([key, inner]) => [key, reversed(inner)]));
}
