import { createHash } from "node:crypto";
import { chmod, lstat, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { noise } from "../fixtures/store-world.ts";

export { noise };

/** A file of a package. */
export type SampleFile = { readonly bytes: Uint8Array; readonly mode?: number };

/** Writes files below a folder; a path that ends in `/` is an empty folder. */
export async function writeTree(
  folder: string,
  files: Readonly<Record<string, SampleFile | undefined>>,
): Promise<void> {
  for (const [path, file] of Object.entries(files)) {
    const whole = join(folder, path);
    await mkdir(file === undefined ? whole : dirname(whole), { recursive: true });
    if (file === undefined) continue;
    await writeFile(whole, file.bytes);
    await chmod(whole, file.mode ?? 0o644);
  }
}

/** Everything below a folder: the SHA-256 of each file and whether it is executable. */
export async function readTree(folder: string): Promise<Readonly<Record<string, string>>> {
  const found: Record<string, string> = {};
  for (const path of (await readdir(folder, { recursive: true })).sort()) {
    const whole = join(folder, path);
    if ((await lstat(whole)).isDirectory()) found[`${path}/`] = "folder";
    else found[path] = await describeFile(whole);
  }
  return found;
}

async function describeFile(path: string): Promise<string> {
  const stats = await lstat(path);
  const executable = (stats.mode & 0o111) === 0 ? "" : " executable";
  return `${stats.isFile() ? await hashOfFile(path) : "no file"}${executable}`;
}

/** What {@link readTree} finds where a package has been handed over: a file stands in a folder. */
export async function readPackage(path: string): Promise<Readonly<Record<string, string>>> {
  if ((await lstat(path)).isDirectory()) return await readTree(path);
  return { [basename(path)]: await describeFile(path) };
}

/** The SHA-256 of a file in hexadecimal digits. */
export async function hashOfFile(path: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
}
