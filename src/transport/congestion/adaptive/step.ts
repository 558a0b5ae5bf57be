import { MS } from "../../../base/units.ts";
import type { Sample } from "./samples.ts";

/** A full packet with its headers of IP and UDP. */
export const PACKET_BYTES = 1_500;

/** How long what is still missing of a step is waited for, beyond a round trip. */
const PATIENCE_US = 100 * MS;

/**
 * Some packets that are sent to learn something from how they arrive: a burst, to learn how fast
 * the line is, or a train, to learn whether it is free.
 */
export class Step {
  readonly kind: "pair" | "burst" | "train";
  #leftBytes: number;
  #firstPacket: number | undefined;
  #sent = 0;
  #lastAtUs: number;

  constructor(nowUs: number, kind: Step["kind"], packets: number) {
    this.kind = kind;
    this.#leftBytes = packets * PACKET_BYTES;
    this.#lastAtUs = nowUs;
  }

  /** What may still be sent of it. */
  get leftBytes(): number {
    return this.#leftBytes;
  }

  get sent(): number {
    return this.#sent;
  }

  onSent(nowUs: number, packet: number, bytes: number): void {
    this.#firstPacket ??= packet;
    this.#leftBytes -= bytes;
    this.#sent += 1;
    this.#lastAtUs = nowUs;
  }

  /** There is no more to be sent of it: those who use us have no more to say. */
  cut(): void {
    this.#leftBytes = 0;
  }

  /** Until when the next of its packets or of their arrivals is waited for. */
  untilUs(roundUs: number): number {
    return this.#lastAtUs + roundUs + PATIENCE_US;
  }

  /** Its packets among those that arrived. */
  arrived(samples: readonly Sample[]): readonly Sample[] {
    const first = this.#firstPacket ?? Number.POSITIVE_INFINITY;
    return samples.filter(({ probe, packet }) => !probe && packet >= first);
  }
}
