import { expect, test } from "vitest";
import { BufferPool } from "./buffer-pool.ts";

test("what was given back is used again, for an array of any length that it is kept for", () => {
  const pool = new BufferPool({ bufferBytes: 100, arrayBytesMin: 50, keptBytesMax: 1_000 });
  const first = pool.take(100);
  const second = pool.take(100);
  expect(second.buffer).not.toBe(first.buffer);

  pool.giveBack(first);

  const third = pool.take(50);
  expect(third.length).toBe(50);
  expect(third.buffer).toBe(first.buffer);
  expect(pool.take(50).buffer).not.toBe(first.buffer);
});

test("arrays that are too short or too long have memory of their own, which is not kept", () => {
  const pool = new BufferPool({ bufferBytes: 100, arrayBytesMin: 50, keptBytesMax: 1_000 });
  const others = [pool.take(49), pool.take(101)];
  expect(others.map(({ buffer }) => buffer.byteLength)).toEqual([49, 101]);

  for (const other of others) pool.giveBack(other);

  const again = [pool.take(49), pool.take(50), pool.take(101)];
  const known = others.map(({ buffer }) => buffer);
  expect(again.filter(({ buffer }) => known.includes(buffer))).toEqual([]);
});

test("no more is kept than the pool may", () => {
  const pool = new BufferPool({ bufferBytes: 100, arrayBytesMin: 50, keptBytesMax: 299 });
  const taken = [pool.take(100), pool.take(100), pool.take(100)];

  for (const array of taken) pool.giveBack(array);

  const known = taken.map(({ buffer }) => buffer);
  const again = [pool.take(100), pool.take(100), pool.take(100)];
  expect(again.filter(({ buffer }) => known.includes(buffer)).length).toBe(2);
});

test("a copy has the same bytes, and stays when what it was made of changes", () => {
  const pool = new BufferPool({ bufferBytes: 8, arrayBytesMin: 3, keptBytesMax: 64 });
  pool.giveBack(pool.take(8).fill(9));
  const bytes = Uint8Array.of(1, 2, 3);

  const copy = pool.copyOf(bytes);
  bytes.fill(7);

  expect(copy).toEqual(Uint8Array.of(1, 2, 3));
});
