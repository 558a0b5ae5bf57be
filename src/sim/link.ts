import type { Prng } from "../base/prng.ts";
import { SECOND } from "../base/units.ts";

/** What a link does to datagrams, in one direction. */
export type LinkOptions = {
  readonly delayUs: number;
  /** Bytes a second; `Infinity` for a link that is never full. */
  readonly rate: number;
  /** How much may wait before the link drops. */
  readonly queueBytes: number;
  readonly lossPercent: number;
  readonly duplicatePercent: number;
  /** Up to this much extra delay, drawn for each datagram: what it overtakes arrives after it. */
  readonly jitterUs: number;
};

/** A fast link that loses nothing. */
export const LAN: LinkOptions = {
  delayUs: 200,
  rate: 125_000_000,
  queueBytes: 1 << 20,
  lossPercent: 0,
  duplicatePercent: 0,
  jitterUs: 0,
};

/** Bytes that IP and UDP add to a datagram. */
const HEADER_BYTES = 28;

/** One direction of a link: a queue before a fixed rate, then a delay. */
export class Link {
  /** May be changed while datagrams are under way: a line becomes slower, or longer. */
  options: LinkOptions;
  readonly #prng: Prng;
  #freeAtUs = 0;
  #carriedBytes = 0;
  #dropped = 0;
  /** Whether datagrams get through at all. */
  cut = false;

  constructor(options: LinkOptions, prng: Prng) {
    this.options = options;
    this.#prng = prng;
  }

  /** Bytes that entered the wire, with IP and UDP headers. */
  get carriedBytes(): number {
    return this.#carriedBytes;
  }

  /** Datagrams that were lost or found the queue full. */
  get dropped(): number {
    return this.#dropped;
  }

  /** When each copy of a datagram arrives: none, one, or two times. */
  carry(nowUs: number, lengthBytes: number): readonly number[] {
    const { rate, queueBytes, delayUs, jitterUs, lossPercent, duplicatePercent } = this.options;
    const bytes = lengthBytes + HEADER_BYTES;
    const startUs = Math.max(nowUs, this.#freeAtUs);
    const waitingBytes = ((startUs - nowUs) * rate) / SECOND;
    if (this.cut || (Number.isFinite(rate) && waitingBytes + bytes > queueBytes)) {
      this.#dropped += 1;
      return [];
    }
    this.#freeAtUs = startUs + (Number.isFinite(rate) ? (bytes * SECOND) / rate : 0);
    this.#carriedBytes += bytes;
    if (this.#prng.below(100_000) < lossPercent * 1_000) {
      this.#dropped += 1;
      return [];
    }
    const copies = this.#prng.below(100_000) < duplicatePercent * 1_000 ? 2 : 1;
    return Array.from({ length: copies }, () =>
      Math.ceil(this.#freeAtUs + delayUs + (jitterUs > 0 ? this.#prng.below(jitterUs) : 0)),
    );
  }
}
