import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { MIB } from "../../base/units.ts";
import { sha256 } from "./disk.ts";
import { readAhead } from "./read-ahead.ts";

test.each([
  [0, 0],
  [1, 1],
  [MIB - 1, MIB - 1],
  [MIB, MIB],
  [MIB + 1, MIB + 1],
  [3 * MIB, 3 * MIB],
  [5, 0],
  [10, 4],
  [4, 10],
  [2 * MIB + 7, MIB],
])("a file of %i bytes comes whole where %i were expected", async (sizeBytes, expectedBytes) => {
  const folder = await mkdtemp(join(tmpdir(), "branchline-read-"));
  const whole = Uint8Array.from(
    { length: sizeBytes },
    (_byte, index) => index * 31 + (index >> 12),
  );
  await writeFile(join(folder, "file"), whole);
  const file = await open(join(folder, "file"), "r");

  const chunks: Buffer[] = [];
  for await (const bytes of readAhead(file, expectedBytes)) chunks.push(Buffer.from(bytes));

  expect(sha256(Buffer.concat(chunks))).toEqual(sha256(whole));
  await file.close();
  await rm(folder, { recursive: true });
});
