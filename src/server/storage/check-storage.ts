import { randomBytes } from "node:crypto";
import { OperatorError } from "../../runtime/operator-error.ts";
import { type BlobStorage, randomBlobName, type Writing } from "./blob-storage.ts";

/** How many bytes are written to see whether a storage does its work. */
const CHECK_BYTES = 64 * 1024;

/**
 * Tries a storage for real: writes a blob, reads it back, reads a range of it, removes it. Nothing of
 * it stays.
 *
 * @throws OperatorError as the storage does, or `storage-unfit` where it does not keep its promises.
 */
export async function checkStorage(storage: BlobStorage): Promise<void> {
  const bytes = new Uint8Array(randomBytes(CHECK_BYTES));
  const name = randomBlobName();
  let writing: Writing = await storage.begin(name, bytes.length);
  try {
    writing = await storage.append(writing, bytes);
    expect((await storage.sizeOf(name)) === undefined, "shows what is not finished yet");
    await storage.finish(writing);
    expect((await storage.sizeOf(name)) === bytes.length, "does not have what was written to it");
    const whole = await readAll(storage, { name, offsetBytes: 0, lengthBytes: bytes.length });
    expect(whole.equals(bytes), "gives back other bytes than were written");
    const [from, to] = [1_000, 33_333];
    const range = { offsetBytes: from, lengthBytes: to - from };
    const part = await readAll(storage, { name, ...range });
    expect(part.equals(bytes.subarray(from, to)), "gives other bytes than the range asked for");
  } catch (error) {
    await cleanUp(storage, writing).catch(() => undefined);
    throw error;
  }
  await cleanUp(storage, writing);
  expect((await storage.sizeOf(name)) === undefined, "keeps what was removed");
}

async function cleanUp(storage: BlobStorage, writing: Writing): Promise<void> {
  await storage.abandon(writing);
  await storage.remove(writing.name);
}

async function readAll(
  storage: BlobStorage,
  what: {
    readonly name: Writing["name"];
    readonly offsetBytes: number;
    readonly lengthBytes: number;
  },
): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of storage.read(what.name, what)) parts.push(part);
  return Buffer.concat(parts);
}

function expect(holds: boolean, problem: string): void {
  if (holds) return;
  const sentence = `The file storage ${problem}, and so cannot be used: choose another one.`;
  throw new OperatorError("storage-unfit", sentence);
}
