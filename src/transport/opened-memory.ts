import { MIB } from "../base/units.ts";

/** As much as the records of one step are, unless an uncommon number has come. */
const MEMORY_BYTES = MIB;

/**
 * Memory for the plaintexts of the records that are opened in one step, used again in the next: an
 * array for each would have the garbage collector at work all the time.
 *
 * All programs step one machine at a time, so all share it.
 */
export class OpenedMemory {
  #memory: Uint8Array | undefined;
  #takenBytes = 0;

  /** Memory that is good until {@link clear}. */
  take(lengthBytes: number): Uint8Array {
    const from = this.#takenBytes;
    if (from + lengthBytes > MEMORY_BYTES) return new Uint8Array(lengthBytes);
    this.#takenBytes += lengthBytes;
    this.#memory ??= new Uint8Array(MEMORY_BYTES);
    return this.#memory.subarray(from, from + lengthBytes);
  }

  /** A step begins: nobody reads what the last one opened. */
  clear(): void {
    this.#takenBytes = 0;
  }
}

/** Where records are opened. */
export const OPENED: OpenedMemory = new OpenedMemory();
