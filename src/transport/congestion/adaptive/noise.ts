import { MS } from "../../../base/units.ts";
import { foreignOf, quantile, queueOf, type Sample } from "./samples.ts";

const US_MIN = 100;
const US_MAX = 3 * MS;
const US_INITIAL = 300;

/** Beyond this a burst of packets tells nothing of the line's rate. */
const ROUGH_US = 800;

/** How many packets of a round trip say anything. */
const PACKETS_MIN = 16;

/** How much of a new value is taken. */
const WEIGHT = 0.2;

/** From the distance of the 10th and the 90th of a hundred to a standard deviation. */
const SPREADS = 2.6;

/** How unsteady a line is while nobody else is there: the spread of waits that we cannot explain. */
export class Noise {
  #us = US_INITIAL;
  #nextUs = US_INITIAL;
  #atUs = 0;

  get us(): number {
    return this.#us;
  }

  get isRough(): boolean {
    return this.#us > ROUGH_US;
  }

  /** The first answers of an empty line. */
  meet(samples: readonly Sample[]): void {
    const waits = samples.map(queueOf);
    const spreadUs = (Math.max(...waits) - Math.min(...waits)) / SPREADS;
    this.#us = Math.min(US_MAX, Math.max(US_INITIAL, spreadUs));
    this.#nextUs = this.#us;
  }

  /**
   * Learns from the last round trip, once in each; what it shows counts a round trip later, unless
   * {@link forgetLast} is called before: others announce themselves by noise.
   */
  learn(nowUs: number, roundUs: number, samples: readonly Sample[]): void {
    if (nowUs - this.#atUs < roundUs) return;
    this.#atUs = nowUs;
    this.#us = Math.min(US_MAX, this.#us + WEIGHT * (this.#nextUs - this.#us));
    const newestUs = samples.at(-1)?.arrivedAtUs ?? 0;
    const recent = samples.filter(({ arrivedAtUs }) => arrivedAtUs > newestUs - roundUs);
    if (recent.length < PACKETS_MIN) return;
    const waits = recent.map(foreignOf);
    this.#nextUs = Math.max(US_MIN, (quantile(waits, 0.9) - quantile(waits, 0.1)) / SPREADS);
  }

  forgetLast(): void {
    this.#nextUs = this.#us;
  }
}
