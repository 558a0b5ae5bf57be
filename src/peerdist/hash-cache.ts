import { createHash } from "node:crypto";
import type { BigIntStats } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ContentHashes } from "../branchcache/content-hashes.ts";
import { decodeContentInformation } from "../branchcache/content-information.ts";
import { encodeContentInformationV1 } from "../branchcache/content-information-v1.ts";
import { encodeContentInformationV2 } from "../branchcache/content-information-v2.ts";
import { BLOCK_BYTES } from "../branchcache/limits.ts";
import { hashFile } from "./file-hasher.ts";

/** How many files' hashes are kept in memory. */
const MEMORY_MAX = 64;

/**
 * The hashes of files, made once and kept: content information without its secrets, so that
 * whoever reads these files learns nothing, and a new key of the server leaves them true.
 */
export class HashCache {
  readonly #folder: string;
  readonly #memory = new Map<string, ContentHashes>();
  /** One file at a time: several would only take the disk from each other. */
  readonly #waiting = new Map<string, Promise<void>>();
  #queue: Promise<void> = Promise.resolve();
  readonly #stopped = new AbortController();

  /** @param folder - For hashes alone. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The hashes of a file as it is now; `undefined` where they have not been made yet. */
  async find(path: string, stats: BigIntStats, version: 1 | 2): Promise<ContentHashes | undefined> {
    const name = nameOf(path, stats, version);
    const known = this.#memory.get(name);
    if (known !== undefined) return known;
    try {
      const hashes = hashesOf(await readFile(join(this.#folder, name)));
      if (hashes === undefined || hashes.lengthBytes !== Number(stats.size)) return undefined;
      this.#remember(name, hashes);
      return hashes;
    } catch {
      return undefined;
    }
  }

  /** Makes the hashes of a file in its turn, unless they are there. Never throws. */
  async make(path: string): Promise<void> {
    const before = this.#waiting.get(path);
    if (before !== undefined) return await before;
    const made = this.#queue
      .then(() => this.#make(path))
      .catch(() => {
        // The file has gone or cannot be read: then it is not served either.
      });
    this.#queue = made;
    this.#waiting.set(path, made);
    await made;
    this.#waiting.delete(path);
  }

  stop(): void {
    this.#stopped.abort();
  }

  async #make(path: string): Promise<void> {
    const before = await stat(path, { bigint: true });
    const known = await Promise.all(VERSIONS.map((version) => this.find(path, before, version)));
    if (known.every((hashes) => hashes !== undefined) || before.size === 0n) return;
    const { v1, v2 } = await hashFile(path, VERSIONS, this.#stopped.signal);
    const after = await stat(path, { bigint: true });
    // What was changed while it was read has no hashes; the next who asks begins anew.
    if (!isSame(before, after)) return;
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    for (const hashes of [v1, v2]) {
      if (hashes === undefined) continue;
      const name = nameOf(path, after, hashes.version);
      await this.#write(name, bytesOf(hashes));
      this.#remember(name, hashes);
    }
    await this.#removeOlder(path, after);
  }

  async #write(name: string, bytes: Uint8Array): Promise<void> {
    const whole = join(this.#folder, name);
    await writeFile(`${whole}.new`, bytes, { mode: 0o600 });
    await rename(`${whole}.new`, whole);
  }

  async #removeOlder(path: string, stats: BigIntStats): Promise<void> {
    const kept = new Set(VERSIONS.map((version) => nameOf(path, stats, version)));
    const prefix = `${digestOf(path)}-`;
    for (const name of await readdir(this.#folder)) {
      if (name.startsWith(prefix) && !kept.has(name)) await rm(join(this.#folder, name));
    }
  }

  #remember(name: string, hashes: ContentHashes): void {
    this.#memory.delete(name);
    this.#memory.set(name, hashes);
    const [oldest] = this.#memory.keys();
    if (this.#memory.size > MEMORY_MAX && oldest !== undefined) this.#memory.delete(oldest);
  }
}

const VERSIONS = [1, 2] as const;

/** A file by its path, and as it is: another size, time or place on the disk is another file. */
function nameOf(path: string, stats: BigIntStats, version: 1 | 2): string {
  const state = digestOf(`${stats.size} ${stats.mtimeNs} ${stats.ino} ${stats.dev}`);
  return `${digestOf(path)}-${state}.v${version}`;
}

function isSame(a: BigIntStats, b: BigIntStats): boolean {
  return a.size === b.size && a.mtimeNs === b.mtimeNs && a.ino === b.ino;
}

function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}

const NO_SECRET: Uint8Array = new Uint8Array(32);

/** Hashes in the form of content information whose secrets are zeros. */
function bytesOf(hashes: ContentHashes): Uint8Array {
  if (hashes.version === 2) {
    return encodeContentInformationV2({
      version: 2,
      startBytes: 0,
      indexOfFirstSegment: 0,
      offsetInFirstSegmentBytes: 0,
      lengthOfRangeBytes: 0,
      segments: hashes.segments.map((segment) => ({ ...segment, secret: NO_SECRET })),
    });
  }
  let offsetBytes = 0;
  const segments = hashes.segments.map((segment) => {
    const own = { ...segment, offsetBytes, blockSizeBytes: BLOCK_BYTES, secret: NO_SECRET };
    offsetBytes += segment.lengthBytes;
    return own;
  });
  return encodeContentInformationV1({
    version: 1,
    hash: "sha256",
    offsetInFirstSegmentBytes: 0,
    readBytesInLastSegment: 0,
    segments,
  });
}

function hashesOf(bytes: Uint8Array): ContentHashes | undefined {
  const information = decodeContentInformation(new Uint8Array(bytes));
  if (!information.ok) return undefined;
  const { value } = information;
  const lengthBytes = value.segments.reduce((sum, segment) => sum + segment.lengthBytes, 0);
  return value.version === 1
    ? { version: 1, lengthBytes, segments: value.segments }
    : { version: 2, lengthBytes, segments: value.segments };
}
