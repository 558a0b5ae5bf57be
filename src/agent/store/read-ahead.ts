import type { FileHandle } from "node:fs/promises";
import { MIB } from "../../base/units.ts";
import { readFully } from "./disk.ts";

/**
 * Reads a file from its start in chunks of 1 MiB, one read always under way while the caller works
 * on the chunk before.
 *
 * @param expectedBytes - How long the file should be: a short one takes little memory. What it has
 * beyond that comes too.
 * @returns Chunks up to the end of the file. Each is overwritten after the next has been asked for.
 */
export async function* readAhead(
  file: FileHandle,
  expectedBytes: number,
): AsyncGenerator<Uint8Array, void> {
  // A byte more than expected, so that a short file shows its end at once.
  const chunkBytes = Math.min(CHUNK_BYTES, expectedBytes + 1);
  let [buffer, other] = [new Uint8Array(chunkBytes), new Uint8Array(0)];
  let next = read(file, buffer, 0);
  try {
    for (let offsetBytes = 0; ; offsetBytes += chunkBytes) {
      const bytes = await next;
      if (bytes.length === chunkBytes) {
        [buffer, other] = [other, buffer];
        if (buffer.length === 0) buffer = new Uint8Array(chunkBytes);
        next = read(file, buffer, offsetBytes + chunkBytes);
      }
      if (bytes.length > 0) yield bytes;
      if (bytes.length < chunkBytes) return;
    }
  } finally {
    // The caller closes the file when it stops early: the read under way must be over by then, and
    // its outcome is of no interest any more.
    await next.catch(() => undefined);
  }
}

/** How much is read at a time. */
const CHUNK_BYTES: number = MIB;

async function read(
  file: FileHandle,
  buffer: Uint8Array,
  offsetBytes: number,
): Promise<Uint8Array> {
  return buffer.subarray(0, await readFully(file, buffer, offsetBytes));
}
