import { ARRIVALS_MAX, type ArrivalsFrame, followsClosely } from "../wire/frames.ts";

/** How many arrivals are remembered until they have been told: what a peer sends cannot grow us. */
const REMEMBERED_MAX = 16 * ARRIVALS_MAX;

/**
 * When packets came that are to be told to their sender one by one, because it finds out by them
 * how the line is.
 */
export class ArrivalLog {
  #arrived: { packet: number; atUs: number }[] = [];

  add(packet: number, atUs: number): void {
    if (this.#arrived.length < REMEMBERED_MAX) this.#arrived.push({ packet, atUs });
  }

  /** What has not been told yet, in as many frames as it takes. */
  take(nowUs: number): readonly ArrivalsFrame[] {
    const lots: { packet: number; atUs: number }[][] = [];
    let lot: { packet: number; atUs: number }[] = [];
    for (const arrival of this.#arrived) {
      const before = lot.at(-1);
      const fits = before !== undefined && followsClosely(before, arrival);
      if (!fits || lot.length === ARRIVALS_MAX) {
        lot = [];
        lots.push(lot);
      }
      lot.push(arrival);
    }
    this.#arrived = [];
    return lots.map((arrived) => ({ kind: "arrivals", arrived, saidAtUs: nowUs }));
  }
}
