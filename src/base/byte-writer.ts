/** Writes integers (big-endian) and bytes into a buffer that grows as needed. */
export class ByteWriter {
  #bytes: Uint8Array;
  #length = 0;

  /** @param capacityBytes - What to reserve at first. */
  constructor(capacityBytes = 64) {
    this.#bytes = new Uint8Array(Math.max(16, capacityBytes));
  }

  /** How many bytes there is memory for. */
  get capacity(): number {
    return this.#bytes.length;
  }

  /** How many bytes have been written. */
  get length(): number {
    return this.#length;
  }

  u8(value: number): void {
    const at = this.#grow(1);
    this.#bytes[at] = value;
  }

  u16(value: number): void {
    const at = this.#grow(2);
    this.#bytes[at] = value >>> 8;
    this.#bytes[at + 1] = value;
  }

  u32(value: number): void {
    const at = this.#grow(4);
    this.#bytes[at] = value >>> 24;
    this.#bytes[at + 1] = value >>> 16;
    this.#bytes[at + 2] = value >>> 8;
    this.#bytes[at + 3] = value;
  }

  /** Writes an integer of up to 53 bits in eight bytes. */
  u64(value: number): void {
    this.u32(Math.floor(value / 0x1_00_00_00_00));
    this.u32(value >>> 0);
  }

  bytes(bytes: Uint8Array): void {
    const at = this.#grow(bytes.length);
    this.#bytes.set(bytes, at);
  }

  /** Begins anew, in the memory that there is. */
  clear(): void {
    this.#length = 0;
  }

  /** What has been written, as a view that the next write may overwrite or leave behind. */
  written(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Reserves `bytes` more and returns where they start. */
  #grow(bytes: number): number {
    const at = this.#length;
    this.#length += bytes;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#length, 2 * this.#bytes.length));
      larger.set(this.#bytes.subarray(0, at));
      this.#bytes = larger;
    }
    return at;
  }
}
