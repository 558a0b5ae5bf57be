import type { OwnWait } from "./own-queue.ts";

/** What is remembered of a packet until the peer says that it arrived. */
export type SentPacket = {
  readonly atUs: number;
  readonly bytes: number;
  readonly probe: boolean;
  readonly own: OwnWait;
};

/** How many packets are remembered: more than are ever under way. */
const PACKETS_MAX = 16_384;

/** The packets that have left, by number, until they arrive. */
export class PacketLog {
  readonly #packets = new Map<number, SentPacket>();

  add(packet: number, sent: SentPacket): void {
    this.#packets.set(packet, sent);
    if (this.#packets.size <= PACKETS_MAX) return;
    for (const oldest of this.#packets.keys()) {
      if (this.#packets.size <= PACKETS_MAX / 2) return;
      this.#packets.delete(oldest);
    }
  }

  /** What is known of a packet, once: the first time that it is said to have arrived counts. */
  take(packet: number): SentPacket | undefined {
    const sent = this.#packets.get(packet);
    if (sent !== undefined) this.#packets.delete(packet);
    return sent;
  }

  clear(): void {
    this.#packets.clear();
  }
}
