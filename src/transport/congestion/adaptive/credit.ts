import { MS, SECOND } from "../../../base/units.ts";
import { PACKET_BYTES } from "./step.ts";

/** How far sending may lag behind its rate and make up for it at once. */
const BURST_US = 2 * MS;

/** What is worth a turn of the program: timers are no finer. */
const TURN_US = MS;

/** What may be sent at a rate: earned with time, and lost where it is not used soon. */
export class Credit {
  #bytes = 0;
  #atUs = 0;

  /** Begins with nothing. */
  clear(nowUs: number): void {
    this.#bytes = 0;
    this.#atUs = nowUs;
  }

  /** @param lateUs - Who is often let act late may make up for so much more. */
  allowance(nowUs: number, rate: number, lateUs: number): number {
    const mostBytes = Math.max(PACKET_BYTES, (rate * (BURST_US + lateUs)) / SECOND);
    const earnedBytes = (rate * Math.max(0, nowUs - this.#atUs)) / SECOND;
    this.#bytes = Math.min(mostBytes, this.#bytes + earnedBytes);
    this.#atUs = nowUs;
    return this.#bytes;
  }

  onSent(bytes: number): void {
    this.#bytes -= bytes;
  }

  /** When so much may be sent that it is worth to wake. */
  nextAtUs(nowUs: number, rate: number): number {
    const worthBytes = (rate * TURN_US) / SECOND;
    return nowUs + Math.max(1, ((worthBytes - this.#bytes) * SECOND) / rate);
  }
}
