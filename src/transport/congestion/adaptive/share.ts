import { SECOND } from "../../../base/units.ts";

/** How much of the line we take when it is ours alone. */
export const SHARE_FULL = 0.97;

/**
 * How much for a while after others were there: they often come back, and what they send at once is
 * to find room. Less where they have come back before we had the line for long.
 */
const COURTEOUS = { once: 0.86, often: 0.76 } as const;
const COURTEOUS_US = 2 * SECOND;
const OFTEN_US = SECOND;

/** The least that is worth to take beside others, and how much of what they leave is taken. */
const MIN = 0.05;
const OF_LEFT = 0.95;

/** After how long a part is felt beyond, and by how much at a time. */
const KEPT_US = 2 * SECOND;
const STEP = 0.01;

/** Others who are met again so soon do push. */
const AGAIN_US = 1.5 * SECOND;

/** How much of the line is ours to take: all, but for those who have a steady part of it. */
export class Share {
  #part = SHARE_FULL;
  #metAtUs = Number.NEGATIVE_INFINITY;
  #courteousUntilUs = 0;
  #courteous: number = COURTEOUS.once;

  /** The part to take now. */
  part(nowUs: number): number {
    return this.isCourteous(nowUs) ? Math.min(this.#part, this.#courteous) : this.#part;
  }

  isCourteous(nowUs: number): boolean {
    return nowUs < this.#courteousUntilUs;
  }

  /** Whether all of the line is taken that ever is. */
  get isFull(): boolean {
    return this.#part >= SHARE_FULL;
  }

  /** Others have just gone, and may come back. */
  beCourteous(nowUs: number): void {
    this.#courteousUntilUs = nowUs + COURTEOUS_US;
  }

  /** Whether those that are met now may be such as do not push. */
  mayShare(nowUs: number): boolean {
    return nowUs - this.#metAtUs > AGAIN_US;
  }

  /** Others who do not push take such a part of the line; 0 where it may have been nobody. */
  onMet(nowUs: number, others: number): void {
    this.#metAtUs = nowUs;
    if (others > 0) this.#part = Math.min(SHARE_FULL, Math.max(MIN, OF_LEFT * (1 - others)));
  }

  /** Feels whether there is more. */
  reach(nowUs: number): void {
    if (nowUs - this.#metAtUs > KEPT_US) this.#part = Math.min(SHARE_FULL, this.#part + STEP);
  }

  /** All is others' now, after it was ours for so long; who will be there next is not known. */
  reset(ranUs: number): void {
    this.#courteous = ranUs < OFTEN_US ? COURTEOUS.often : COURTEOUS.once;
    this.#part = SHARE_FULL;
  }
}
