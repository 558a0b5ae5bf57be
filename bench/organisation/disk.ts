import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { type FileHandle, mkdir, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { MIB } from "../../src/base/units.ts";
import { run } from "../net/commands.ts";

/** Makes a folder that is a disk of its own, in memory. The stage unmounts it in the end. */
export async function mountDisk(folder: string, sizeBytes: number): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await run("mount", [
    "-t",
    "tmpfs",
    "-o",
    `size=${sizeBytes},mode=700`,
    "branchline-bench",
    folder,
  ]);
}

/** Unmounts every disk in a folder, also where something on it is still open. */
export function unmountBelow(folder: string): void {
  for (const place of mountsBelow(folder)) {
    spawnSync("umount", ["--lazy", place], { stdio: "ignore" });
  }
}

/** Fills a disk to its last byte, as another program may. Gives what frees that room again. */
export async function fillDisk(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, "somebody-elses");
  await using file = await open(path, "wx");
  // The last bytes go one page at a time, so that nothing fits afterwards.
  for (const chunkBytes of [MIB, PAGE_BYTES])
    await writeUntilFull(file, new Uint8Array(chunkBytes));
  return async () => await rm(path);
}

const PAGE_BYTES = 4096;

async function writeUntilFull(file: FileHandle, chunk: Uint8Array): Promise<void> {
  try {
    for (;;) {
      const { bytesWritten } = await file.write(chunk);
      if (bytesWritten < chunk.length) return;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  }
}

function mountsBelow(folder: string): readonly string[] {
  const lines = readFileSync("/proc/self/mounts", "utf8").split("\n");
  return lines.flatMap((line) => {
    const [, place = ""] = line.split(" ");
    return place.startsWith(`${folder}/`) ? [place] : [];
  });
}
