import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import {
  type BlobName,
  type BlobStorage,
  READ_BYTES_MAX,
  randomBlobName,
  type Writing,
} from "./blob-storage.ts";
import { checkStorage } from "./check-storage.ts";

/** A storage under test; it is opened again over the same place, as after a restart. */
export type StorageWorld = {
  open(): Promise<BlobStorage>;
  /** Whether the place has nothing in it. */
  isEmpty(): Promise<boolean>;
};

/** What every implementation of {@link BlobStorage} keeps. */
export function blobStorageContract(what: string, world: () => Promise<StorageWorld>): void {
  describe(what, () => {
    readingContract(world);
    writingContract(world);
  });
}

function readingContract(world: () => Promise<StorageWorld>): void {
  test("gives back what was written, whole and in ranges", async () => {
    const storage = await (await world()).open();
    const bytes = new Uint8Array(randomBytes(storage.partBytes(1) + 3 * READ_BYTES_MAX));
    const name = await put(storage, bytes);

    expect(await storage.sizeOf(name)).toBe(bytes.length);
    expect(await read(storage, name, 0, bytes.length)).toEqual(Buffer.from(bytes));
    const edge = storage.partBytes(1);
    for (const [from, length] of [
      [0, 1],
      [edge - 5, 10],
      [bytes.length - 1, 1],
      [7, 0],
    ] as const) {
      expect(await read(storage, name, from, length)).toEqual(
        Buffer.from(bytes.subarray(from, from + length)),
      );
    }
    await storage.close();
  });

  test("gives parts of bounded size", async () => {
    const storage = await (await world()).open();
    const bytes = new Uint8Array(2 * READ_BYTES_MAX + 1);
    const name = await put(storage, bytes);
    const lengths: number[] = [];

    const range = { offsetBytes: 0, lengthBytes: bytes.length };
    for await (const part of storage.read(name, range)) lengths.push(part.length);

    expect(Math.max(...lengths)).toBeLessThanOrEqual(READ_BYTES_MAX);
    await storage.close();
  });
}

function writingContract(world: () => Promise<StorageWorld>): void {
  test("shows nothing before it is finished, and nothing of what is abandoned", async () => {
    const place = await world();
    const storage = await place.open();
    const name = randomBlobName();
    const begun = await storage.begin(name, 5);
    const written = await storage.append(begun, Uint8Array.of(1, 2, 3, 4, 5));

    expect(await storage.sizeOf(name)).toBeUndefined();
    await expect(read(storage, name, 0, 5)).rejects.toMatchObject({ code: "blob-missing" });

    await storage.abandon(written);
    await storage.abandon(written);
    expect(await storage.isThere(written)).toBe(false);
    expect(await storage.sizeOf(name)).toBeUndefined();
    expect(await place.isEmpty()).toBe(true);
    await storage.close();
  });

  test("goes on with what was written before a restart", async () => {
    const place = await world();
    const before = await place.open();
    const partBytes = before.partBytes(1);
    const bytes = new Uint8Array(randomBytes(partBytes + 1_000));
    const name = randomBlobName();
    const begun = await before.begin(name, bytes.length);
    const half = await before.append(begun, bytes.subarray(0, partBytes));
    // What was appended and not noted down any more is written over.
    await before.append(half, new Uint8Array(1_000).fill(7));
    await before.close();

    const after = await place.open();
    const kept = JSON.parse(JSON.stringify(half)) as Writing;
    expect(await after.isThere(kept)).toBe(true);
    await after.finish(await after.append(kept, bytes.subarray(partBytes)));

    expect(await read(after, name, 0, bytes.length)).toEqual(Buffer.from(bytes));
    await after.close();
  });

  test("lets two write under one name without harm", async () => {
    const storage = await (await world()).open();
    const name = randomBlobName();
    const bytes = Uint8Array.of(1, 2, 3, 4);
    const one = await storage.append(await storage.begin(name, 4), bytes);
    const other = await storage.append(await storage.begin(name, 4), bytes);

    await storage.finish(one);
    await storage.finish(one);
    expect(await read(storage, name, 0, 4)).toEqual(Buffer.from(bytes));
    await storage.abandon(other);
    expect(await read(storage, name, 0, 4)).toEqual(Buffer.from(bytes));
    await storage.close();
  });

  test("keeps an empty blob, and removes what is to go", async () => {
    const place = await world();
    const storage = await place.open();
    const name = randomBlobName();
    await storage.finish(await storage.begin(name, 0));

    expect(await storage.sizeOf(name)).toBe(0);
    await storage.remove(name);
    await storage.remove(name);
    expect(await storage.sizeOf(name)).toBeUndefined();
    expect(await place.isEmpty()).toBe(true);
    await storage.close();
  });

  test("A4: passes the trial, which leaves nothing behind", async () => {
    const place = await world();
    const storage = await place.open();

    await checkStorage(storage);

    expect(await place.isEmpty()).toBe(true);
    await storage.close();
  });
}

/** Writes a whole blob under a new name. */
export async function put(storage: BlobStorage, bytes: Uint8Array): Promise<BlobName> {
  const name = randomBlobName();
  let writing = await storage.begin(name, bytes.length);
  const partBytes = storage.partBytes(bytes.length);
  for (let at = 0; at < bytes.length; at += partBytes) {
    writing = await storage.append(writing, bytes.subarray(at, at + partBytes));
  }
  await storage.finish(writing);
  return name;
}

/** Reads a range into one buffer. */
export async function read(
  storage: BlobStorage,
  name: BlobName,
  offsetBytes: number,
  lengthBytes: number,
): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of storage.read(name, { offsetBytes, lengthBytes })) parts.push(part);
  return Buffer.concat(parts);
}
