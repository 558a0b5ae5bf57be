import fc from "fast-check";
import { expect, test } from "vitest";
import { textOf } from "../../test/simulation/fixtures/records.ts";
import { Assembly } from "./piece-assembly.ts";

test("a piece is put together from blocks in any order, and each byte counts once", () => {
  const block = fc.tuple(fc.nat(120), fc.nat(40));
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100 }), fc.array(block), (size, blocks) => {
      const whole = textOf(size);
      const there = new Set<number>();
      const assembly = new Assembly(size);
      for (const [at, length] of blocks) {
        const data = whole.slice(at, at + length);
        const offsetBytes = Math.min(at, size);
        const before = there.size;
        for (let index = 0; index < data.length; index += 1) there.add(offsetBytes + index);
        expect(assembly.add(offsetBytes, data)).toEqual({ ok: true, value: there.size - before });
      }
      expect(assembly.heldBytes).toBe(there.size);
      expect(assembly.complete).toBe(there.size === size);
      for (const index of there) expect(assembly.bytes[index]).toBe(whole[index]);
    }),
    { numRuns: 500 },
  );
});

test("a block that lies outside of the piece is refused and changes nothing", () => {
  const assembly = new Assembly(10);

  expect(assembly.add(8, new Uint8Array(3)).ok).toBe(false);
  expect(assembly.add(0xff_ff_ff_ff, new Uint8Array(1)).ok).toBe(false);
  expect(assembly.heldBytes).toBe(0);
});
