import { SECOND } from "../../../base/units.ts";

/** How long the smallest delay stands for the empty line while we use it, in periods. */
const PERIOD_US = 10 * SECOND;
const PERIODS = 3;

/** How many packets a period needs to say anything. */
const PERIOD_PACKETS = 50;

/** Over what time two clocks are compared. */
const SKEW_US = 2 * SECOND;

/** Clocks that differ by less are not put right. */
const SKEW_MIN_US = 300;

/** From our clock to the peer's when a packet went, and back when its report came. */
export type Delays = { readonly owdUs: number; readonly backUs: number };

/**
 * How long packets wait on a path beyond what the empty path takes.
 *
 * One-way delays are taken with two clocks of which nothing is known: only their differences count,
 * and a difference of rates would look like a queue that grows. The round trip is taken with one
 * clock, and what a packet waited on its way there it cannot have exceeded: the smaller of the two
 * counts, and where the one-way delay is the larger for long, its base moves.
 */
export class PathDelay {
  #baseUs = Number.POSITIVE_INFINITY;
  #rttBaseUs = Number.POSITIVE_INFINITY;
  /** The smallest of the period that is under way, and of those before. */
  #period = newPeriod(0);
  #periods: readonly Period[] = [];
  #skewSinceUs = 0;
  #skewUs = Number.POSITIVE_INFINITY;

  /** The round trip of the empty path; `undefined` before the first packet. */
  get rttUs(): number | undefined {
    return Number.isFinite(this.#rttBaseUs) ? this.#rttBaseUs : undefined;
  }

  /**
   * A packet arrived.
   *
   * @param isOurs - Whether the line is ours alone, so that old minima may be forgotten.
   * @returns How long it waited.
   */
  onArrived(nowUs: number, { owdUs, backUs }: Delays, isOurs: boolean): number {
    const rttUs = owdUs + backUs;
    this.#baseUs = Math.min(this.#baseUs, owdUs);
    this.#rttBaseUs = Math.min(this.#rttBaseUs, rttUs);
    if (isOurs) this.#age(nowUs, owdUs, rttUs);
    const oneWayUs = owdUs - this.#baseUs;
    const roundUs = rttUs - this.#rttBaseUs;
    this.#compareClocks(nowUs, oneWayUs - roundUs);
    return Math.max(0, Math.min(oneWayUs, roundUs));
  }

  /** The empty path takes so much longer now. */
  raise(byUs: number): void {
    this.#baseUs += byUs;
    this.#rttBaseUs += byUs;
    this.#periods = [];
    this.#period = newPeriod(this.#period.sinceUs);
  }

  /** Nothing is known any more. */
  forget(): void {
    this.#baseUs = Number.POSITIVE_INFINITY;
    this.#rttBaseUs = Number.POSITIVE_INFINITY;
    this.#periods = [];
    this.#period = newPeriod(0);
    this.#skewUs = Number.POSITIVE_INFINITY;
  }

  #age(nowUs: number, owdUs: number, rttUs: number): void {
    if (nowUs - this.#period.sinceUs > PERIOD_US) {
      if (this.#period.packets >= PERIOD_PACKETS) {
        this.#periods = [...this.#periods, this.#period].slice(-PERIODS);
      }
      this.#period = newPeriod(nowUs);
      if (this.#periods.length === PERIODS) {
        this.#baseUs = Math.min(owdUs, ...this.#periods.map((period) => period.owdUs));
        this.#rttBaseUs = Math.min(rttUs, ...this.#periods.map((period) => period.rttUs));
      }
    }
    this.#period.packets += 1;
    this.#period.owdUs = Math.min(this.#period.owdUs, owdUs);
    this.#period.rttUs = Math.min(this.#period.rttUs, rttUs);
  }

  #compareClocks(nowUs: number, aheadUs: number): void {
    this.#skewUs = Math.min(this.#skewUs, aheadUs);
    if (nowUs - this.#skewSinceUs < SKEW_US) return;
    if (this.#skewUs > SKEW_MIN_US && Number.isFinite(this.#skewUs)) this.#shift(this.#skewUs);
    this.#skewSinceUs = nowUs;
    this.#skewUs = Number.POSITIVE_INFINITY;
  }

  #shift(byUs: number): void {
    this.#baseUs += byUs;
    this.#period.owdUs += byUs;
    for (const period of this.#periods) period.owdUs += byUs;
  }
}

type Period = { readonly sinceUs: number; packets: number; owdUs: number; rttUs: number };

function newPeriod(sinceUs: number): Period {
  return {
    sinceUs,
    packets: 0,
    owdUs: Number.POSITIVE_INFINITY,
    rttUs: Number.POSITIVE_INFINITY,
  };
}
