import { MS, SECOND } from "../../../base/units.ts";
import type { LineView } from "./line-view.ts";

/** How fast probes follow each other: at first, later, and on a line slower than 2 Mbit/s. */
const EARLY_GAP_US = 10 * MS;
const EARLY_US = 300 * MS;
const GAP_US = 20 * MS;
const SLOW_GAP_US = 50 * MS;
const SLOW_RATE = 250 * 1_000;

/** How fast the first ones do that nobody has answered, after some. */
const UNANSWERED_GAP_US = 100 * MS;
const UNANSWERED = 4;

/** Where nobody answers, the gap becomes this part of the time since somebody did. */
const PATIENCE = 1 / 8;

/** When probes leave: packets of a few bytes that show how the line is while nothing else leaves. */
export class Probes {
  #count = 0;
  #sinceUs = 0;
  #nextUs = 0;

  get nextUs(): number {
    return this.#nextUs;
  }

  /** A silence begins, or somebody waits again. */
  begin(nowUs: number): void {
    this.#count = 0;
    this.#sinceUs = nowUs;
    this.#nextUs = nowUs;
  }

  /** Whether one is to leave now. */
  take(nowUs: number, line: LineView): boolean {
    if (nowUs < this.#nextUs) return false;
    this.#count += 1;
    this.#nextUs = nowUs + this.#gapUs(nowUs, line);
    return true;
  }

  #gapUs(nowUs: number, line: LineView): number {
    if (line.answers === 0) return this.#count < UNANSWERED ? EARLY_GAP_US : UNANSWERED_GAP_US;
    const laterUs = line.capacity > 0 && line.capacity < SLOW_RATE ? SLOW_GAP_US : GAP_US;
    const usualUs = nowUs - this.#sinceUs < EARLY_US ? EARLY_GAP_US : laterUs;
    return Math.max(usualUs, Math.min(SECOND, PATIENCE * (nowUs - line.answeredAtUs)));
  }
}
