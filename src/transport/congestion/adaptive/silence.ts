import type { Prng } from "../../../base/prng.ts";
import { MS, SECOND } from "../../../base/units.ts";
import type { LineView } from "./line-view.ts";
import type { Sample } from "./samples.ts";

/** The longest silence between two tests of the line: what a test costs is little of that. */
const HOLD_US_MAX = 4 * SECOND;

/** A round trip is taken to be this long at least, where silence is measured in round trips. */
const ROUND_US_MIN = 30 * MS;

/** Who was alone for so long, and is disturbed, asks himself whether it was one of ours. */
const LONG_RUN_US = SECOND;

/** How soon after an alarm one of ours would fail our test. */
const AT_ONCE_US = 2 * SECOND;

/** How long after what waited at an alarm has left the line a wait is others'. */
const GONE_US = 10 * MS;

/** A run that is shorter than this, and than four round trips, was a mistake. */
const SHORT_RUN_US = 200 * MS;

/** How long another one of ours is let go on, and how long it is remembered that there is one. */
const TURN_US = 2.5 * SECOND;
const TURN_FORGET_US = 10 * SECOND;

/** How long a path is looked at before a wait that does not change may count as its length. */
const FLAT_US = 250 * MS;
const FLAT_WAIT_US = SECOND;
const FLAT_WAIT_US_MAX = 8 * SECOND;

/** How long it may be since a probe was answered. */
const ANSWERED_US = 200 * MS;

/** Why the line is tested. */
export type Occasion = "clear" | "flat";

/**
 * How long we stay silent once others are there.
 *
 * - Probes see whether anybody waits. Where the line keeps a queue for each flow they do not, and
 *   only a test (a train) tells; each that fails doubles the time to the next.
 * - Two of ours would take each other for others for ever. Who has had the line for a while and
 *   finds it taken again at once gives the other a turn of some seconds.
 * - A path that has become longer looks like a queue, but one that does not change.
 */
export class Silence {
  readonly #prng: Prng;
  #failures = 0;
  #sinceUs = 0;
  #untilUs = 0;
  /** Since when probes have found nobody waiting. */
  #clearSinceUs: number | undefined;
  /** Whether the line was ours for long when the others came. */
  #wasLong = false;
  #alarmAtUs = 0;
  /** When all of ours that waited at the alarm has left the line. */
  #goneAtUs = 0;
  /** Whether the others were still there then. */
  #lasted = false;
  #turnAtUs = Number.NEGATIVE_INFINITY;
  #flatAtUs = 0;
  #flatWaitUs = FLAT_WAIT_US;
  #flatPasses = 0;

  constructor(prng: Prng) {
    this.#prng = prng;
  }

  /** How many tests in a row have failed. */
  get failures(): number {
    return this.#failures;
  }

  /** Forgets all that was. */
  clear(): void {
    this.#failures = 0;
    this.#wasLong = false;
  }

  /** Whether another one of ours has been met lately. */
  takesTurns(nowUs: number): boolean {
    return nowUs - this.#turnAtUs < TURN_FORGET_US;
  }

  /**
   * The silence is over: whether those who came were there for longer than a moment. A path that
   * was held up once (by a processor, by a radio) looks like others who come and go at once.
   */
  endedLasting(): boolean {
    const lasted = this.#lasted;
    this.#lasted = false;
    return lasted;
  }

  /** Others came, and perhaps are gone again, after the line was ours for so long. */
  onAlarm(
    nowUs: number,
    { ranUs, isOver }: { readonly ranUs: number; readonly isOver: boolean },
    { roundUs, queueUs }: LineView,
  ): void {
    const isShort = ranUs < Math.max(SHORT_RUN_US, 4 * roundUs);
    this.#failures = isShort ? this.#failures + 1 : 0;
    this.#wasLong = ranUs > LONG_RUN_US;
    this.#alarmAtUs = nowUs;
    this.#goneAtUs = nowUs + queueUs + GONE_US;
    this.#lasted = false;
    this.#flatAtUs = nowUs + FLAT_US;
    this.#flatWaitUs = FLAT_WAIT_US;
    this.#flatPasses = 0;
    if (!isOver && this.#wasLong && this.takesTurns(nowUs)) {
      this.#giveTurn(nowUs);
      return;
    }
    const longUs = this.#wasLong ? this.#rounds(6, 2, roundUs) : 0;
    this.#hold(nowUs, Math.max(longUs, this.#holdUs(roundUs)));
  }

