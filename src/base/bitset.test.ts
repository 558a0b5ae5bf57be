import fc from "fast-check";
import { expect, test } from "vitest";
import { Bitset } from "./bitset.ts";
import { InvariantViolation } from "./invariant.ts";

const change = fc.record({ op: fc.constantFrom("add", "delete"), at: fc.nat(70) });

test("a bitset does what a set of integers does", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 70 }), fc.array(change), (size, changes) => {
      const model = new Set<number>();
      const set = new Bitset(size);
      for (const { op, at } of changes) {
        const index = at % size;
        if (op === "add") expect(set.add(index)).toBe(!model.has(index) && !!model.add(index));
        else expect(set.delete(index)).toBe(model.delete(index));
      }
      expect(members(set)).toEqual([...model].sort((a, b) => a - b));
      expect(set.count).toBe(model.size);
      expect(set.full).toBe(model.size === size);
    }),
  );
});

test("the next member beside two other sets is the one that a search bit by bit finds", () => {
  const indices = fc.array(fc.nat(70));
  fc.assert(
    fc.property(indices, indices, indices, fc.nat(75), (mine, ones, others, from) => {
      const [set, one, other] = [mine, ones, others].map((list) => {
        const made = new Bitset(71);
        for (const index of list) made.add(index);
        return made;
      }) as [Bitset, Bitset, Bitset];
      const expected = members(set).find(
        (index) => index >= from && !one.has(index) && !other.has(index),
      );
      expect(set.nextBeside(from, one, other)).toBe(expected);
    }),
  );
});

test("bit 0 is the top bit of the first byte", () => {
  const set = new Bitset(10);
  set.add(0);
  set.add(9);

  expect([...set.toBytes()]).toEqual([0x80, 0x40]);
});

test("what was written is read again, with its count", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 70 }), fc.array(fc.nat(69)), (size, indexes) => {
      const set = new Bitset(size);
      for (const index of indexes) if (index < size) set.add(index);
      const copy = Bitset.fromBytes(size, set.toBytes());
      expect(copy && members(copy)).toEqual(members(set));
      expect(copy?.count).toBe(set.count);
    }),
  );
});

test.each([
  ["too short", 9, [0xff]],
  ["too long", 8, [0xff, 0x00]],
  ["with a bit beyond the size", 9, [0xff, 0xc0]],
  ["with bytes where there can be none", 0, [0x00]],
])("bytes that are %s are refused", (_what, size, bytes) => {
  expect(Bitset.fromBytes(size, Uint8Array.from(bytes))).toBeUndefined();
});

test("nothing outside of the size is a member, whatever a peer asks for", () => {
  const set = new Bitset(12);
  set.fill();

  expect(set.full).toBe(true);
  for (const index of [-1, 12, 15, 16, 2 ** 31, 2 ** 32 - 1]) {
    expect(set.has(index)).toBe(false);
    expect(set.delete(index)).toBe(false);
  }
  expect(() => set.add(12)).toThrow(InvariantViolation);
});

test("the bytes that a bitset gives away are not its own", () => {
  const set = new Bitset(8);
  set.toBytes().fill(0xff);

  expect(set.count).toBe(0);
  expect(members(set)).toEqual([]);
});

function members(set: Bitset): readonly number[] {
  return Array.from({ length: set.size }, (_, index) => index).filter((index) => set.has(index));
}
