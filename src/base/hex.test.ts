import fc from "fast-check";
import { expect, test } from "vitest";
import { fromHex, toHex } from "./hex.ts";

test("bytes are written as two digits each, and read again", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 3_000 }), (bytes) => {
      const text = toHex(bytes);

      expect(text).toBe(Buffer.from(bytes).toString("hex"));
      expect(fromHex(text)).toEqual(bytes);
      expect(fromHex(text.toUpperCase())).toEqual(bytes);
    }),
  );
});

test.each(["0", "0g", "g0", "0x", " 0", "0:", "@a", "`a", "é0"])(
  "what is no hexadecimal text is refused: %j",
  (text) => {
    expect(fromHex(text)).toBeUndefined();
  },
);
