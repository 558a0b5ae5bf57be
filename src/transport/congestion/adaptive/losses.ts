import { SECOND } from "../../../base/units.ts";
import type { LineView } from "./line-view.ts";
import { flowOf, quantile, queueOf } from "./samples.ts";

/** Losses are looked at in lots of so many packets, and are many from this part on. */
const LOT_PACKETS = 256;
const MANY = 0.03;

/** By how many of the last arrivals the rate is taken that comes through. */
const RECENT_PACKETS = 64;
const SLOWER = 0.95;

/** How often being slower is tried against losses, and how long it is left alone if in vain. */
const TRIES_MAX = 4;
const IN_VAIN_US = 60 * SECOND;

/**
 * Losses on a line that has no queue: somebody polices its rate, or it loses a part of whatever is
 * sent. In the one case it helps to be slower, in the other it does not.
 */
export class Losses {
  #sent = 0;
  #lost = 0;
  #tries = 0;
  /** What was believed before the first try. */
  #capacity = 0;
  #ignoredUntilUs = 0;

  onSent(): void {
    this.#sent += 1;
  }

  /** @returns What the line's rate is to be taken for now, where losses say anything of it. */
  onLost(nowUs: number, packets: number, line: LineView): number | undefined {
    this.#lost += packets;
    if (this.#sent < LOT_PACKETS) return undefined;
    const isMany = this.#lost > MANY * this.#sent;
    this.#sent = 0;
    this.#lost = 0;
    if (!isMany || nowUs < this.#ignoredUntilUs) {
      this.#tries = 0;
      return undefined;
    }
    const recent = line.samples.filter(({ probe }) => !probe).slice(-RECENT_PACKETS);
    const flow = flowOf(recent);
    // What is lost to a queue is a queue's matter.
    const hasQueue = quantile(recent.map(queueOf), 0.5) > line.alarmUs / 2;
    return flow === undefined || hasQueue ? undefined : this.#tryRate(nowUs, line, flow.outRate);
  }

  #tryRate(nowUs: number, line: LineView, outRate: number): number {
    if (this.#tries === 0) this.#capacity = line.capacity;
    this.#tries += 1;
    if (this.#tries <= TRIES_MAX) return SLOWER * outRate;
    this.#tries = 0;
    this.#ignoredUntilUs = nowUs + IN_VAIN_US;
    return Math.max(line.capacity, this.#capacity);
  }
}
