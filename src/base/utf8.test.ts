import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeUtf8, encodeUtf8 } from "./utf8.ts";

const RUNS = { numRuns: 2_000 } as const;

test("text is encoded as the Encoding Standard has it, lone surrogates too", () => {
  const text = fc.oneof(fc.string({ unit: "binary" }), fc.array(fc.nat(0xff_ff)).map(fromUnits));
  fc.assert(
    fc.property(text, (value) => {
      expect(encodeUtf8(value)).toEqual(new TextEncoder().encode(value));
    }),
    RUNS,
  );
});

test("any bytes are decoded as a strict decoder does, or refused where it refuses", () => {
  // Bytes around every limit of the encoding, so that most sequences are nearly right.
  const near = fc.constantFrom(
    ...[0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0],
    ...[0xed, 0xef, 0xbb, 0xf0, 0xf4, 0xf5, 0xff],
  );
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 12 }),
    fc.array(near).map((bytes) => Uint8Array.from(bytes)),
  );
  fc.assert(
    fc.property(bytes, (value) => {
      expect(decodeUtf8(value)).toBe(strictly(value));
    }),
    { numRuns: 20_000 },
  );
});

test.each([
  ["an overlong slash", [0xc0, 0xaf]],
  ["an overlong zero", [0xe0, 0x80, 0x80]],
  ["a surrogate", [0xed, 0xa0, 0x80]],
  ["a point beyond Unicode", [0xf4, 0x90, 0x80, 0x80]],
  ["a cut sequence", [0xe2, 0x82]],
  ["a lone continuation", [0x80]],
])("%s is refused", (_what, bytes) => {
  expect(decodeUtf8(Uint8Array.from(bytes))).toBeUndefined();
});

test("what is encoded is decoded again", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (text) => {
      expect(decodeUtf8(encodeUtf8(text))).toBe(text);
    }),
    RUNS,
  );
});

function fromUnits(units: readonly number[]): string {
  return String.fromCharCode(...units);
}

function strictly(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
