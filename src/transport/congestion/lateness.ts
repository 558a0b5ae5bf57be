import { MS } from "../../base/units.ts";

/** From where on a wait for the processor spoils what was measured meanwhile. */
const SPOILT_US = 3 * MS;

/** The longest wait that is made up for: an edge router's queue holds more than this. */
const LATE_US_MAX = 50 * MS;

/** How fast it is forgotten that we were late, from one look to the next. */
const DECAY = 0.99;

/** How late the world lets us act, where other programs want the processor too. */
export class Lateness {
  #us = 0;

  /** How much later than due we have lately been let act, at most. */
  get us(): number {
    return this.#us;
  }

  /** It is `nowUs`, and something was to be done at `dueUs`; infinite where nothing was. */
  look(nowUs: number, dueUs: number): void {
    const lateUs = Math.min(LATE_US_MAX, Math.max(0, nowUs - dueUs));
    this.#us = Math.max(lateUs, this.#us * DECAY);
  }
}

/** Whether what arrives at `nowUs` may have waited for us, who were to act at `dueUs`. */
export function isSpoilt(nowUs: number, dueUs: number): boolean {
  return nowUs - dueUs > SPOILT_US;
}
