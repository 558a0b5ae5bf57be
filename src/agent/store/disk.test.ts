import { type FileHandle, mkdtemp, open, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { writeTogether } from "./disk.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "branchline-disk-"));
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

const PARTS = ["ab", "cde", "f"].map((text) => new TextEncoder().encode(text));

test.each([6, 5, 4, 2, 1, 0])(
  "all parts are written where the disk takes %i bytes at first",
  async (takenBytes) => {
    const path = join(folder, "file");
    await using file = await open(path, "w+");
    await file.write("1234");

    await writeTogether(taking(file, takenBytes), PARTS, 3);

    expect(await readFile(path, "utf8")).toBe("123abcdef");
  },
);

/** A file whose disk takes only so much of what is written together. */
function taking(file: FileHandle, takenBytes: number): FileHandle {
  const writev = async (parts: readonly Uint8Array[], at: number) => {
    const { bytesWritten } = await file.write(Buffer.concat(parts), 0, takenBytes, at);
    return { bytesWritten, buffers: parts };
  };
  const write = file.write.bind(file);
  return { writev, write } as unknown as FileHandle;
}
