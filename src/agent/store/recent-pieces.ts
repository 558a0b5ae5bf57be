import { MIB } from "../../base/units.ts";
import type { PieceRange } from "../../effects/storage.ts";
import type { StoredContent } from "./stored-content.ts";

/** How many bytes of pieces are at hand. */
const BYTES_MAX: number = 16 * MIB;

/** How long a piece is at hand after it was stored. */
const KEPT_MS = 5_000;

type Recent = {
  readonly content: StoredContent;
  readonly piece: number;
  readonly bytes: Uint8Array;
  readonly untilMs: number;
};

/**
 * Pieces that have just been stored, in memory: whoever fetches for an office is asked for each of
 * them by several others at once, and reading it anew for each costs more than sending it.
 */
export class RecentPieces {
  /** The oldest first. */
  readonly #pieces: Recent[] = [];
  #heldBytes = 0;
  #timer: NodeJS.Timeout | undefined;

  /** Keeps the bytes of a piece that has been verified and stored. */
  add(content: StoredContent, piece: number, bytes: Uint8Array): void {
    this.#pieces.push({ content, piece, bytes, untilMs: performance.now() + KEPT_MS });
    this.#heldBytes += bytes.length;
    while (this.#heldBytes > BYTES_MAX) this.#dropOldest();
    this.#timer ??= setTimeout(() => this.#dropOld(), KEPT_MS).unref();
  }

  /**
   * Bytes of a piece, where they are at hand and the piece still counts. Of a content that is
   * finished the disk is asked: others may write to what was handed over.
   */
  read(content: StoredContent | undefined, range: PieceRange): Uint8Array | undefined {
    const { piece, offsetBytes, lengthBytes } = range;
    if (content === undefined || content.removed || content.finished) return undefined;
    if (!content.held.has(piece)) return undefined;
    const bytes = this.#pieces.findLast(
      (recent) => recent.content === content && recent.piece === piece,
    )?.bytes;
    const isInside = bytes && offsetBytes >= 0 && offsetBytes + lengthBytes <= bytes.length;
    return isInside ? bytes.subarray(offsetBytes, offsetBytes + lengthBytes) : undefined;
  }

  #dropOldest(): void {
    this.#heldBytes -= this.#pieces.shift()?.bytes.length ?? 0;
  }

  #dropOld(): void {
    this.#timer = undefined;
    const nowMs = performance.now();
    while ((this.#pieces[0]?.untilMs ?? Number.POSITIVE_INFINITY) <= nowMs) this.#dropOldest();
    const [oldest] = this.#pieces;
    if (oldest === undefined) return;
    this.#timer = setTimeout(() => this.#dropOld(), oldest.untilMs - nowMs).unref();
  }
}
