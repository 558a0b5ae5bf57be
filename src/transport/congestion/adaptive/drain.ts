import { MS } from "../../../base/units.ts";
import type { LineView } from "./line-view.ts";
import { foreignOf, queueOf } from "./samples.ts";
import { isEmpty } from "./verdicts.ts";

/** How much of the line's rate is sent meanwhile. */
export const DRAIN_SHARE = 0.3;

/** In round trips: when to look first, when a queue must have become shorter, and when empty. */
const FIRST = 1.2;
const SHORTER = 2.5;
const EMPTY = 6;
const AGAIN_US = 10 * MS;

/**
 * Which queue is to be empty: all of it; all of it, which may become much longer first by what is on
 * its way; or that of others, where nothing says that our own is other than we think.
 */
export type Drained = "all" | "growing" | "foreign";

/** A queue that is let run empty, to see whose it was: ours does, others' may not. */
export class Drain {
  #sinceUs = 0;
  #dueUs = 0;
  #queueUs = 0;
  #what: Drained = "all";

  get dueUs(): number {
    return this.#dueUs;
  }

  begin(nowUs: number, line: LineView, what: Drained): void {
    this.#sinceUs = nowUs;
    this.#dueUs = nowUs + FIRST * line.roundUs;
    this.#queueUs = line.queueUs;
    this.#what = what;
  }

  /** Looks at the queue when that is due: whether it is empty, or others'; or when to look again. */
  look(nowUs: number, line: LineView): "empty" | "others" | undefined {
    if (isEmpty(line, this.#what === "foreign" ? foreignOf : queueOf)) return "empty";
    const rounds = (nowUs - this.#sinceUs) / line.roundUs;
    const isNoShorter = rounds > SHORTER && line.queueUs >= this.#queueUs;
    if (rounds > EMPTY || (isNoShorter && this.#what !== "growing")) return "others";
    this.#dueUs = nowUs + AGAIN_US;
    return undefined;
  }
}
