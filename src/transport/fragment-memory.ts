import { MIB } from "../base/units.ts";
import { DATAGRAM_BYTES_INITIAL } from "../wire/datagram.ts";

/** Length of the buffers that are kept: the payload of any datagram that a line takes. */
const BUFFER_BYTES = 1_472;

/** Most buffers that are kept while nobody needs them. */
const KEPT_MAX: number = Math.floor((4 * MIB) / BUFFER_BYTES);

/**
 * Memory for fragments that wait for the rest of their record, used again and again: an allocation
 * for each would have the garbage collector at work all the time.
 */
export class FragmentMemory {
  readonly #free: ArrayBuffer[] = [];

  /** A copy of a fragment; {@link giveBack} ends its use. */
  copyOf(fragment: Uint8Array): Uint8Array {
    // Short ones would hold much more than they count for, and long ones do not fit.
    if (fragment.length > BUFFER_BYTES || fragment.length < DATAGRAM_BYTES_INITIAL / 2) {
      return fragment.slice();
    }
    const buffer = this.#free.pop() ?? new ArrayBuffer(BUFFER_BYTES);
    const copy = new Uint8Array(buffer, 0, fragment.length);
    copy.set(fragment);
    return copy;
  }

  /** Takes back the memory of a copy, which nobody may read any more. */
  giveBack(copy: Uint8Array): void {
    const { buffer } = copy;
    if (!(buffer instanceof ArrayBuffer) || buffer.byteLength !== BUFFER_BYTES) return;
    if (this.#free.length < KEPT_MAX) this.#free.push(buffer);
  }
}
