import { Bitset } from "../base/bitset.ts";
import type { Prng } from "../base/prng.ts";

/** How many pieces are looked at for one choice: enough for rarity, cheap for 40,000 pieces. */
const CANDIDATES_MAX = 128;

/**
 * Chooses which piece to ask for next: rarest first among the neighbours, chance among equals.
 *
 * Chance starts the search, so two devices that miss the same pieces ask for different ones and
 * have something to trade.
 */
export class PiecePicker {
  readonly #held: Bitset;
  /** How many devices of our office hold each piece, as far as they have told us. */
  readonly #copies: Uint16Array;
  readonly #asked: Bitset;
  readonly #prng: Prng;

  constructor(held: Bitset, prng: Prng) {
    this.#held = held;
    this.#asked = new Bitset(held.size);
    this.#copies = new Uint16Array(held.size);
    this.#prng = prng;
  }

  /** A device of our office holds a piece. */
  onOffered(piece: number): void {
    this.#copies[piece] = (this.#copies[piece] ?? 0) + 1;
  }

  /** A device of our office that held a piece is gone. */
  onWithdrawn(piece: number): void {
    this.#copies[piece] = Math.max(0, (this.#copies[piece] ?? 0) - 1);
  }

  /** A piece has been asked for, and is not to be chosen meanwhile. */
  onAsked(piece: number): void {
    this.#asked.add(piece);
  }

  /** A piece has arrived, or will not: it may be chosen again where it is still missing. */
  onSettled(piece: number): void {
    this.#asked.delete(piece);
  }

  /** How many devices of our office offer a piece. */
  copiesOf(piece: number): number {
    return this.#copies[piece] ?? 0;
  }

  /** Whether a piece is neither held nor on its way. */
  isMissing(piece: number): boolean {
    return !this.#held.has(piece) && !this.#asked.has(piece);
  }

  /** How many pieces are on their way. */
  get askedCount(): number {
    return this.#asked.count;
  }

  /**
   * The piece to ask a device of another office for: the first that is missing and that nobody in
   * our office holds, so that the office gets the package in order and can check it as it comes.
   */
  pickAcrossLine(offered: Bitset): number | undefined {
    for (let piece = this.#next(offered, 0); piece !== undefined; ) {
      if ((this.#copies[piece] ?? 0) === 0) return piece;
      piece = this.#next(offered, piece + 1);
    }
    return undefined;
  }

  /**
   * The piece to ask a device of our office for that holds `offered`; `undefined` where it has none.
   */
  pick(offered: Bitset): number | undefined {
    const size = this.#held.size;
    if (size === 0) return undefined;
    let best: number | undefined;
    let bestCopies = Number.POSITIVE_INFINITY;
    const start = this.#prng.below(size);
    let [piece, wrapped] = [this.#next(offered, start), false];
    for (let candidates = 0; candidates < CANDIDATES_MAX; candidates += 1) {
      if (piece === undefined && !wrapped) [piece, wrapped] = [this.#next(offered, 0), true];
      if (piece === undefined || (wrapped && piece >= start)) break;
      const copies = this.#copies[piece] ?? 0;
      if (copies < bestCopies) [best, bestCopies] = [piece, copies];
      piece = this.#next(offered, piece + 1);
    }
    return best;
  }

  /** The first piece from `from` on that is offered and missing. */
  #next(offered: Bitset, from: number): number | undefined {
    return offered.nextBeside(from, this.#held, this.#asked);
  }
}
