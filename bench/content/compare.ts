import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Distribution } from "../organisation/distribution.ts";
import type { Machine } from "../organisation/organisation.ts";

/** The devices whose copy is the published one, byte by byte. */
export async function intactOf(distribution: Distribution): Promise<readonly Machine[]> {
  const wanted = await fingerprint(distribution.content.path);
  const intact: Machine[] = [];
  for (const device of distribution.delivered) {
    const place = distribution.placeOn(device);
    const isFile = (await lstat(distribution.content.path)).isFile();
    const whole = isFile ? join(place, basename(distribution.content.path)) : place;
    if ((await fingerprint(whole)) === wanted) intact.push(device);
  }
  return intact;
}

/** One hash over a file, or over the names and bytes of everything in a folder. */
async function fingerprint(path: string): Promise<string> {
  if ((await lstat(path)).isFile()) return await hashOfFile(path);
  const hash = createHash("sha256");
  for (const name of (await readdir(path, { recursive: true })).sort()) {
    const whole = join(path, name);
    const isFile = (await lstat(whole)).isFile();
    hash.update(`${name}\0${isFile ? await hashOfFile(whole) : "folder"}\0`);
  }
  return hash.digest("hex");
}

async function hashOfFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  return hash.digest("hex");
}
