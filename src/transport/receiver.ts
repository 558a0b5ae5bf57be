import { equalBytes } from "../base/bytes.ts";
import { type Due, NEVER } from "../base/machine.ts";
import { CHANNELS } from "../effects/channels.ts";
import { TAG_BYTES } from "../effects/crypto.ts";
import { RECORD_HEADER_BYTES, type RecordDatagram } from "../wire/datagram.ts";
import {
  ACK_BITMAP_BYTES_MAX,
  ACK_RANGES_MAX,
  type AckFrame,
  type ArrivalsFrame,
} from "../wire/frames.ts";
import { ArrivalLog } from "./arrival-log.ts";
import { isSmall } from "./channel-choice.ts";
import {
  ACK_BYTES_FOREGROUND,
  ACK_BYTES_MIN,
  ACK_DELAY_EARLY_US,
  ACK_DELAY_FOREGROUND_US,
  ACK_DELAY_US_MAX,
  FRAGMENTS_MAX,
  RECEIVE_WINDOW_BYTES,
  RECORD_BYTES_MAX,
  RECORD_WINDOW,
  SINGLE_US,
} from "./constants.ts";
import { FRAGMENTS } from "./fragment-memory.ts";
import type { OpenKeys } from "./keys.ts";

/** Fragments of a record that is not complete yet. */
type Partial = { readonly fragments: (Uint8Array | undefined)[]; held: number; count: number };

/** The channels across a line, by number: their sender is told when each packet came. */
const TIMED: ReadonlySet<number> = new Set([
  CHANNELS["content-background"],
  CHANNELS["message-large-background"],
  CHANNELS["reply-large-background"],
]);

/** How many of the newest records of the `once` lane are remembered against replay. */
const REPLAY_WINDOW = 256;

/** Where a record is put together to be opened; of no meaning from one call to the next. */
const WHOLE: Uint8Array = new Uint8Array(RECORD_BYTES_MAX + TAG_BYTES);

/**
 * Both lanes, receiving: puts records together, opens each once, and knows what to acknowledge.
 *
 * Nothing that does not open has any effect but one: a record of several datagrams that does not
 * open shows that somebody forges fragments, and then the peer is asked for one record a datagram,
 * which leaves nothing to put together and so nothing to spoil.
 */
export class RecordReceiver {
  readonly #keys: OpenKeys;
  /** All records below are done. */
  #floor = 0;
  readonly #done = new Set<number>();
  readonly #partials = new Map<number, Partial>();
  #partialBytes = 0;
  #singleUntilUs = Number.NEGATIVE_INFINITY;
  #failures = 0;
  /** Packets that came; the range that grew last is the first. */
  readonly #ranges: { first: number; last: number }[] = [];
  /** The newest packet since the last acknowledgement, and when it came. */
  #newest = -1;
  #newestAtUs = 0;
  #owedBytes = 0;
  /** How much has come since anything was missing. */
  #gaplessBytes = 0;
  #ackBytes = ACK_BYTES_FOREGROUND;
  #ackDelayUs = ACK_DELAY_FOREGROUND_US;
  #ackDue: Due = NEVER;
  readonly #arrivals = new ArrivalLog();
  /** The packet that came last, of either lane. */
  #latest: number | undefined;
  #onceHighest = -1;
  readonly #onceSeen = new Set<number>();

  constructor(keys: OpenKeys) {
    this.#keys = keys;
  }

  /** How many records did not open. */
  get failures(): number {
    return this.#failures;
  }

  /** Bytes held for records that are not complete. */
  get heldBytes(): number {
    return this.#partialBytes;
  }

  /** Acknowledges at the latest after so many bytes, or so long. */
  useAckPolicy(policy: { readonly bytes: number; readonly delayUs: number }): void {
    this.#ackBytes = policy.bytes;
    this.#ackDelayUs = policy.delayUs;
  }

  /** A probe has come: its sender wants to know at once when. */
  onProbe(nowUs: number, { packet, arrivedAtUs = nowUs }: RecordDatagram): void {
    this.#arrivals.add(packet, arrivedAtUs);
    this.#scheduleAck(nowUs, true);
  }

