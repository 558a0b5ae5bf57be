import { invariant } from "../base/invariant.ts";
import { Prng } from "../base/prng.ts";
import { KIB, MIB } from "../base/units.ts";

/** Fewest bytes of a piece, unless it is the last of its content. */
export const PIECE_BYTES_MIN: number = 64 * KIB;

/** Most bytes of a piece. */
export const PIECE_BYTES_MAX: number = MIB;

/**
 * From this length on a cut is 4 times as likely as before. It is what makes the average piece
 * 256 KiB long: 17 % end before it, and the others 128 KiB behind it on average.
 *
 * A larger factor makes pieces more equal, and has two versions agree later on where a piece ends
 * behind a stretch that differs: with 16 a new stretch of 2 MiB costs 23 % more than its bytes,
 * with 4 it is 16 %.
 */
export const PIECE_BYTES_NORMAL: number = 160 * KIB;

/** How many bytes a 32-bit gear hash remembers: each step shifts the oldest one out by a bit. */
const WINDOW_BYTES = 32;

/** The top 19 bits: what must be zero for a cut before the normal length. */
const MASK_STRICT = ~0 << 13;

/** The top 17 bits: what must be zero for a cut behind the normal length. */
const MASK_LOOSE = ~0 << 15;

/** Seed of the gear table. Part of the format: another one cuts the same bytes elsewhere. */
const GEAR_SEED = 0x42_72_4c_31;

/** One random 32-bit number for each byte value: the first 256 draws of `Prng(GEAR_SEED)`. */
const GEAR = gearTable();

invariant(PIECE_BYTES_MIN >= WINDOW_BYTES, "the window fits into the shortest piece");
invariant(
  PIECE_BYTES_MIN < PIECE_BYTES_NORMAL && PIECE_BYTES_NORMAL < PIECE_BYTES_MAX,
  "the normal length lies between the bounds",
);

/**
 * Cuts a stream of bytes into pieces where its content says so, not at fixed distances: bytes put
 * in or taken out change the pieces around them and no others, so that versions share pieces.
 *
 * Gear hash with normalised chunking, after FastCDC (Xia et al., USENIX ATC 2016, sections 3.3 to
 * 3.5). We depart in one thing: the hash has seen a full window when the shortest length is
 * reached, so that a cut depends on the 32 bytes before it alone.
 */
export class Chunker {
  #hash = 0;
  #pendingBytes = 0;

  /** How many bytes the piece has that is not yet cut: at the end of the stream, the last piece. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /**
   * Takes the next bytes of the stream.
   *
   * @returns Where pieces end: offsets in `bytes` of the first byte behind each, ascending. They
   * do not depend on how the stream is split into calls.
   */
  feed(bytes: Uint8Array): readonly number[] {
    const cuts: number[] = [];
    for (let at = 0; at < bytes.length; ) {
      const cut = this.#nextCut(bytes, at);
      if (cut < 0) break;
      cuts.push(cut);
      at = cut;
    }
    return cuts;
  }

  /** The end of the pending piece in `bytes`, which go on at `from`; -1 where it has none. */
  #nextCut(bytes: Uint8Array, from: number): number {
    // Where the pending piece begins, in offsets of `bytes`: negative if in an earlier call.
    const start = from - this.#pendingBytes;
    const warm = Math.max(from, start + PIECE_BYTES_MIN - WINDOW_BYTES);
    const least = Math.max(from, start + PIECE_BYTES_MIN);
    const normal = Math.max(from, start + PIECE_BYTES_NORMAL);
    this.#warmUp(bytes, warm, least);
    let cut = this.#search(bytes, least, normal, MASK_STRICT);
    if (cut < 0) cut = this.#search(bytes, normal, start + PIECE_BYTES_MAX, MASK_LOOSE);
    const most = start + PIECE_BYTES_MAX;
    if (cut < 0 && most <= bytes.length) cut = most;
    this.#pendingBytes = cut < 0 ? bytes.length - start : 0;
    if (cut >= 0) this.#hash = 0;
    return cut;
  }

  /** Hashes bytes too near to the start of the piece for a cut. */
  #warmUp(bytes: Uint8Array, from: number, to: number): void {
    const end = Math.min(to, bytes.length);
    let hash = this.#hash;
    for (let at = from; at < end; at += 1) hash = step(hash, bytes[at] as number);
    this.#hash = hash;
  }

  /** The first cut in `bytes` from `from` to `to` or their end, where `mask` is met; else -1. */
  #search(bytes: Uint8Array, from: number, to: number, mask: number): number {
    const end = Math.min(to, bytes.length);
    let hash = this.#hash;
    let at = from;
    // Four bytes a turn: this loop is where all the time goes.
    for (const last = end - 3; at < last; at += 4) {
      hash = step(hash, bytes[at] as number);
      if ((hash & mask) === 0) return at + 1;
      hash = step(hash, bytes[at + 1] as number);
      if ((hash & mask) === 0) return at + 2;
      hash = step(hash, bytes[at + 2] as number);
      if ((hash & mask) === 0) return at + 3;
      hash = step(hash, bytes[at + 3] as number);
      if ((hash & mask) === 0) return at + 4;
    }
    for (; at < end; at += 1) {
      hash = step(hash, bytes[at] as number);
      if ((hash & mask) === 0) return at + 1;
    }
    this.#hash = hash;
    return -1;
  }
}

function step(hash: number, byte: number): number {
  return ((hash << 1) + (GEAR[byte] as number)) | 0;
}

function gearTable(): Int32Array {
  const prng = new Prng(GEAR_SEED);
  return Int32Array.from({ length: 256 }, () => prng.next());
}
