import type { FileHandle } from "node:fs/promises";
import { MIB } from "../../base/units.ts";
import { readFully } from "./disk.ts";

/**
 * Reads a file from its start in chunks of 1 MiB, one read always under way while the caller works
 * on the chunk before.
 *
 * @returns Chunks up to the end of the file. Each is overwritten after the next has been asked for.
 */
export async function* readAhead(file: FileHandle): AsyncGenerator<Uint8Array, void> {
  const buffers = [new Uint8Array(MIB), new Uint8Array(MIB)] as const;
  let next = read(file, buffers[0], 0);
  try {
    for (let chunk = 0; ; chunk += 1) {
      const bytes = await next;
      if (bytes.length === 0) return;
      next = read(file, buffers[chunk % 2 === 0 ? 1 : 0], (chunk + 1) * MIB);
      yield bytes;
      if (bytes.length < MIB) return;
    }
  } finally {
    // The caller closes the file when it stops early: the read under way must be over by then, and
    // its outcome is of no interest any more.
    await next.catch(() => undefined);
  }
}

async function read(
  file: FileHandle,
  buffer: Uint8Array,
  offsetBytes: number,
): Promise<Uint8Array> {
  return buffer.subarray(0, await readFully(file, buffer, offsetBytes));
}
