/** The clocks of one machine: the one that counts, and the one on the wall. */
export class SimClock {
  #rate = 1;
  #worldUs = 0;
  #ownUs = 0;
  /** By how much the wall clock is wrong, in seconds. */
  wrongS = 0;

  /** What the counting clock shows. Where it goes at the right rate it is the world's. */
  ownUs(worldUs: number): number {
    const passedUs = worldUs - this.#worldUs;
    return this.#ownUs + Math.floor(passedUs * this.#rate);
  }

  /** When the counting clock shows a time, or has just passed it. */
  worldUs(ownUs: number): number {
    const passedUs = ownUs - this.#ownUs;
    if (!Number.isFinite(ownUs)) return ownUs;
    const worldUs = Math.ceil(this.#worldUs + passedUs / this.#rate);
    // Too early by a rounding it would be called again at once, for ever.
    return this.ownUs(worldUs) >= ownUs ? worldUs : worldUs + 1;
  }

  /** Has the counting clock go faster or slower from now on. */
  goAt(rate: number, worldUs: number): void {
    this.#ownUs = this.ownUs(worldUs);
    this.#worldUs = worldUs;
    this.#rate = rate;
  }

  /** The counting clock stood still for a while, as some do while a machine sleeps. */
  stoodStill(us: number): void {
    this.#worldUs += us;
  }

  /** What the wall clock shows, in seconds since 1970. */
  wallS(rightS: number): number {
    return Math.max(0, Math.floor(rightS + this.wrongS));
  }
}

/** Seconds of a year, near enough for a clock that is wrong by some. */
export const YEAR_S: number = 365 * 86_400;
