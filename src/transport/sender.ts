import { concat } from "../base/bytes.ts";
import { type Due, earlier, NEVER } from "../base/machine.ts";
import { CHANNELS, type Channel } from "../effects/channels.ts";
import { TAG_BYTES } from "../effects/crypto.ts";
import {
  DATAGRAM_BYTES_INITIAL,
  RECORD_HEADER_BYTES,
  rewritePacketNumber,
  writeRecordHeader,
} from "../wire/datagram.ts";
import { type AckFrame, type PacketRange, readFrames } from "../wire/frames.ts";
import type { Controller } from "./congestion/controller.ts";
import { Pacer } from "./congestion/pacer.ts";
import {
  ACK_DELAY_US_MAX,
  NUMBER_MAX,
  PACKET_THRESHOLD,
  RECEIVE_WINDOW_BYTES,
  RECORD_BYTES_MAX,
  RECORD_WINDOW,
} from "./constants.ts";
import type { SealKeys } from "./keys.ts";
import type { Outgoing } from "./outgoing.ts";
import type { RttEstimator } from "./rtt.ts";

/** Puts datagrams on the wire; `false` where the world's queue is full. */
export type SendOn = (channel: Channel, bytes: Uint8Array, segmentBytes: number) => boolean;

/** A sealed record that the peer has not said it has opened. */
type OutRecord = {
  readonly number: number;
  readonly channel: Channel;
  readonly phase: 0 | 1;
  /** Headers and ciphertext as they go on the wire, fragment after fragment. */
  readonly image: Uint8Array;
  readonly fragments: number;
  /** The packet that carries each fragment now: 0 for none yet or none any more. */
  readonly packets: Uint32Array;
  readonly acked: Uint8Array;
  /** How many fragments are acknowledged. */
  ackedCount: number;
  /** The first fragment that has never been sent. */
  unsent: number;
};

type Sent = {
  readonly record: OutRecord;
  readonly fragment: number;
  readonly bytes: number;
  readonly atUs: number;
  readonly appLimited: boolean;
};

/** A datagram's room for a record's text. */
const SEGMENT_BYTES = DATAGRAM_BYTES_INITIAL;
const PAYLOAD_BYTES = SEGMENT_BYTES - RECORD_HEADER_BYTES;

/** Most fragments put on the wire by one call. */
const BATCH_FRAGMENTS = 16;

/**
 * The reliable lane, sending: seals what waits into records, cuts them into packets, and sends
 * again what the peer says or time shows to be lost (RFC 9002).
 *
 * What is sent again is the kept ciphertext under a new packet number; a record number is sealed
 * once. A record is kept until the peer has opened it, not only until its packets have arrived.
 */
export class RecordSender {
  readonly #keys: SealKeys;
  readonly #peer: number;
  readonly #rtt: RttEstimator;
  readonly #outgoing: Outgoing;
  readonly #pacer = new Pacer();
  #controller: Controller;
  readonly #records = new Map<number, OutRecord>();
  readonly #sent = new Map<number, Sent>();
  /** Records of which every packet has just been acknowledged. */
  readonly #complete: OutRecord[] = [];
  #lost: { readonly record: OutRecord; readonly fragment: number }[] = [];
  /** The record whose last fragments have not been sent yet. */
  #open: OutRecord | undefined;
  #nextRecord = 0;
  #nextPacket = 1;
  #inFlightBytes = 0;
  #outstandingBytes = 0;
  #peerWindowBytes = RECEIVE_WINDOW_BYTES;
  #largestAcked = 0;
  #single = false;
  #congestedAtUs = Number.NEGATIVE_INFINITY;
  #lossDue: Due = NEVER;
  #lastSentAtUs = 0;
  #backoffs = 0;
  /** How many packets may go whatever the window and the pacer say. */
  #probes = 0;
  #paced: Due = NEVER;
  #blocked = false;
  #sentBytes = 0;

  constructor(options: {
    readonly keys: SealKeys;
    /** The association id that the peer chose for itself. */
    readonly peer: number;
    readonly rtt: RttEstimator;
    readonly outgoing: Outgoing;
    readonly controller: Controller;
  }) {
    this.#keys = options.keys;
    this.#peer = options.peer;
    this.#rtt = options.rtt;
    this.#outgoing = options.outgoing;
    this.#controller = options.controller;
  }

  /** Whether the peer owes us an acknowledgement. */
  get waiting(): boolean {
    return this.#records.size > 0;
  }

  /** Whether the numbers of packets or records have run out. */
  get exhausted(): boolean {
    return this.#nextPacket >= NUMBER_MAX || this.#nextRecord >= NUMBER_MAX;
  }

  /** Bytes put on the wire so far, headers and repetitions included. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** Takes another law from now on: the devices turned out to be in one office, or in two. */
  useController(controller: Controller): void {
    this.#controller = controller;
  }

