import { GRANULARITY_US, PTO_US_MAX, RTT_INITIAL_US } from "./constants.ts";

/** The round trip of a path, estimated as RFC 9002, section 5 has it. */
export class RttEstimator {
  #smoothedUs = RTT_INITIAL_US;
  #varianceUs = RTT_INITIAL_US / 2;
  #latestUs = RTT_INITIAL_US;
  #minUs = Number.POSITIVE_INFINITY;

  /** @param delayUs - What of `sampleUs` the peer spent before it acknowledged. */
  onSample(sampleUs: number, delayUs: number): void {
    const first = !Number.isFinite(this.#minUs);
    this.#latestUs = sampleUs;
    this.#minUs = Math.min(this.#minUs, sampleUs);
    const adjustedUs = sampleUs - delayUs >= this.#minUs ? sampleUs - delayUs : sampleUs;
    if (first) {
      this.#smoothedUs = adjustedUs;
      this.#varianceUs = adjustedUs / 2;
      return;
    }
    const deviationUs = Math.abs(this.#smoothedUs - adjustedUs);
    this.#varianceUs = (3 * this.#varianceUs + deviationUs) / 4;
    this.#smoothedUs = (7 * this.#smoothedUs + adjustedUs) / 8;
  }

  get smoothedUs(): number {
    return this.#smoothedUs;
  }

  /** The smallest round trip seen; the initial guess before the first. */
  get minUs(): number {
    return Number.isFinite(this.#minUs) ? this.#minUs : RTT_INITIAL_US;
  }

  /** How long after a later packet arrived an earlier one counts as lost (RFC 9002, 6.1.2). */
  get lossDelayUs(): number {
    return Math.max(GRANULARITY_US, (9 / 8) * Math.max(this.#smoothedUs, this.#latestUs));
  }

  /** How long to wait before probing (RFC 9002, 6.2.1), after `backoffs` probes in a row. */
  ptoUs(maxAckDelayUs: number, backoffs: number): number {
    const onceUs =
      this.#smoothedUs + Math.max(4 * this.#varianceUs, GRANULARITY_US) + maxAckDelayUs;
    return Math.min(PTO_US_MAX, onceUs * 2 ** Math.min(backoffs, 16));
  }
}
