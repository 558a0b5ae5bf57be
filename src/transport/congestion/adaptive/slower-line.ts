import type { LineView } from "./line-view.ts";
import { flowOf, quantile, type Sample } from "./samples.ts";

/** How many tests in a row must have failed alike, and how far each may be from their median. */
const TESTS = 5;
const ALIKE = 0.25;

/**
 * A line that keeps a queue for each flow gives us half of it beside one who wants all, and more
 * only where the line itself is slower...
 */
const PART_ALONE = 0.58;

/**
 * ... or where nobody is there. Even there a probe waits until the packet that is being sent has
 * left: for all of its time or none, so that half of the probes are half of it apart. This is less.
 */
const SPREAD_ALONE = 0.2;

type Test = { readonly rate: number; readonly isAlone: boolean };

/**
 * Whether a line on which nobody waits, and on which yet each test fails, is slower than thought:
 * it has become so, or was measured too fast. Without this no test would ever pass there, since a
 * test is sent at nearly the rate that is believed.
 */
export class SlowerLine {
  #tests: readonly Test[] = [];
  /** The rate at which the line was ours for long: being mistaken twice must not add up. */
  #usedRate: number | undefined;

  /** The line has been ours for a while, at that rate in bytes a second. */
  onUsed(rate: number): void {
    this.#tests = [];
    this.#usedRate = rate;
  }

  /** A test has passed. */
  onPassed(): void {
    this.#tests = [];
  }

  /** It is another line, perhaps. */
  forget(): void {
    this.#tests = [];
    this.#usedRate = undefined;
  }

  /**
   * A test of the line has failed.
   *
   * @returns How fast the line is instead, in bytes a second; `undefined` while that is not known.
   */
  onFailed(train: readonly Sample[], line: LineView): number | undefined {
    const rate = flowOf(train)?.outRate ?? 0;
    const isAlone = line.probeSpreadUs < SPREAD_ALONE * line.packetUs;
    this.#tests = [...this.#tests, { rate, isAlone }].slice(-TESTS);
    if (this.#tests.length < TESTS) return undefined;
    const rates = this.#tests.map((test) => test.rate);
    const median = quantile(rates, 0.5);
    const isAlike = rates.every((other) => Math.abs(other - median) < ALIKE * median);
    const isMost = this.#usedRate !== undefined && median > PART_ALONE * this.#usedRate;
    const isOurs = isMost || this.#tests.every((test) => test.isAlone);
    if (!isAlike || !isOurs || median >= line.capacity) return undefined;
    this.#tests = [];
    return median;
  }
}
