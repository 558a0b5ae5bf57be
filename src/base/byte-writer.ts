/** Writes integers (big-endian) and bytes into a buffer that grows as needed. */
export class ByteWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;

  /** @param capacityBytes - What to reserve at first. */
  constructor(capacityBytes = 64) {
    this.#bytes = new Uint8Array(Math.max(16, capacityBytes));
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** How many bytes have been written. */
  get length(): number {
    return this.#length;
  }

  u8(value: number): void {
    this.#view.setUint8(this.#grow(1), value);
  }

  u16(value: number): void {
    this.#view.setUint16(this.#grow(2), value);
  }

  u32(value: number): void {
    this.#view.setUint32(this.#grow(4), value);
  }

  /** Writes an integer of up to 53 bits in eight bytes. */
  u64(value: number): void {
    const at = this.#grow(8);
    this.#view.setUint32(at, Math.floor(value / 0x1_00_00_00_00));
    this.#view.setUint32(at + 4, value >>> 0);
  }

  bytes(bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.#grow(bytes.length));
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
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }
}