  /** A test has failed, or nobody has answered it yet. */
  onFailed(
    nowUs: number,
    occasion: Occasion,
    { roundUs, lost }: { readonly roundUs: number; readonly lost: boolean },
  ): void {
    this.#flatPasses = 0;
    this.#lasted = true;
    if (occasion === "flat") {
      // It is a queue that somebody keeps full: the next look at it can wait.
      this.#flatWaitUs = Math.min(FLAT_WAIT_US_MAX, 2 * this.#flatWaitUs);
      this.#flatAtUs = nowUs + this.#flatWaitUs;
      this.#hold(nowUs, 0);
      return;
    }
    this.#failures += 1;
    // Of ours another one would have been there at once.
    if (!lost && this.#wasLong && nowUs - this.#alarmAtUs < AT_ONCE_US) this.#giveTurn(nowUs);
    else this.#hold(nowUs, this.#holdUs(roundUs));
  }

  /**
   * A test of a path that seems to be longer has passed.
   *
   * @returns Whether that is enough; otherwise it is to be tested once more.
   */
  onFlatPassed(nowUs: number): boolean {
    this.#flatPasses += 1;
    if (this.#flatPasses >= 2) return true;
    this.#flatAtUs = nowUs + FLAT_US;
    this.#hold(nowUs, FLAT_US);
    return false;
  }

  /** A packet that left during this silence has waited, or has not. */
  onProbe(nowUs: number, sample: Sample, badUs: number): void {
    if (sample.sentAtUs < this.#sinceUs) return;
    if (sample.queueUs <= badUs) {
      this.#clearSinceUs ??= nowUs;
      return;
    }
    this.#clearSinceUs = undefined;
    if (sample.sentAtUs > this.#goneAtUs) this.#lasted = true;
  }

  /** Whether it is time to test the line, and why. */
  occasion(nowUs: number, line: LineView): Occasion | undefined {
    if (nowUs < this.#untilUs || nowUs - line.answeredAtUs > ANSWERED_US) return undefined;
    const clearUs = this.#clearSinceUs === undefined ? 0 : nowUs - this.#clearSinceUs;
    if (clearUs >= Math.max(1.5 * line.roundUs, 40 * MS)) return "clear";
    return nowUs >= this.#flatAtUs && line.flatUs > 0 ? "flat" : undefined;
  }

  #giveTurn(nowUs: number): void {
    this.#wasLong = false;
    this.#failures = 0;
    this.#turnAtUs = nowUs;
    this.#hold(nowUs, TURN_US + this.#prng.below(SECOND));
  }

  /** A third of it is left to chance: two of ours that test at the same time would do so for ever. */
  #holdUs(roundUs: number): number {
    const doubled = 2 ** Math.max(0, this.#failures - 1);
    const mostUs = Math.min(HOLD_US_MAX, 3 * doubled * Math.max(ROUND_US_MIN, roundUs));
    return mostUs - this.#prng.below(mostUs / 3);
  }

  /** So many round trips, and a part of some more that is left to chance. */
  #rounds(count: number, chance: number, roundUs: number): number {
    const onceUs = Math.max(ROUND_US_MIN, roundUs);
    return count * onceUs + this.#prng.below(chance * onceUs);
  }

  #hold(nowUs: number, us: number): void {
    this.#sinceUs = nowUs;
    this.#untilUs = nowUs + us;
    this.#clearSinceUs = undefined;
  }
}