  /** What is to be told of when packets came, with the acknowledgement that is due now. */
  takeArrivals(nowUs: number): readonly ArrivalsFrame[] {
    return this.#arrivals.take(nowUs);
  }

  /** Whether anything has come that has not been acknowledged. */
  get owes(): boolean {
    return this.#owedBytes > 0;
  }

  /** When {@link takeAck} must be called. */
  due(): Due {
    return this.#ackDue;
  }

  /**
   * How many of these datagrams, from `index` on, are all of one record, in order and none missing.
   * 0 where they are not, or some have come before: then each is for {@link onDatagram}.
   */
  wholeAt(datagrams: readonly RecordDatagram[], index: number): number {
    const first = datagrams[index];
    if (first === undefined || first.lane !== "reliable" || first.fragment !== 0) return 0;
    if (first.last || this.#partials.has(first.record)) return 0;
    for (let count = 1; count < FRAGMENTS_MAX; count += 1) {
      const next = datagrams[index + count];
      if (next?.record !== first.record || next.lane !== first.lane) return 0;
      if (next.fragment !== count || next.channel !== first.channel) return 0;
      if (next.last) return count + 1;
    }
    return 0;
  }

  /** Whether a datagram is all of a record that has not been opened yet. */
  isFreshWhole(datagram: RecordDatagram): boolean {
    const { lane, record, fragment, last } = datagram;
    if (fragment !== 0 || !last) return false;
    return lane === "once"
      ? record > this.#onceHighest - REPLAY_WINDOW && !this.#onceSeen.has(record)
      : record >= this.#floor && record < this.#floor + RECORD_WINDOW && !this.#done.has(record);
  }

  /** Applies all datagrams of a record that have come in one go; returns its plaintext. */
  onWhole(nowUs: number, fragments: readonly RecordDatagram[]): Uint8Array | undefined {
    const [first] = fragments;
    if (first === undefined) return undefined;
    const { record } = first;
    const known = record < this.#floor || this.#done.has(record);
    if (known || record >= this.#floor + RECORD_WINDOW || nowUs < this.#singleUntilUs) {
      return this.#onReliable(nowUs, first);
    }
    const whole = joined(fragments.map(({ payload }) => payload));
    if (whole === undefined) return this.#onReliable(nowUs, first);
    const plaintext = this.#keys.open(first, whole);
    if (plaintext === undefined) {
      this.#failures += 1;
      this.#goSingle(nowUs);
      return undefined;
    }
    for (const fragment of fragments) {
      const { packet, channel, arrivedAtUs = nowUs } = fragment;
      if (TIMED.has(channel)) this.#arrivals.add(packet, arrivedAtUs);
      this.#noteArrival(nowUs, fragment);
    }
    this.#finish(record);
    return plaintext;
  }

  /** Applies a datagram of a record; returns the plaintext that it completed, if it did. */
  onDatagram(nowUs: number, datagram: RecordDatagram): Uint8Array | undefined {
    return datagram.lane === "once" ? this.#openOnce(datagram) : this.#onReliable(nowUs, datagram);
  }

  /** The peer has sealed what a record said anew under other numbers. */
  onAbandon(record: number): void {
    if (record < this.#floor || record >= this.#floor + RECORD_WINDOW) return;
    this.#dropPartial(record);
    this.#finish(record);
  }

  /** The acknowledgement that is due now. */
  takeAck(nowUs: number): AckFrame {
    this.#owedBytes = 0;
    this.#newest = -1;
    this.#ackDue = NEVER;
    return {
      kind: "ack",
      ranges: this.#ranges.slice(0, ACK_RANGES_MAX).map((range) => ({ ...range })),
      delayUs: Math.min(0xff_ff_ff_ff, Math.max(0, nowUs - this.#newestAtUs)),
      windowBytes: RECEIVE_WINDOW_BYTES,
      recordFloor: this.#floor,
      recordsDone: this.#bitmap(),
      single: nowUs < this.#singleUntilUs,
    };
  }

  #onReliable(nowUs: number, datagram: RecordDatagram): Uint8Array | undefined {
    const { record, packet, channel, arrivedAtUs = nowUs } = datagram;
    // It has come, whether or not it brings anything: that is what its sender asks of the line.
    if (TIMED.has(channel)) this.#arrivals.add(packet, arrivedAtUs);
    if (record >= this.#floor + RECORD_WINDOW) return undefined;
    if (datagram.fragment >= FRAGMENTS_MAX) return undefined;
    if (record < this.#floor || this.#done.has(record)) {
      // The peer has not heard that this one is done. Were this answered at once, whoever replays
      // datagrams could make us seal one for each.
      this.#scheduleAck(nowUs, false);
      return undefined;
    }
    if (datagram.last && datagram.fragment === 0) return this.#openWhole(nowUs, datagram);
    if (nowUs < this.#singleUntilUs) {
      this.#scheduleAck(nowUs, false);
      return undefined;
    }
    return this.#gather(nowUs, datagram);
  }

  #openWhole(nowUs: number, datagram: RecordDatagram): Uint8Array | undefined {
    const plaintext = this.#keys.open(datagram, datagram.payload);
    if (plaintext === undefined) {
      this.#failures += 1;
      return undefined;
    }
    this.#dropPartial(datagram.record);
    this.#noteArrival(nowUs, datagram);
    this.#finish(datagram.record);
    return plaintext;
  }

  #gather(nowUs: number, datagram: RecordDatagram): Uint8Array | undefined {
    const { record, fragment, payload } = datagram;
    const partial = this.#partials.get(record) ?? { fragments: [], held: 0, count: 0 };
    const known = partial.fragments[fragment];
    if (known !== undefined) {
      // Sent again because its acknowledgement was lost; two that differ show a forger. Were this
      // answered at once, whoever replays datagrams could make us seal one for each.
      if (equalBytes(known, payload)) this.#noteRepeated(nowUs, datagram.packet);
      else this.#goSingle(nowUs);
      return undefined;
    }
    partial.fragments[fragment] = FRAGMENTS.copyOf(payload);
    partial.held += 1;
    if (datagram.last) partial.count = fragment + 1;
    this.#partials.set(record, partial);
    this.#partialBytes += payload.length;
    this.#noteArrival(nowUs, datagram);
    if (this.#partialBytes > 2 * RECEIVE_WINDOW_BYTES) {
      this.#goSingle(nowUs);
      return undefined;
    }
    // More than there can be shows a forger, as does a record that does not open.
    if (partial.count === 0 || partial.held < partial.count) return undefined;
    const fragments = partial.fragments.slice(0, partial.count);
    const parts = fragments.filter((part) => part !== undefined);
    const whole = parts.length === partial.count ? joined(parts) : undefined;
    this.#dropPartial(record);
    const plaintext = whole && this.#keys.open(datagram, whole);
    if (plaintext === undefined) {
      this.#failures += 1;
      this.#goSingle(nowUs);
      return undefined;
    }
    this.#finish(record);
    return plaintext;
  }

  #goSingle(nowUs: number): void {
    this.#singleUntilUs = nowUs + SINGLE_US;
    for (const record of [...this.#partials.keys()]) this.#dropPartial(record);
    this.#scheduleAck(nowUs, true);
  }

  #dropPartial(record: number): void {
    const partial = this.#partials.get(record);
    if (partial === undefined) return;
    for (const part of partial.fragments) {
      if (part === undefined) continue;
      this.#partialBytes -= part.length;
      FRAGMENTS.giveBack(part);
    }
    this.#partials.delete(record);
  }

  #finish(record: number): void {
    this.#done.add(record);
    while (this.#done.delete(this.#floor)) this.#floor += 1;
  }

  #noteRepeated(nowUs: number, packet: number): void {
    insert(this.#ranges, packet);
    this.#scheduleAck(nowUs, false);
  }

  #noteArrival(nowUs: number, datagram: RecordDatagram): void {
    const { packet, channel, payload, arrivedAtUs = nowUs } = datagram;
    const inOrder = this.#latest === undefined || packet === this.#latest + 1;
    this.#latest = packet;
    if (packet > this.#newest) {
      this.#newest = packet;
      this.#newestAtUs = arrivedAtUs;
    }
    insert(this.#ranges, packet);
    const bytes = RECORD_HEADER_BYTES + payload.length;
    this.#owedBytes += bytes;
    this.#gaplessBytes = inOrder ? this.#gaplessBytes + bytes : 0;
    const isDue = !inOrder || this.#owedBytes >= this.#owedBytesMax();
    this.#scheduleAck(nowUs, isDue, isSmall(channel) ? ACK_DELAY_US_MAX : this.#delayUs());
  }

  /** A sender whose window is still small, or is again, must not wait for us. */
  #owedBytesMax(): number {
    return Math.min(this.#ackBytes, ACK_BYTES_MIN + this.#gaplessBytes / 4);
  }

  /** Nor may it wait for a timer, where less is left of its window than we would acknowledge. */
  #delayUs(): number {
    const isSmall = this.#gaplessBytes < 4 * this.#ackBytes;
    return isSmall ? Math.min(ACK_DELAY_EARLY_US, this.#ackDelayUs) : this.#ackDelayUs;
  }

  #scheduleAck(nowUs: number, now: boolean, delayUs = this.#delayUs()): void {
    const atUs = now ? nowUs : nowUs + delayUs;
    if (atUs < this.#ackDue.atUs) this.#ackDue = { atUs, reason: "acknowledgement" };
  }

  #bitmap(): Uint8Array {
    let highest = -1;
    for (const record of this.#done) highest = Math.max(highest, record - this.#floor);
    const bitmap = new Uint8Array(Math.min(ACK_BITMAP_BYTES_MAX, (highest >> 3) + 1));
    for (const record of this.#done) {
      const bit = record - this.#floor;
      bitmap[bit >> 3] = (bitmap[bit >> 3] ?? 0) | (0x80 >> (bit & 7));
    }
    return bitmap;
  }

  #openOnce(datagram: RecordDatagram): Uint8Array | undefined {
    const { record } = datagram;
    if (record <= this.#onceHighest - REPLAY_WINDOW || this.#onceSeen.has(record)) return undefined;
    if (!datagram.last || datagram.fragment !== 0) return undefined;
    const plaintext = this.#keys.open(datagram, datagram.payload);
    if (plaintext === undefined) {
      this.#failures += 1;
      return undefined;
    }
    // Both lanes share their packet numbers: without this an acknowledgement between two packets
    // of data would look like a packet that is missing.
    if (this.#latest !== undefined) this.#latest = Math.max(this.#latest, datagram.packet);
    this.#onceSeen.add(record);
    this.#onceHighest = Math.max(this.#onceHighest, record);
    if (this.#onceSeen.size > 2 * REPLAY_WINDOW) {
      for (const seen of this.#onceSeen) {
        if (seen <= this.#onceHighest - REPLAY_WINDOW) this.#onceSeen.delete(seen);
      }
    }
    return plaintext;
  }
}

/** Joins fragments where a record is put together; `undefined` where they are too many bytes. */
function joined(fragments: readonly Uint8Array[]): Uint8Array | undefined {
  let length = 0;
  for (const fragment of fragments) {
    if (length + fragment.length > WHOLE.length) return undefined;
    WHOLE.set(fragment, length);
    length += fragment.length;
  }
  return WHOLE.subarray(0, length);
}

/**
 * Adds a packet to ranges, of which the one that grew last comes first.
 *
 * Nobody vouches for a packet's number before its record is open. Because ranges are told and
 * forgotten in the order in which they grew, whatever their numbers, forged ones cannot crowd out
 * the packets that have just come.
 */
function insert(ranges: { first: number; last: number }[], packet: number): void {
  const latest = ranges[0];
  if (latest?.last === packet - 1 && !ranges.some(({ first }) => first === packet + 1)) {
    latest.last = packet;
    return;
  }
  const grown = { first: packet, last: packet };
  for (let index = ranges.length - 1; index >= 0; index -= 1) {
    const { first, last } = ranges[index] ?? grown;
    if (packet < first - 1 || packet > last + 1) continue;
    grown.first = Math.min(grown.first, first);
    grown.last = Math.max(grown.last, last);
    ranges.splice(index, 1);
  }
  ranges.unshift(grown);
  if (ranges.length > 2 * ACK_RANGES_MAX) ranges.pop();
}
