import fc from "fast-check";
import { expect, test } from "vitest";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";

const part = fc.oneof(
  fc.record({ kind: fc.constant("u8" as const), value: fc.nat(0xff) }),
  fc.record({ kind: fc.constant("u16" as const), value: fc.nat(0xff_ff) }),
  fc.record({ kind: fc.constant("u32" as const), value: fc.nat(0xff_ff_ff_ff) }),
  fc.record({ kind: fc.constant("u64" as const), value: fc.maxSafeNat() }),
  fc.record({ kind: fc.constant("bytes" as const), value: fc.uint8Array({ maxLength: 200 }) }),
);

test("what was written is read again in the same order", () => {
  fc.assert(
    fc.property(fc.array(part), fc.nat(300), (parts, capacityBytes) => {
      const writer = new ByteWriter(capacityBytes);
      for (const { kind, value } of parts) {
        if (kind === "bytes") writer.bytes(value);
        else writer[kind](value);
      }
      const reader = new ByteReader(writer.written());
      for (const { kind, value } of parts) {
        expect(kind === "bytes" ? reader.bytes(value.length) : reader[kind]()).toEqual(value);
      }
      expect(reader).toMatchObject({ failed: false, remaining: 0, at: writer.length });
    }),
  );
});

test("DG1: integers are big-endian", () => {
  const writer = new ByteWriter();
  writer.u8(0x01);
  writer.u16(0x02_03);
  writer.u32(0x04_05_06_07);
  writer.u64(0x08_09_0a_0b_0c_0d);

  expect([...writer.written()]).toEqual([1, 2, 3, 4, 5, 6, 7, 0, 0, 8, 9, 10, 11, 12, 13]);
});

test("reading beyond the end gives zeros and is remembered", () => {
  const reader = new ByteReader(Uint8Array.of(1, 2, 3));

  expect(reader.u16()).toBe(0x01_02);
  expect(reader.failed).toBe(false);
  expect(reader.u32()).toBe(0);
  expect(reader.failed).toBe(true);
  // The byte that is left is not given out either: nothing after a failure can be trusted.
  expect([reader.u8(), reader.u16(), reader.u64(), reader.bytes(1).length]).toEqual([0, 0, 0, 0]);
});

test("an integer above 53 bits is a failure, and the largest below it is not", () => {
  const largest = new ByteReader(Uint8Array.of(0, 0x1f, 255, 255, 255, 255, 255, 255));
  const tooLarge = new ByteReader(Uint8Array.of(0, 0x20, 0, 0, 0, 0, 0, 0));

  expect(largest.u64()).toBe(Number.MAX_SAFE_INTEGER);
  expect(largest.failed).toBe(false);
  expect(tooLarge.u64()).toBe(0);
  expect(tooLarge.failed).toBe(true);
});

test("a reader keeps to its own part of a larger buffer", () => {
  const whole = Uint8Array.of(9, 9, 1, 2, 9, 9);
  const reader = new ByteReader(whole.subarray(2, 4));

  expect(reader.bytes(2)).toEqual(Uint8Array.of(1, 2));
  expect(reader.bytes(1)).toEqual(new Uint8Array(0));
  expect(reader.failed).toBe(true);
});

test("bytes are read as a view, so that payloads are not copied", () => {
  const bytes = Uint8Array.of(1, 2, 3);
  const view = new ByteReader(bytes).bytes(2);
  bytes[0] = 7;

  expect(view[0]).toBe(7);
});
