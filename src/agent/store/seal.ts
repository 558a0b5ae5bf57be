import { type FileHandle, utimes } from "node:fs/promises";
import { Bitset } from "../../base/bitset.ts";
import { isIntact } from "./piece-check.ts";
import type { StoredContent } from "./stored-content.ts";

/**
 * Gives a file that is handed over as a link, and so is served and handed over at once, the time at
 * which its content was signed. Whoever writes to it gives it another one, even if it is root.
 */
export async function seal(path: string, { manifest }: StoredContent): Promise<void> {
  await utimes(path, manifest.signedAtS, manifest.signedAtS);
}

/**
 * Finds out before a piece is served whether somebody has written to its file. Then each of its
 * pieces is hashed once more before it is served.
 */
export class Seals {
  readonly #nowMs: () => number;
  readonly #known = new WeakMap<StoredContent, Known>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Whether a piece may be served from an open file. */
  async isSound(content: StoredContent, piece: number, file: FileHandle): Promise<boolean> {
    if (!isLinked(content)) return true;
    const known = await this.#look(content, file);
    if (known.mtimeMs === content.manifest.signedAtS * 1_000 || known.sound.has(piece)) return true;
    if (!(await isIntact(content, piece, file))) return false;
    known.sound.add(piece);
    return true;
  }

  async #look(content: StoredContent, file: FileHandle): Promise<Known> {
    const known = this.#known.get(content);
    const nowMs = this.#nowMs();
    if (known !== undefined && nowMs - known.lookedAtMs < LOOK_MS) return known;
    const { mtimeMs } = await file.stat();
    const sound =
      known?.mtimeMs === mtimeMs ? known.sound : new Bitset(content.manifest.pieces.length);
    const fresh = { lookedAtMs: nowMs, mtimeMs, sound };
    this.#known.set(content, fresh);
    return fresh;
  }
}

/** How long it is believed that nobody has written to a file, in milliseconds. */
const LOOK_MS = 1_000;

type Known = {
  readonly lookedAtMs: number;
  readonly mtimeMs: number;
  /** Pieces that have been hashed since then. */
  readonly sound: Bitset;
};

/** Only a file that has been handed over has a second name under which others may reach it. */
function isLinked({ finished, delivered, manifest }: StoredContent): boolean {
  return finished && delivered && manifest.files.length === 1;
}
