import { invariant } from "./invariant.ts";

/** A set of the integers `[0, size)`, one bit each; bit 0 is the top bit of byte 0. */
export class Bitset {
  readonly size: number;
  readonly #bytes: Uint8Array;
  #count = 0;

  constructor(size: number) {
    this.size = size;
    this.#bytes = new Uint8Array(Math.ceil(size / 8));
  }

  /** Reads a set of `size` members; `undefined` for a wrong length or a bit beyond the size. */
  static fromBytes(size: number, bytes: Uint8Array): Bitset | undefined {
    if (bytes.length !== Math.ceil(size / 8)) return undefined;
    const spareBits = bytes.length * 8 - size;
    if (spareBits > 0 && ((bytes.at(-1) ?? 0) & ((1 << spareBits) - 1)) !== 0) return undefined;
    const set = new Bitset(size);
    set.#bytes.set(bytes);
    for (let index = 0; index < size; index += 1) if (set.has(index)) set.#count += 1;
    return set;
  }

  /** How many members the set has. */
  get count(): number {
    return this.#count;
  }

  /** Whether every integer below `size` is a member. */
  get full(): boolean {
    return this.#count === this.size;
  }

  has(index: number): boolean {
    return ((this.#bytes[index >> 3] ?? 0) & (0x80 >> (index & 7))) !== 0;
  }

  /**
   * The first member from `from` on that is in neither of two sets of the same size; `undefined`
   * where there is none.
   */
  nextBeside(from: number, one: Bitset, other: Bitset): number | undefined {
    let skipped = 0xff >> (from & 7);
    for (let at = from >> 3; at < this.#bytes.length; at += 1) {
      const taken = (one.#bytes[at] ?? 0) | (other.#bytes[at] ?? 0);
      const left = (this.#bytes[at] ?? 0) & ~taken & skipped;
      // The leading zeros of 32 bits, of which 24 stand before the byte.
      if (left !== 0) return 8 * at + Math.clz32(left) - 24;
      skipped = 0xff;
    }
    return undefined;
  }

  /** Adds a member; says whether it was new. */
  add(index: number): boolean {
    invariant(index >= 0 && index < this.size, "a bitset member lies below its size");
    if (this.has(index)) return false;
    this.#bytes[index >> 3] = (this.#bytes[index >> 3] ?? 0) | (0x80 >> (index & 7));
    this.#count += 1;
    return true;
  }

  /** Takes a member out; says whether it was there. */
  delete(index: number): boolean {
    if (index < 0 || index >= this.size || !this.has(index)) return false;
    this.#bytes[index >> 3] = (this.#bytes[index >> 3] ?? 0) & ~(0x80 >> (index & 7));
    this.#count -= 1;
    return true;
  }

  /** Makes every integer below `size` a member. */
  fill(): void {
    for (let index = 0; index < this.size; index += 1) this.add(index);
  }

  /** A copy of the bits, as {@link fromBytes} reads them. */
  toBytes(): Uint8Array {
    return this.#bytes.slice();
  }
}
