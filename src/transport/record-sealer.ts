import { SECOND } from "../base/units.ts";
import { CHANNELS, channelOf } from "../effects/channels.ts";
import { TAG_BYTES } from "../effects/crypto.ts";
import { DATAGRAM_BYTES_INITIAL, RECORD_HEADER_BYTES } from "../wire/datagram.ts";
import { readFrames } from "../wire/frames.ts";
import { FRAGMENTS_MAX, NUMBER_MAX, RECORD_BYTES_MAX, RECORD_US_MAX } from "./constants.ts";
import type { SealKeys } from "./keys.ts";
import type { Outgoing } from "./outgoing.ts";
import { cutRecord, joinRecord } from "./record-image.ts";
import type { OutRecord } from "./sent-packets.ts";

/** Seals what waits into records, each under a number that is used once, cut into datagrams. */
export class RecordSealer {
  readonly #keys: SealKeys;
  readonly #peer: number;
  readonly #outgoing: Outgoing;
  #next = 0;
  /** Length of the datagrams that records are cut into from now on. */
  segmentBytes: number = DATAGRAM_BYTES_INITIAL;
  /** Whether every record must fit into one datagram. */
  single = false;

  /** @param peer - The association id that the peer chose for itself. */
  constructor(keys: SealKeys, peer: number, outgoing: Outgoing) {
    this.#keys = keys;
    this.#peer = peer;
    this.#outgoing = outgoing;
  }

  /** The number of the next record. */
  get next(): number {
    return this.#next;
  }

  get exhausted(): boolean {
    return this.#next >= NUMBER_MAX;
  }

  /**
   * Most bytes of the next record's plaintext: as many as fill its datagrams, and pass a line of this
   * rate soon.
   */
  bytesMax(lineRate: number): number {
    const payloadBytes = this.segmentBytes - RECORD_HEADER_BYTES;
    const lineBytes = (lineRate * RECORD_US_MAX) / SECOND;
    const sealedBytes = Math.min(RECORD_BYTES_MAX + TAG_BYTES, lineBytes);
    const fragments = Math.min(FRAGMENTS_MAX, Math.floor(sealedBytes / payloadBytes));
    return (this.single ? 1 : Math.max(1, fragments)) * payloadBytes - TAG_BYTES;
  }

  /** Seals what waits, at most so many bytes of it; `undefined` where nothing does. */
  seal(nowUs: number, bytesMax: number): OutRecord | undefined {
    const plaintext = this.#outgoing.take(bytesMax);
    if (plaintext === undefined) return undefined;
    const name = {
      channel: CHANNELS[plaintext.channel],
      lane: "reliable" as const,
      phase: this.#keys.phase(nowUs),
      destination: this.#peer,
      record: this.#next++,
    };
    return cutRecord(name, this.#keys.seal(name, plaintext.bytes), this.segmentBytes);
  }

  /** Turns a record back into what waits: its number is given up. */
  unseal(record: OutRecord): void {
    const { number, channel, phase } = record;
    const name = { channel, lane: "reliable" as const, phase, destination: this.#peer };
    const plaintext = this.#keys.reopen({ ...name, record: number }, joinRecord(record));
    const frames = (plaintext && readFrames(plaintext)) ?? [];
    this.#outgoing.putBack(channelOf(channel) ?? "message-small", frames);
    this.#outgoing.add("reply-small", { kind: "abandon", record: number });
  }
}
