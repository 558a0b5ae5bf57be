/**
 * Reads little-endian integers off the front of a byte string; total, as `ByteReader` is.
 *
 * Version 1 of content information is the only structure of the protocol in this order.
 */
export class LittleReader {
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

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  u16(): number {
    return this.#integer(2);
  }

  u32(): number {
    return this.#integer(4);
  }

  /** Reads eight bytes; an integer above 53 bits counts as a failure. */
  u64(): number {
    const value = this.#integer(8);
    if (Number.isSafeInteger(value)) return value;
    this.#failed = true;
    return 0;
  }

  /** The next bytes as a view; empty where they are not there. */
  bytes(length: number): Uint8Array {
    if (this.#failed || length > this.remaining) {
      this.#failed = true;
      return new Uint8Array(0);
    }
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  #integer(length: number): number {
    return this.bytes(length).reduceRight((value, byte) => value * 256 + byte, 0);
  }
}

/** Writes little-endian integers into memory of a known size. */
export class LittleWriter {
  readonly bytes: Uint8Array;
  #at = 0;

  constructor(lengthBytes: number) {
    this.bytes = new Uint8Array(lengthBytes);
  }

  u16(value: number): void {
    this.#integer(value, 2);
  }

  u32(value: number): void {
    this.#integer(value, 4);
  }

  u64(value: number): void {
    this.#integer(value, 8);
  }

  append(bytes: Uint8Array): void {
    this.bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  #integer(value: number, length: number): void {
    let left = value;
    for (let index = 0; index < length; index += 1) {
      this.bytes[this.#at] = left % 256;
      this.#at += 1;
      left = Math.floor(left / 256);
    }
  }
}
