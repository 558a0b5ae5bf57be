import { MS, SECOND } from "../../base/units.ts";
import { DATAGRAM_BYTES } from "./controller.ts";

/** How much time's worth of bytes may leave at once: Node's timers are no finer than this. */
const BURST_US = 2 * MS;

/** The smallest burst, in bytes. */
const BURST_BYTES_MIN = 10 * DATAGRAM_BYTES;

/** Spreads sends over time: credit that grows with the rate, up to one burst. */
export class Pacer {
  #creditBytes = BURST_BYTES_MIN;
  #updatedAtUs = 0;

  /**
   * How many bytes may leave now, at `rate` bytes a second; at most zero where none may.
   *
   * @param burstBytesMin - What may leave at once, however slow the rate.
   */
  allowance(nowUs: number, rate: number, burstBytesMin = 0): number {
    if (!Number.isFinite(rate)) return Number.POSITIVE_INFINITY;
    const burstBytes = Math.max(BURST_BYTES_MIN, burstBytesMin, (rate * BURST_US) / SECOND);
    const earned = (rate * Math.max(0, nowUs - this.#updatedAtUs)) / SECOND;
    this.#creditBytes = Math.min(burstBytes, this.#creditBytes + earned);
    this.#updatedAtUs = nowUs;
    return this.#creditBytes;
  }

  /** Takes what has been sent from the credit, which may become negative. */
  onSent(bytes: number): void {
    this.#creditBytes -= bytes;
  }

  /** When so much may be sent again that it is worth to wake. Asked right after {@link allowance}. */
  nextAtUs(rate: number, worthBytes = 1): number {
    const missingBytes = Math.max(0, worthBytes - this.#creditBytes);
    return this.#updatedAtUs + Math.ceil((missingBytes * SECOND) / rate);
  }
}