  /** The number for a packet that is not ours to send again. */
  takePacketNumber(): number {
    return this.#nextPacket++;
  }

  /** There is room in the world's queue again. */
  onWritable(): void {
    this.#blocked = false;
  }

  /** When {@link onTimer} must be called. */
  due(): Due {
    if (this.#records.size === 0) return this.#paced;
    const ptoUs = this.#rtt.ptoUs(ACK_DELAY_US_MAX, this.#backoffs);
    const probe = { atUs: this.#lastSentAtUs + ptoUs, reason: "probe" };
    const repair = earlier(this.#lossDue, this.#paced);
    return this.#blocked ? earlier(this.#lossDue, probe) : earlier(repair, probe);
  }

  onTimer(nowUs: number): void {
    if (this.#lossDue.atUs <= nowUs) this.#detectLoss(nowUs);
    if (this.#records.size === 0) return;
    if (this.#lastSentAtUs + this.#rtt.ptoUs(ACK_DELAY_US_MAX, this.#backoffs) <= nowUs) {
      this.#probe(nowUs);
    }
  }

  /** Sends all that may be sent now. */
  pump(nowUs: number, send: SendOn): void {
    this.#paced = NEVER;
    while (!this.#blocked) {
      const record = this.#nextToSend(nowUs);
      if (record === undefined) return;
      const probing = this.#probes > 0;
      const room = this.#controller.windowBytes() - this.#inFlightBytes;
      if (room < SEGMENT_BYTES && !probing) return;
      const rate = this.#controller.pacingRate();
      const allowance = this.#pacer.allowance(nowUs, rate);
      if (allowance <= 0 && !probing) {
        this.#paced = { atUs: Math.max(nowUs + 1, this.#pacer.nextAtUs(rate)), reason: "pacing" };
        return;
      }
      const most = Math.max(1, Math.floor(Math.min(room, allowance) / SEGMENT_BYTES));
      this.#sendSome(nowUs, record, most, send);
    }
  }

  /** Applies what the peer said; returns whether it said anything new. */
  onAck(nowUs: number, ack: AckFrame): boolean {
    // What we keep for a peer is ours to bound, whatever it is ready to take.
    this.#peerWindowBytes = Math.min(ack.windowBytes, RECEIVE_WINDOW_BYTES);
    if (ack.single && !this.#single) this.#sealAnew();
    this.#single = ack.single;
    const ackedBytes = this.#applyRanges(nowUs, ack) + this.#applyRecords(ack);
    if (ackedBytes > 0) {
      this.#backoffs = 0;
      this.#probes = 0;
    }
    this.#detectLoss(nowUs);
    return ackedBytes > 0;
  }

  #nextToSend(
    nowUs: number,
  ): { readonly record: OutRecord; readonly fragment: number } | undefined {
    for (let lost = this.#lost[0]; lost !== undefined; lost = this.#lost[0]) {
      const { record, fragment } = lost;
      const needed = this.#records.get(record.number) === record && record.packets[fragment] === 0;
      if (needed && record.acked[fragment] === 0) return lost;
      this.#lost.shift();
    }
    if (this.#open === undefined) this.#open = this.#seal(nowUs);
    return this.#open && { record: this.#open, fragment: this.#open.unsent };
  }

  #sendSome(
    nowUs: number,
    next: { readonly record: OutRecord; readonly fragment: number },
    most: number,
    send: SendOn,
  ): void {
    const { record, fragment } = next;
    const repeated = fragment < record.unsent;
    const count = repeated ? 1 : Math.min(most, BATCH_FRAGMENTS, record.fragments - fragment);
    for (let index = 0; index < count; index += 1) {
      rewritePacketNumber(
        record.image,
        (fragment + index) * SEGMENT_BYTES,
        this.#nextPacket + index,
      );
    }
    const startAt = fragment * SEGMENT_BYTES;
    const bytes = record.image.subarray(startAt, startAt + count * SEGMENT_BYTES);
    if (!send(record.channel, bytes, SEGMENT_BYTES)) {
      this.#blocked = true;
      return;
    }
    for (let index = 0; index < count; index += 1) this.#noteSent(nowUs, record, fragment + index);
    this.#pacer.onSent(bytes.length);
    this.#sentBytes += bytes.length;
    this.#lastSentAtUs = nowUs;
    if (repeated) {
      this.#lost.shift();
    } else {
      record.unsent += count;
      if (record.unsent === record.fragments) this.#open = undefined;
    }
  }

  #noteSent(nowUs: number, record: OutRecord, fragment: number): void {
    const packet = this.#nextPacket++;
    this.#probes = Math.max(0, this.#probes - 1);
    const bytes = Math.min(SEGMENT_BYTES, record.image.length - fragment * SEGMENT_BYTES);
    const roomBytes = this.#controller.windowBytes() - this.#inFlightBytes;
    const appLimited = this.#outgoing.empty && roomBytes > 4 * SEGMENT_BYTES;
    this.#sent.set(packet, { record, fragment, bytes, atUs: nowUs, appLimited });
    record.packets[fragment] = packet;
    this.#inFlightBytes += bytes;
  }

  /** Seals the next record; `undefined` where nothing waits or the peer has no room for it. */
  #seal(nowUs: number): OutRecord | undefined {
    const bytesMax = this.#single ? PAYLOAD_BYTES - TAG_BYTES : RECORD_BYTES_MAX;
    const oldest = this.#records.keys().next().value ?? this.#nextRecord;
    if (this.#outgoing.empty || this.exhausted) return undefined;
    if (this.#nextRecord - oldest >= RECORD_WINDOW) return undefined;
    if (this.#outstandingBytes > 0 && this.#outstandingBytes + bytesMax > this.#peerWindowBytes) {
      return undefined;
    }
    const plaintext = this.#outgoing.take(bytesMax);
    if (plaintext === undefined) return undefined;
    const { channel } = plaintext;
    const number = this.#nextRecord++;
    const phase = this.#keys.phase(nowUs);
    const name = this.#name(channel, phase, number);
    const record = this.#cut(channel, phase, number, this.#keys.seal(name, plaintext.bytes));
    this.#records.set(number, record);
    this.#outstandingBytes += record.image.length;
    return record;
  }

  #name(channel: Channel, phase: 0 | 1, record: number) {
    const destination = this.#peer;
    return { channel: CHANNELS[channel], lane: "reliable" as const, phase, destination, record };
  }

  /** Lays out a record's ciphertext as the datagrams it will travel in. */
  #cut(channel: Channel, phase: 0 | 1, number: number, sealed: Uint8Array): OutRecord {
    const fragments = Math.ceil(sealed.length / PAYLOAD_BYTES);
    const image = new Uint8Array(sealed.length + fragments * RECORD_HEADER_BYTES);
    for (let fragment = 0; fragment < fragments; fragment += 1) {
      const payload = sealed.subarray(fragment * PAYLOAD_BYTES, (fragment + 1) * PAYLOAD_BYTES);
      writeRecordHeader(image, fragment * SEGMENT_BYTES, {
        ...this.#name(channel, phase, number),
        packet: 0,
        fragment,
        last: fragment === fragments - 1,
        lengthBytes: payload.length,
      });
      image.set(payload, fragment * SEGMENT_BYTES + RECORD_HEADER_BYTES);
    }
    const packets = new Uint32Array(fragments);
    const acked = new Uint8Array(fragments);
    return { number, channel, phase, image, fragments, packets, acked, ackedCount: 0, unsent: 0 };
  }

  /** Takes acknowledged packets out of flight; returns their bytes. */
  #applyRanges(nowUs: number, ack: AckFrame): number {
    let ackedBytes = 0;
    let appLimited = true;
    let newest: Sent | undefined;
    for (const { first, last } of this.#clip(ack.ranges)) {
      for (let packet = last; packet >= first; packet -= 1) {
        const sent = this.#sent.get(packet);
        if (sent === undefined) continue;
        if (packet > this.#largestAcked) {
          this.#largestAcked = packet;
          newest = sent;
        }
        ackedBytes += sent.bytes;
        appLimited &&= sent.appLimited;
        this.#takeOut(packet, sent);
        this.#noteAcked(sent.record, sent.fragment);
      }
    }
    if (ackedBytes === 0) return 0;
    // Only the newest packet times the path: older ones waited for it at the other end.
    const rttUs = newest && Math.max(1, nowUs - newest.atUs);
    if (rttUs !== undefined) this.#rtt.onSample(rttUs, Math.min(ack.delayUs, ACK_DELAY_US_MAX));
    const pathUs = rttUs && Math.max(1, rttUs - Math.min(ack.delayUs, rttUs));
    this.#controller.onAcked(nowUs, { bytes: ackedBytes, rttUs: pathUs, appLimited });
    return ackedBytes;
  }

  /** The parts of ranges in which packets may be that are still under way. */
  #clip(ranges: readonly PacketRange[]): readonly PacketRange[] {
    const oldest = this.#sent.keys().next().value ?? this.#nextPacket;
    const clipped: PacketRange[] = [];
    // Ranges that a peer means do not overlap: no more than all packets need be looked at.
    let looks = this.#nextPacket - oldest;
    for (const range of ranges) {
      if (looks <= 0) break;
      const first = Math.max(range.first, oldest);
      const last = Math.min(range.last, this.#nextPacket - 1);
      if (first > last) continue;
      looks -= last - first + 1;
      clipped.push({ first, last });
    }
    return clipped;
  }

  #noteAcked(record: OutRecord, fragment: number): void {
    record.ackedCount += 1 - (record.acked[fragment] ?? 0);
    record.acked[fragment] = 1;
    if (record.ackedCount === record.fragments) this.#complete.push(record);
  }

  /** Lets go of the records that the peer has opened; returns the bytes still in flight of them. */
  #applyRecords(ack: AckFrame): number {
    let bytes = 0;
    for (const record of this.#records.values()) {
      if (record.number >= ack.recordFloor + 8 * ack.recordsDone.length) break;
      if (isDone(ack, record.number)) bytes += this.#letGo(record);
    }
    // All packets of these arrived, and yet they are not open: somebody vouched for a packet that
    // never came.
    for (const record of this.#complete.splice(0)) {
      if (this.#records.get(record.number) === record) this.#sendWhole(record);
    }
    return bytes;
  }

  #letGo(record: OutRecord): number {
    let bytes = 1;
    for (const packet of record.packets) {
      const sent = this.#sent.get(packet);
      if (sent === undefined) continue;
      bytes += sent.bytes;
      this.#takeOut(packet, sent);
    }
    this.#records.delete(record.number);
    this.#outstandingBytes -= record.image.length;
    if (this.#open === record) this.#open = undefined;
    return bytes;
  }

  #takeOut(packet: number, sent: Sent): void {
    this.#sent.delete(packet);
    this.#inFlightBytes -= sent.bytes;
    sent.record.packets[sent.fragment] = 0;
  }

