/** What a pool keeps, and for whom. */
export type BufferPoolOptions = {
  /** Length of the buffers that are kept. */
  readonly bufferBytes: number;
  /** Shorter arrays have memory of their own: they would hold much more than they need. */
  readonly arrayBytesMin: number;
  /** The most that is kept while nobody needs it. */
  readonly keptBytesMax: number;
};

/**
 * Memory that is used again and again: an allocation for each of many short-lived arrays would have
 * the garbage collector at work all the time.
 */
export class BufferPool {
  readonly #options: BufferPoolOptions;
  readonly #free: ArrayBuffer[] = [];

  constructor(options: BufferPoolOptions) {
    this.#options = options;
  }

  /** An array with anything in it; {@link giveBack} ends its use. */
  take(lengthBytes: number): Uint8Array {
    const { bufferBytes, arrayBytesMin } = this.#options;
    if (lengthBytes > bufferBytes || lengthBytes < arrayBytesMin) {
      return new Uint8Array(lengthBytes);
    }
    return new Uint8Array(this.#free.pop() ?? new ArrayBuffer(bufferBytes), 0, lengthBytes);
  }

  /** A copy in memory of the pool; {@link giveBack} ends its use. */
  copyOf(bytes: Uint8Array): Uint8Array {
    const copy = this.take(bytes.length);
    copy.set(bytes);
    return copy;
  }

  /** Takes back an array, which nobody may read any more. */
  giveBack({ buffer }: Uint8Array): void {
    const { bufferBytes, keptBytesMax } = this.#options;
    // Those with memory of their own are left to the garbage collector.
    if (!(buffer instanceof ArrayBuffer) || buffer.byteLength !== bufferBytes) return;
    if ((this.#free.length + 1) * bufferBytes <= keptBytesMax) this.#free.push(buffer);
  }
}
