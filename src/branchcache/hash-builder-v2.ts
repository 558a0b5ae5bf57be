import { Prng } from "../base/prng.ts";
import { KIB } from "../base/units.ts";
import type { ContentHashesV2 } from "./content-hashes.ts";
import type { BranchCacheCrypto } from "./crypto.ts";
import { SEGMENT_V2_BYTES_MAX } from "./limits.ts";
import { digest, SCHEME_V2 } from "./scheme.ts";

/** No segment but the last is shorter. */
export const SEGMENT_V2_BYTES_MIN: number = 32 * KIB;

/**
 * Hashes a content for version 2 in one pass, however it is cut into chunks (CI12).
 *
 * The specification leaves open where segments end, since readers only go by what the server
 * says. Ours end where the bytes themselves say so, by a gear hash (Xia and others, "FastCDC",
 * 2016), so that versions of a file share segments.
 */
export class HashBuilderV2 {
  readonly #crypto: BranchCacheCrypto;
  readonly #segment = new Uint8Array(SEGMENT_V2_BYTES_MAX);
  #bytes = 0;
  #gear = 0;
  readonly #segments: ContentHashesV2["segments"][number][] = [];
  #lengthBytes = 0;

  constructor(crypto: BranchCacheCrypto) {
    this.#crypto = crypto;
  }

  /** Takes the next bytes of the content. */
  push(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; ) {
      const before = this.#bytes;
      const room = chunk.subarray(at, at + SEGMENT_V2_BYTES_MAX - before);
      this.#segment.set(room, before);
      const end = this.#findEnd(before, before + room.length);
      if (end === undefined) {
        this.#bytes = before + room.length;
        return;
      }
      this.#bytes = end;
      at += end - before;
      this.#endSegment();
    }
  }

  /** The hashes of all that was pushed. Nothing may be pushed afterwards. */
  finish(): ContentHashesV2 {
    if (this.#bytes > 0) this.#endSegment();
    return { version: 2, lengthBytes: this.#lengthBytes, segments: this.#segments };
  }

  /** Where the segment ends, looking at what is new in it; `undefined` where it goes on. */
  #findEnd(from: number, to: number): number | undefined {
    const segment = this.#segment;
    let gear = this.#gear;
    for (let at = Math.max(from, SEGMENT_V2_BYTES_MIN - GEAR_WINDOW_BYTES); at < to; at += 1) {
      gear = ((gear << 1) + (GEAR[segment[at] ?? 0] ?? 0)) | 0;
      if ((gear & GEAR_MASK) === 0 && at + 1 >= SEGMENT_V2_BYTES_MIN) return at + 1;
    }
    this.#gear = gear;
    return to === SEGMENT_V2_BYTES_MAX ? to : undefined;
  }

  #endSegment(): void {
    const bytes = this.#segment.subarray(0, this.#bytes);
    const hashOfData = digest(this.#crypto, SCHEME_V2, bytes);
    this.#segments.push({ lengthBytes: bytes.length, hashOfData });
    this.#lengthBytes += bytes.length;
    this.#bytes = 0;
    this.#gear = 0;
  }
}

/** A byte has left a 32-bit gear hash after so many shifts. */
const GEAR_WINDOW_BYTES = 32;

/** One value in 2^15 ends a segment: 32 KiB behind the least length on average. */
const GEAR_MASK = 0xff_fe_00_00 | 0;

const GEAR: Int32Array = gearTable();

function gearTable(): Int32Array {
  // Any seed does, as long as it stays: another one would cut every file elsewhere.
  const prng = new Prng(0x50_65_65_72);
  return Int32Array.from({ length: 256 }, () => prng.next() | 0);
}
