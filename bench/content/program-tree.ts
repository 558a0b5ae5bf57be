import { randomBytes } from "node:crypto";
import { copyFile, lstat, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { Prng } from "../../src/base/prng.ts";
import { KIB, MIB } from "../../src/base/units.ts";

/** Real programs that every checkout has: the packages that it uses. */
const PROGRAMS = fileURLToPath(new URL("../../node_modules", import.meta.url));

/** How many files a program has at most: executables and libraries, and what comes with them. */
const FILES_MAX = 1_000;

/** How long the stretches are that a new version has anew, in the mean and at the least. */
const STRETCH_BYTES_MEAN = 2 * MIB;
const STRETCH_BYTES_MIN = 512 * KIB;

/** How many bytes more than before such a stretch has at most. */
const INSERTED_BYTES_MAX = 4 * KIB;

/** Copies files as they fit into a size, the largest first. Gives the bytes of all. */
export async function writeProgram(folder: string, sizeBytes: number): Promise<number> {
  const sized: { readonly path: string; readonly bytes: number }[] = [];
  for (const path of await filesIn(PROGRAMS)) {
    sized.push({ path, bytes: (await lstat(join(PROGRAMS, path))).size });
  }
  let [bytes, files] = [0, 0];
  for (const file of sized.sort((one, other) => other.bytes - one.bytes)) {
    if (bytes + file.bytes > sizeBytes || files === FILES_MAX) continue;
    bytes += file.bytes;
    files += 1;
    await mkdir(dirname(join(folder, file.path)), { recursive: true });
    await copyFile(join(PROGRAMS, file.path), join(folder, file.path));
  }
  return bytes;
}

/**
 * Writes the next version of a program: stretches here and there, in all a share of its bytes, are
 * new, and each is somewhat longer than what it stands for. A stretch may be a part of a large
 * file, or many small files.
 *
 * @returns How many bytes the old version has not.
 */
export async function writeNextVersion(
  from: string,
  to: string,
  { share, seed }: { readonly share: number; readonly seed: number },
): Promise<number> {
  const stretches = new Stretches(share, new Prng(seed));
  let changedBytes = 0;
  for (const path of await filesIn(from)) {
    const before = await readFile(join(from, path));
    const parts: Uint8Array[] = [];
    for (let at = 0; at < before.length; ) {
      const { anew, bytes, insertedBytes } = stretches.take(before.length - at);
      const fresh = randomBytes(anew ? bytes + insertedBytes : 0);
      parts.push(anew ? fresh : before.subarray(at, at + bytes));
      changedBytes += fresh.length;
      at += bytes;
    }
    await mkdir(dirname(join(to, path)), { recursive: true });
    await writeFile(join(to, path), Buffer.concat(parts));
  }
  return changedBytes;
}

/** Cuts a run of bytes into stretches that stay and stretches that are anew, in turn. */
class Stretches {
  readonly #share: number;
  readonly #chance: Prng;
  #anew = true;
  #anewBytes = 0;
  #leftBytes = 0;
  #insertedBytes = 0;

  constructor(share: number, chance: Prng) {
    this.#share = share;
    this.#chance = chance;
  }

  /** The next piece of at most so many bytes, all of one stretch. */
  take(bytesMax: number) {
    if (this.#leftBytes === 0) this.#turn();
    const bytes = Math.min(this.#leftBytes, bytesMax);
    this.#leftBytes -= bytes;
    const insertedBytes = this.#insertedBytes;
    this.#insertedBytes = 0;
    return { anew: this.#anew, bytes, insertedBytes };
  }

  #turn(): void {
    this.#anew = !this.#anew;
    if (!this.#anew) {
      const spread = 2 * (STRETCH_BYTES_MEAN - STRETCH_BYTES_MIN);
      this.#anewBytes = STRETCH_BYTES_MIN + this.#chance.below(spread);
    }
    // Each stretch that stays and the one behind it have the same length together.
    const turnBytes = Math.round(STRETCH_BYTES_MEAN / this.#share);
    this.#leftBytes = this.#anew ? this.#anewBytes : turnBytes - this.#anewBytes;
    this.#insertedBytes = this.#anew ? 1 + this.#chance.below(INSERTED_BYTES_MAX) : 0;
  }
}

/** The paths of all files in a folder, in the order of a package. Links are not followed. */
async function filesIn(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const paths = files.map(({ parentPath, name }) => relative(folder, join(parentPath, name)));
  // What begins with a dot belongs to the tools of this checkout.
  return paths.filter((path) => !path.startsWith(".")).sort();
}
