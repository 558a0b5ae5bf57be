import { DATAGRAM_BYTES_INITIAL } from "../wire/datagram.ts";

/** How often in a row nothing must have come back before long datagrams are suspected. */
const PROBES = 3;

/** How many long datagrams must have been lost, and none arrived, before they are suspected. */
const LOSSES = 16;

/**
 * Notices that datagrams of more than the first length no longer come through, while shorter ones
 * may: a black hole (RFC 8899, section 4.3).
 */
export class LongLosses {
  #lost = 0;
  #arrivedAtUs = 0;

  /** From now on long datagrams are sent, or others than before. */
  begin(nowUs: number): void {
    this.#lost = 0;
    this.#arrivedAtUs = nowUs;
  }

  onArrived(nowUs: number, bytes: number): void {
    if (bytes > DATAGRAM_BYTES_INITIAL) this.begin(nowUs);
  }

  onLost(bytes: number): void {
    if (bytes > DATAGRAM_BYTES_INITIAL) this.#lost += 1;
  }

  /** @param backoffs - How many probes in a row have had no answer. */
  isBlackHole(nowUs: number, ptoUs: number, backoffs: number): boolean {
    if (backoffs >= PROBES) return true;
    return this.#lost >= LOSSES && nowUs - this.#arrivedAtUs > PROBES * ptoUs;
  }
}
