import { mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { fromHex, toHex } from "../../base/hex.ts";
import { MIB } from "../../base/units.ts";
import { decodeUtf8, encodeUtf8 } from "../../base/utf8.ts";
import { errorCode, syncFolder, writeNewFile } from "./disk.ts";

/**
 * What the brain wants to know again after a restart: a few small things by name, each in a file
 * of its own that is replaced as a whole.
 *
 * A name has one write under way at most, and of what comes meanwhile only the latest is written.
 */
export class Memory {
  readonly #folder: string;
  readonly #known: Map<string, Uint8Array>;
  /** What is to be written once the write under way is over, by name. */
  readonly #next = new Map<string, Uint8Array>();
  readonly #writing = new Map<string, Promise<void>>();

  /** Reads what was remembered. What a crash left half-written is removed. */
  static async open(folder: string): Promise<Memory> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const known = new Map<string, Uint8Array>();
    for (const file of await readdir(folder)) {
      const name = nameOf(file);
      if (name === undefined) await rm(join(folder, file), { recursive: true, force: true });
      else known.set(name, new Uint8Array(await readFile(join(folder, file))));
    }
    return new Memory(folder, known);
  }

  private constructor(folder: string, known: Map<string, Uint8Array>) {
    this.#folder = folder;
    this.#known = known;
  }

  /** Everything that is remembered, by name. */
  get all(): ReadonlyMap<string, Uint8Array> {
    return new Map(this.#known);
  }

  /**
   * Remembers something under a name, instead of what was remembered under it.
   *
   * @returns A sentence that says why it cannot be; `undefined` where it is being written.
   */
  remember(name: string, bytes: Uint8Array): string | undefined {
    const nameBytes = encodeUtf8(name).length;
    if (nameBytes === 0 || nameBytes > NAME_BYTES_MAX) return `The name ${name} is too long.`;
    if (bytes.length > REMEMBERED_BYTES_MAX) return `${name} has ${bytes.length} bytes: too many.`;
    if (!this.#known.has(name) && this.#known.size >= NAMES_MAX) return "There are too many names.";
    // The caller's bytes may be a view of much more, and change.
    const own = bytes.slice();
    this.#known.set(name, own);
    this.#next.set(name, own);
    if (!this.#writing.has(name)) {
      this.#writing.set(
        name,
        this.#write(name).finally(() => this.#writing.delete(name)),
      );
    }
    return undefined;
  }

  /** Waits until nothing is left to write. */
  async close(): Promise<void> {
    while (this.#writing.size > 0) await Promise.all(this.#writing.values());
  }

  async #write(name: string): Promise<void> {
    const path = join(this.#folder, fileOf(name));
    for (;;) {
      const bytes = this.#next.get(name);
      if (bytes === undefined) return;
      this.#next.delete(name);
      try {
        await rm(`${path}${FRESH}`, { force: true });
        await writeNewFile(`${path}${FRESH}`, bytes, 0o600);
        await rename(`${path}${FRESH}`, path);
        await syncFolder(this.#folder);
      } catch (error) {
        // A full disk: what was remembered before stands, and the next word is tried again.
        if (errorCode(error) === undefined) throw error;
      }
    }
  }
}

/** The folder within a store's folder. */
export const MEMORY = "memory";

/** How many names there may be. */
export const NAMES_MAX = 64;

/** Most bytes under one name. */
export const REMEMBERED_BYTES_MAX: number = 8 * MIB;

/** Longest name: in hexadecimal digits it must be a file's name. */
const NAME_BYTES_MAX = 100;

/** Ends the name of a file that is not whole yet. */
const FRESH = ".new";

/**
 * Where what is remembered under a name lies, for whoever looks at it without opening the store.
 *
 * @param storeFolder - The folder of the store that has the memory.
 */
export function rememberedFile(storeFolder: string, name: string): string {
  return join(storeFolder, MEMORY, fileOf(name));
}

function fileOf(name: string): string {
  return toHex(encodeUtf8(name));
}

function nameOf(file: string): string | undefined {
  const bytes = fromHex(file);
  return bytes === undefined || bytes.length === 0 ? undefined : decodeUtf8(bytes);
}
