/**
 * Reads integers (big-endian) and bytes from the front of a byte string.
 *
 * Total: reading past the end returns zeros and sets `failed`, so that a decoder reads all its
 * fields straight through and asks once, at the end, whether they were there.
 */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #at = 0;
  #failed = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Whether something was read that was not there. */
  get failed(): boolean {
    return this.#failed;
  }

  /** How many bytes are left. */
  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  /** How many bytes have been read. */
  get at(): number {
    return this.#at;
  }

  u8(): number {
    const at = this.#take(1);
    return at < 0 ? 0 : (this.#bytes[at] ?? 0);
  }

  u16(): number {
    const at = this.#take(2);
    return at < 0 ? 0 : this.#uint16(at);
  }

  u32(): number {
    const at = this.#take(4);
    return at < 0 ? 0 : this.#uint32(at);
  }

  /** Reads eight bytes; an integer above 53 bits counts as a failure. */
  u64(): number {
    const at = this.#take(8);
    if (at < 0) return 0;
    const value = this.#uint32(at) * 0x1_00_00_00_00 + this.#uint32(at + 4);
    if (Number.isSafeInteger(value)) return value;
    this.#failed = true;
    return 0;
  }

  /** The next `length` bytes as a view, not a copy; empty where they are not there. */
  bytes(length: number): Uint8Array {
    const at = this.#take(length);
    return at < 0 ? new Uint8Array(0) : this.#bytes.subarray(at, at + length);
  }

  #uint16(at: number): number {
    return ((this.#bytes[at] ?? 0) << 8) | (this.#bytes[at + 1] ?? 0);
  }

  #uint32(at: number): number {
    return this.#uint16(at) * 0x1_00_00 + this.#uint16(at + 2);
  }

  #take(length: number): number {
    if (this.#failed || length > this.remaining || length < 0) {
      this.#failed = true;
      return -1;
    }
    const at = this.#at;
    this.#at += length;
    return at;
  }
}
