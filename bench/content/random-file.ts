import { randomBytes } from "node:crypto";
import { open } from "node:fs/promises";
import { MIB } from "../../src/base/units.ts";

/** Writes a file of random bytes, which nothing can make smaller. */
export async function writeRandomFile(path: string, sizeBytes: number): Promise<void> {
  await using file = await open(path, "wx");
  for (let left = sizeBytes; left > 0; left -= MIB) {
    await file.write(randomBytes(Math.min(left, MIB)));
  }
}