  #detectLoss(nowUs: number): void {
    const lossDelayUs = this.#rtt.lossDelayUs;
    this.#lossDue = NEVER;
    let newestLostAtUs = Number.NEGATIVE_INFINITY;
    for (const [packet, sent] of this.#sent) {
      if (packet >= this.#largestAcked) break;
      const late = sent.atUs + lossDelayUs <= nowUs;
      if (!late && packet > this.#largestAcked - PACKET_THRESHOLD) {
        this.#lossDue = { atUs: sent.atUs + lossDelayUs, reason: "loss" };
        break;
      }
      newestLostAtUs = sent.atUs;
      this.#takeOut(packet, sent);
      this.#lost.push({ record: sent.record, fragment: sent.fragment });
    }
    // One reaction for all that was lost in the round trip after the last one.
    if (newestLostAtUs > this.#congestedAtUs) {
      this.#congestedAtUs = nowUs;
      this.#controller.onCongestion(nowUs);
    }
  }

  /** Nothing has come back for long: the oldest fragments go again, whatever the window says. */
  #probe(nowUs: number): void {
    this.#backoffs += 1;
    this.#lastSentAtUs = nowUs;
    this.#probes = 2;
    if (this.#backoffs === 3) this.#controller.onPersistentCongestion(nowUs);
    let oldest = 0;
    for (const [packet, sent] of this.#sent) {
      if (oldest++ >= 2 && this.#backoffs < 3) return;
      this.#takeOut(packet, sent);
      this.#lost.push({ record: sent.record, fragment: sent.fragment });
    }
    if (oldest > 0 || this.#lost.length > 0) return;
    // Every packet that is under way has been acknowledged, and yet this record is not open.
    const [record] = this.#records.values();
    if (record !== undefined) this.#sendWhole(record);
  }

  /** Has all of a record sent again that has been sent. */
  #sendWhole(record: OutRecord): void {
    record.acked.fill(0);
    record.ackedCount = 0;
    for (let fragment = 0; fragment < record.unsent; fragment += 1) {
      this.#lost.push({ record, fragment });
    }
  }

  /** Turns every unfinished record of several datagrams back into frames, to be sealed singly. */
  #sealAnew(): void {
    this.#single = true;
    for (const record of [...this.#records.values()].reverse()) {
      if (record.fragments === 1) continue;
      const frames = this.#reopen(record);
      this.#letGo(record);
      this.#outgoing.putBack(record.channel, frames);
      this.#outgoing.add("reply-small", { kind: "abandon", record: record.number });
    }
  }

  #reopen(record: OutRecord) {
    const payloads = Array.from({ length: record.fragments }, (_, fragment) =>
      record.image.subarray(
        fragment * SEGMENT_BYTES + RECORD_HEADER_BYTES,
        (fragment + 1) * SEGMENT_BYTES,
      ),
    );
    const name = this.#name(record.channel, record.phase, record.number);
    const plaintext = this.#keys.reopen(name, concat(payloads));
    return (plaintext && readFrames(plaintext)) ?? [];
  }
}

function isDone(ack: AckFrame, record: number): boolean {
  if (record < ack.recordFloor) return true;
  const bit = record - ack.recordFloor;
  return ((ack.recordsDone[bit >> 3] ?? 0) & (0x80 >> (bit & 7))) !== 0;
}
