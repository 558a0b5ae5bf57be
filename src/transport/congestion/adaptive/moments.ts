import { MS, SECOND } from "../../../base/units.ts";

/** Who has gone, and is met again so soon, had not gone. */
const AGAIN_US = 250 * MS;
const AGAIN_ROUNDS = 8;

/**
 * A mistake counts for two, what was right for one less; from so many on nobody is believed to have
 * gone for so long.
 */
const MISTAKES_MAX = 3;
const DISTRUST_US = 30 * SECOND;

/**
 * Whether a wait for others that grows no more is taken for a moment that is over: something held
 * up the path (a radio, a processor), or somebody sent a little. Then it is not worth to be silent.
 * The first packets of a page look alike, and more follow them: whoever comes back at once, again
 * and again, is believed no more for a while.
 */
export class Moments {
  #againUntilUs = 0;
  #mistakes = 0;
  #distrustUntilUs = 0;

  /** Others who are met seem to have gone already. @returns Whether that is believed. */
  isOne(nowUs: number, roundUs: number): boolean {
    if (nowUs < this.#distrustUntilUs || nowUs < this.#againUntilUs) return false;
    this.#againUntilUs = nowUs + Math.max(AGAIN_US, AGAIN_ROUNDS * roundUs);
    this.#mistakes = Math.max(0, this.#mistakes - 1);
    return true;
  }

  /** Others are there. */
  onOthers(nowUs: number): void {
    if (nowUs > this.#againUntilUs) return;
    this.#againUntilUs = 0;
    this.#mistakes += 2;
    if (this.#mistakes < MISTAKES_MAX) return;
    this.#mistakes = 0;
    this.#distrustUntilUs = nowUs + DISTRUST_US;
  }
}
