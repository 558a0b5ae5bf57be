import { SECOND } from "../../../base/units.ts";

/** How far what we believe to be our own queue may be above all queue before it is put right. */
const TOLERANCE_US = 200;

/** What the model believed of a packet when it left. */
export type OwnWait = { readonly waitUs: number; readonly correctedUs: number };

/**
 * How long our packets wait behind each other in the line's queue, by what we send and how fast the
 * line is (Lindley's recursion, 1952). What they wait beyond that, they wait for others.
 *
 * A line that is believed slower than it is would build up an imagined queue which then hides that
 * of others, so what turns out to be more than all queue there is, is taken back.
 */
export class OwnQueue {
  #waitUs = 0;
  #atUs = 0;
  /** How much has been taken back so far. */
  #correctedUs = 0;

  /** A datagram of `bytes` enters a line of `rate` bytes a second. */
  onSent(nowUs: number, bytes: number, rate: number): OwnWait {
    const leftUs = Math.max(0, this.#waitUs - (nowUs - this.#atUs));
    this.#waitUs = leftUs + (bytes * SECOND) / rate;
    this.#atUs = nowUs;
    return { waitUs: this.#waitUs, correctedUs: this.#correctedUs };
  }

  /** How much of a packet's wait was our own, now that all of it is known. */
  onArrived(own: OwnWait, queueUs: number): number {
    const waitUs = Math.max(0, own.waitUs - (this.#correctedUs - own.correctedUs));
    const excessUs = waitUs - queueUs;
    if (excessUs <= TOLERANCE_US) return waitUs;
    this.#correctedUs += excessUs;
    this.#waitUs = Math.max(0, this.#waitUs - excessUs);
    return Math.max(0, queueUs);
  }

  /** The line has been left alone for so long that nothing of ours waits. */
  clear(): void {
    this.#waitUs = 0;
  }
}
