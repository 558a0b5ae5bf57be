import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";

/** A range that has arrived, `[start, end)`. */
type Range = { start: number; end: number };

/** A piece, or a manifest, that is being put together from blocks in whatever order they come. */
export class Assembly {
  readonly #sizeBytes: number;
  /** Made when the first block comes: what has only been asked for takes no memory. */
  #bytes: Uint8Array | undefined;
  /** Sorted, none touching another. */
  readonly #ranges: Range[] = [];
  #held = 0;

  constructor(sizeBytes: number) {
    this.#sizeBytes = sizeBytes;
  }

  /** How many bytes have arrived, each counted once. */
  get heldBytes(): number {
    return this.#held;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get complete(): boolean {
    return this.#held === this.#sizeBytes;
  }

  /** All the bytes; what is not there yet is zero. */
  get bytes(): Uint8Array {
    this.#bytes ??= new Uint8Array(this.#sizeBytes);
    return this.#bytes;
  }

  /**
   * Takes a block; returns how many bytes of it are new, or that it lies outside.
   *
   * @param lasting - Whether `data` never changes: where it is all there is to take, it is not copied.
   */
  add(offsetBytes: number, data: Uint8Array, lasting = false): Result<number, "outside"> {
    const end = offsetBytes + data.length;
    if (end > this.#sizeBytes) return err("outside");
    if (lasting && data.length === this.#sizeBytes) this.#bytes = data;
    else this.bytes.set(data, offsetBytes);
    const fresh = this.#cover(offsetBytes, end);
    this.#held += fresh;
    return ok(fresh);
  }

  /** Adds a range to those that are there; returns how much of it was not. */
  #cover(start: number, end: number): number {
    let index = 0;
    while (index < this.#ranges.length && (this.#ranges[index]?.end ?? 0) < start) index += 1;
    let fresh = end - start;
    const merged = { start, end };
    let joined = 0;
    for (let range = this.#ranges[index]; range !== undefined && range.start <= end; ) {
      fresh -= Math.max(0, Math.min(range.end, end) - Math.max(range.start, start));
      merged.start = Math.min(merged.start, range.start);
      merged.end = Math.max(merged.end, range.end);
      joined += 1;
      range = this.#ranges[index + joined];
    }
    this.#ranges.splice(index, joined, merged);
    return fresh;
  }
}
