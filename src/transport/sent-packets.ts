import type { PacketRange } from "../wire/frames.ts";

/** A sealed record that the peer has not said it has opened. */
export type OutRecord = {
  readonly number: number;
  /** The number of its channel. */
  readonly channel: number;
  readonly phase: 0 | 1;
  /** Length of each of its datagrams but the last. */
  readonly segmentBytes: number;
  /** Headers and ciphertext as they go on the wire, fragment after fragment. */
  readonly image: Uint8Array;
  readonly view: DataView;
  readonly fragments: number;
  /** The packet that carries each fragment now: 0 for none yet or none any more. */
  readonly packets: Uint32Array;
  readonly acked: Uint8Array;
  /** How many fragments are acknowledged. */
  ackedCount: number;
  /** The first fragment that has never been sent. */
  unsent: number;
};

/** Room for so many packets at first, which doubles whenever it is too little: a server has many idle peers. */
const CAPACITY_INITIAL = 16;

/**
 * The packets under way, by number: which fragment of which record each carries, and since when.
 *
 * Numbers rise and are let go of roughly in order, so a ring of plain arrays holds them. There is
 * one entry for each datagram, which must cost no allocation.
 */
export class SentPackets {
  #records: (OutRecord | undefined)[] = new Array(CAPACITY_INITIAL).fill(undefined);
  #fragments = new Uint8Array(CAPACITY_INITIAL);
  #limited = new Uint8Array(CAPACITY_INITIAL);
  #atUs = new Float64Array(CAPACITY_INITIAL);
  #mask = CAPACITY_INITIAL - 1;
  #size = 0;
  /** No packet below is under way, and none from `#end` on. */
  #oldest = 0;
  #end = 0;

  /** How many packets are under way. */
  get size(): number {
    return this.#size;
  }

  /** The lowest number that is under way, or that of the next packet. */
  get oldest(): number {
    if (this.#size === 0) this.#oldest = this.#end;
    while (this.#oldest < this.#end && this.#records[this.#oldest & this.#mask] === undefined) {
      this.#oldest += 1;
    }
    return this.#oldest;
  }

  /** The number after the highest that was added. */
  get end(): number {
    return this.#end;
  }

  /** Adds a packet, whose number is above all others'. */
  add(
    packet: number,
    sent: {
      readonly record: OutRecord;
      readonly fragment: number;
      readonly atUs: number;
      readonly appLimited: boolean;
    },
  ): void {
    if (this.#size === 0) this.#oldest = packet;
    if (packet - this.#oldest > this.#mask && packet - this.oldest > this.#mask) {
      this.#enlarge(packet);
    }
    const at = packet & this.#mask;
    this.#records[at] = sent.record;
    this.#fragments[at] = sent.fragment;
    this.#limited[at] = sent.appLimited ? 1 : 0;
    this.#atUs[at] = sent.atUs;
    this.#end = packet + 1;
    this.#size += 1;
  }

  /** The record of a packet that is under way. */
  recordOf(packet: number): OutRecord | undefined {
    if (packet < this.#oldest || packet >= this.#end) return undefined;
    return this.#records[packet & this.#mask];
  }

  /** Of a packet that is under way: which fragment it carries. */
  fragmentOf(packet: number): number {
    return this.#fragments[packet & this.#mask] ?? 0;
  }

  /** Of a packet that is under way: when it was sent. */
  atUsOf(packet: number): number {
    return this.#atUs[packet & this.#mask] ?? 0;
  }

  /** Of a packet that is under way: whether there was nothing more to send. */
  appLimitedOf(packet: number): boolean {
    return this.#limited[packet & this.#mask] === 1;
  }

  /** Lets go of a packet that is under way. */
  delete(packet: number): void {
    this.#records[packet & this.#mask] = undefined;
    this.#size -= 1;
  }

  /**
   * The parts of ranges in which packets may be that are still under way.
   *
   * @param next - The number of the next packet.
   */
  clip(ranges: readonly PacketRange[], next: number): readonly PacketRange[] {
    const oldest = this.size === 0 ? next : this.oldest;
    const clipped: PacketRange[] = [];
    // Ranges that a peer means do not overlap: no more than all packets need be looked at.
    let looks = next - oldest;
    for (const range of ranges) {
      if (looks <= 0) break;
      const first = Math.max(range.first, oldest);
      const last = Math.min(range.last, next - 1);
      if (first > last) continue;
      looks -= last - first + 1;
      clipped.push({ first, last });
    }
    return clipped;
  }

  #enlarge(packet: number): void {
    let capacity = 2 * (this.#mask + 1);
    while (packet - this.#oldest >= capacity) capacity *= 2;
    const from = { records: this.#records, fragments: this.#fragments, mask: this.#mask };
    const [limited, atUs] = [this.#limited, this.#atUs];
    this.#records = new Array(capacity).fill(undefined);
    this.#fragments = new Uint8Array(capacity);
    this.#limited = new Uint8Array(capacity);
    this.#atUs = new Float64Array(capacity);
    this.#mask = capacity - 1;
    for (let number = this.#oldest; number < this.#end; number += 1) {
      const [old, at] = [number & from.mask, number & this.#mask];
      this.#records[at] = from.records[old];
      this.#fragments[at] = from.fragments[old] ?? 0;
      this.#limited[at] = limited[old] ?? 0;
      this.#atUs[at] = atUs[old] ?? 0;
    }
  }
}

/** Length of the datagram that carries a fragment. */
export function datagramBytes(record: OutRecord, fragment: number): number {
  return Math.min(record.segmentBytes, record.image.length - fragment * record.segmentBytes);
}
