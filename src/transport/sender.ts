import { type Due, earlier, NEVER } from "../base/machine.ts";
import { channelOf } from "../effects/channels.ts";
import { DATAGRAM_BYTES_INITIAL, rewritePacketNumber } from "../wire/datagram.ts";
import type { AckFrame } from "../wire/frames.ts";
import { isSmall } from "./channel-choice.ts";
import type { Arrivals, Controller, ControllerStatus } from "./congestion/controller.ts";
import { isSpoilt, Lateness } from "./congestion/lateness.ts";
import { Pacer } from "./congestion/pacer.ts";
import {
  ACK_DELAY_US_MAX,
  NUMBER_MAX,
  PACKET_THRESHOLD,
  RECEIVE_WINDOW_BYTES,
  RECORD_WINDOW,
  SMALL_RATE,
} from "./constants.ts";
import type { SealKeys } from "./keys.ts";
import { LongLosses } from "./long-losses.ts";
import type { Outgoing } from "./outgoing.ts";
import { dropImage } from "./record-image.ts";
import { RecordSealer } from "./record-sealer.ts";
import { type Fragment, Repairs } from "./repairs.ts";
import type { RttEstimator } from "./rtt.ts";
import type { SendOn } from "./send-on.ts";
import { datagramBytes, type OutRecord, SentPackets } from "./sent-packets.ts";

/**
 * The reliable lane, sending: seals what waits into records, cuts them into packets, and sends
 * again what the peer says or time shows to be lost (RFC 9002).
 *
 * What is sent again is the kept ciphertext under a new packet number; a record number is sealed
 * once. A record is kept until the peer has opened it, not only until its packets have arrived.
 */
export class RecordSender {
  readonly #sealer: RecordSealer;
  readonly #rtt: RttEstimator;
  readonly #outgoing: Outgoing;
  #controller: Controller;
  readonly #records = new Map<number, OutRecord>();
  readonly #sent = new SentPackets();
  /** Records of which every packet has just been acknowledged. */
  readonly #complete: OutRecord[] = [];
  readonly #repairs = new Repairs();
  /** How many records wait or are under way that the law paces. */
  #bulk = 0;
  readonly #small = new Pacer();
  /** The record whose last fragments have not been sent yet. */
  #open: OutRecord | undefined;
  #nextPacket = 1;
  #inFlightBytes = 0;
  #outstandingBytes = 0;
  #peerWindowBytes = RECEIVE_WINDOW_BYTES;
  #largestAcked = 0;
  #congestedAtUs = Number.NEGATIVE_INFINITY;
  #lossDue: Due = NEVER;
  #lastSentAtUs = 0;
  #backoffs = 0;
  /** How many packets may go whatever the window and the pacer say. */
  #probes = 0;
  #paced: Due = NEVER;
  #blocked = false;
  #sentBytes = 0;
  readonly #lateness = new Lateness();
  /** Since when the peer owes us an acknowledgement without having sent one. */
  #owedSinceUs: number | undefined;
  readonly #longLosses = new LongLosses();

  constructor(options: {
    readonly keys: SealKeys;
    /** The association id that the peer chose for itself. */
    readonly peer: number;
    readonly rtt: RttEstimator;
    readonly outgoing: Outgoing;
    readonly controller: Controller;
  }) {
    this.#sealer = new RecordSealer(options.keys, options.peer, options.outgoing);
    this.#rtt = options.rtt;
    this.#outgoing = options.outgoing;
    this.#controller = options.controller;
  }

  /** Whether the peer owes us an acknowledgement. */
  get waiting(): boolean {
    return this.#records.size > 0;
  }

  /** Since when the peer owes us an acknowledgement; `undefined` where it owes none. */
  get owedSinceUs(): number | undefined {
    return this.#owedSinceUs;
  }

  /** How many times in a row a probe has gone out and nothing has come back. */
  get backoffs(): number {
    return this.#backoffs;
  }

  /** How long to wait for an answer before asking again. */
  get ptoUs(): number {
    return this.#rtt.ptoUs(ACK_DELAY_US_MAX, 0);
  }

  /** Whether it seems that datagrams of more than the first length no longer come through. */
  suspectsBlackHole(nowUs: number): boolean {
    if (this.#sealer.segmentBytes === DATAGRAM_BYTES_INITIAL) return false;
    return this.#longLosses.isBlackHole(nowUs, this.ptoUs, this.#backoffs);
  }

  /** Whether the numbers of packets or records have run out. */
  get exhausted(): boolean {
    return this.#nextPacket >= NUMBER_MAX || this.#sealer.exhausted;
  }

  /** Bytes put on the wire so far, headers and repetitions included. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** What the law believes of the path. */
  get controllerStatus(): ControllerStatus {
    return this.#controller.status();
  }

  /** Takes another law from now on: the devices turned out to be in one office, or in two. */
  useController(controller: Controller): void {
    this.#controller = controller;
  }

  /** The path is another one: what is under way on the old one counts as lost. */
  onPathChanged(nowUs: number): void {
    this.#backoffs = 0;
    this.#owedSinceUs = this.#records.size === 0 ? undefined : nowUs;
    const { end } = this.#sent;
    for (let packet = this.#sent.oldest; packet < end; packet += 1) {
      const record = this.#sent.recordOf(packet);
      if (record !== undefined) this.#loseOldest(packet, record);
    }
    this.#controller.onPersistentCongestion(nowUs);
  }

  /** The peer says when packets reached it. */
  onArrivals(nowUs: number, heardAtUs: number, arrivals: Arrivals): void {
    this.#controller.onArrivals(nowUs, heardAtUs, arrivals);
    this.#backoffs = 0;
  }

  /** Whether the law wants a probe to leave now. */
  wantsProbe(nowUs: number): boolean {
    return this.#controller.wantsProbe(nowUs);
  }

  /** A probe of the law's has left. */
  onProbeSent(nowUs: number, packet: number, bytes: number): void {
    this.#controller.onSent(nowUs, { packet, bytes, probe: true });
  }

  /** For how long the law has held everything back because of others. */
  busyUs(nowUs: number): number {
    return this.#controller.busyUs(nowUs);
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
    return earlier(this.#controller.due(), this.#ownDue());
  }

  #ownDue(): Due {
    if (this.#records.size === 0) return this.#paced;
    const ptoUs = this.#rtt.ptoUs(ACK_DELAY_US_MAX, this.#backoffs);
    const probe = { atUs: this.#lastSentAtUs + ptoUs, reason: "probe" };
    const repair = earlier(this.#lossDue, this.#paced);
    return this.#blocked ? earlier(this.#lossDue, probe) : earlier(repair, probe);
  }

  onTimer(nowUs: number): void {
    if (this.#controller.due().atUs <= nowUs) this.#controller.onTimer(nowUs);
    if (this.#lossDue.atUs <= nowUs) this.#detectLoss(nowUs);
    if (this.#records.size === 0) return;
    if (this.#lastSentAtUs + this.#rtt.ptoUs(ACK_DELAY_US_MAX, this.#backoffs) <= nowUs) {
      this.#probe(nowUs);
    }
  }

  /** Sends all that may be sent now. */
  pump(nowUs: number, send: SendOn): void {
    this.#lateness.look(nowUs, this.#paced.atUs);
    this.#paced = NEVER;
    this.#controller.onWaiting(nowUs, this.#bulk > 0 || this.#outgoing.hasBulk);
    if (!this.#controller.inTrains) this.#pumpSmall(nowUs, send);
    while (!this.#blocked) {
      const next = this.#nextToSend(nowUs);
      if (next === undefined) return;
      const most = this.#mostFragments(nowUs, next);
      if (most === 0) return;
      this.#sendSome(nowUs, next, most, send);
    }
  }

  /** Sends small messages past what the law holds back: they are few, and others wait for them. */
  #pumpSmall(nowUs: number, send: SendOn): void {
    while (!this.#blocked && this.#small.allowance(nowUs, SMALL_RATE) > 0) {
      const again = this.#repairs.first(this.#isNeeded, isUrgent);
      const isNext = this.#outgoing.hasSmall;
      const sealed = again === undefined && isNext ? this.#seal(nowUs) : undefined;
      if (sealed !== undefined) this.#repairs.addAll(sealed, sealed.fragments);
      const next = again ?? this.#repairs.first(this.#isNeeded, isUrgent);
      if (next === undefined) return;
      this.#sendSome(nowUs, next, 1, send);
    }
  }

  /** Whether the law lets nothing go and time alone will not change that. */
  #isHushed(nowUs: number): boolean {
    return this.#controller.allowedAtUs(nowUs) === Number.POSITIVE_INFINITY;
  }

  /** Cuts records into datagrams of this length; larger ones that are not done are sealed anew. */
  useSegmentBytes(nowUs: number, bytes: number): void {
    this.#sealer.segmentBytes = bytes;
    this.#longLosses.begin(nowUs);
    this.#sealAnew((record) => record.segmentBytes > bytes && record.image.length > bytes);
  }

  /** Applies what the peer said; returns whether it said anything new. */
  onAck(nowUs: number, ack: AckFrame): boolean {
    // What we keep for a peer is ours to bound, whatever it is ready to take.
    this.#peerWindowBytes = Math.min(ack.windowBytes, RECEIVE_WINDOW_BYTES);
    if (ack.single && !this.#sealer.single) this.#sealAnew((record) => record.fragments > 1);
    this.#sealer.single = ack.single;
    const ackedBytes = this.#applyRanges(nowUs, ack) + this.#applyRecords(ack);
    if (ackedBytes > 0) {
      this.#backoffs = 0;
      this.#probes = 0;
      this.#owedSinceUs = this.#records.size === 0 ? undefined : nowUs;
    }
    this.#detectLoss(nowUs);
    return ackedBytes > 0;
  }

  readonly #isNeeded = ({ record, fragment }: Fragment): boolean =>
    this.#records.get(record.number) === record &&
    record.packets[fragment] === 0 &&
    record.acked[fragment] === 0;

  #nextToSend(nowUs: number): Fragment | undefined {
    const again = this.#repairs.first(this.#isNeeded);
    if (again !== undefined) return again;
    if (this.#open === undefined) this.#open = this.#seal(nowUs);
    return this.#open && { record: this.#open, fragment: this.#open.unsent };
  }

  /** How many fragments may leave now, of those that follow each other; sets when more may. */
  #mostFragments(nowUs: number, next: Fragment): number {
    const { record, fragment } = next;
    if (this.#probes > 0) return 1;
    const left = fragment < record.unsent ? 1 : record.fragments - fragment;
    const leftBytes = Math.min(
      left * record.segmentBytes,
      record.image.length - fragment * record.segmentBytes,
    );
    const roomBytes = this.#controller.windowBytes() - this.#inFlightBytes;
    if (roomBytes < Math.min(record.segmentBytes, leftBytes)) return 0;
    const { inTrains } = this.#controller;
    // A train that is cut at the edge of the window costs as much as a whole one.
    if (inTrains && roomBytes < leftBytes && this.#inFlightBytes > 0) return 0;
    const isPaced = inTrains || !isUrgent(record);
    const allowedBytes = isPaced
      ? this.#controller.allowance(nowUs, this.#lateness.us)
      : this.#small.allowance(nowUs, SMALL_RATE);
    if (allowedBytes <= 0) {
      const atUs = isPaced
        ? Math.ceil(this.#controller.allowedAtUs(nowUs))
        : this.#small.nextAtUs(SMALL_RATE);
      this.#paced = { atUs: Math.max(nowUs + 1, atUs), reason: "pacing" };
      return 0;
    }
    const mostBytes = inTrains ? roomBytes : Math.min(roomBytes, allowedBytes);
    return Math.min(left, Math.max(1, Math.floor(mostBytes / record.segmentBytes)));
  }

  #sendSome(nowUs: number, next: Fragment, count: number, send: SendOn): void {
    const { record, fragment } = next;
    const { segmentBytes, view } = record;
    for (let index = 0; index < count; index += 1) {
      rewritePacketNumber(view, (fragment + index) * segmentBytes, this.#nextPacket + index);
    }
    const startAt = fragment * segmentBytes;
    const bytes = record.image.subarray(startAt, startAt + count * segmentBytes);
    const channel = channelOf(record.channel) ?? "message-small";
    const leftAtUs = send(channel, bytes, segmentBytes);
    if (leftAtUs === undefined) {
      this.#blocked = true;
      return;
    }
    const roomBytes = this.#controller.windowBytes() - this.#inFlightBytes - bytes.length;
    const appLimited = this.#outgoing.empty && roomBytes > 4 * segmentBytes;
    const isPaced = this.#controller.inTrains || !isUrgent(record);
    for (let index = 0; index < count; index += 1) {
      const packet = this.#nextPacket++;
      const lengthBytes = datagramBytes(record, fragment + index);
      if (isPaced) this.#controller.onSent(leftAtUs, { packet, bytes: lengthBytes, probe: false });
      this.#sent.add(packet, { record, fragment: fragment + index, atUs: nowUs, appLimited });
      record.packets[fragment + index] = packet;
    }
    this.#inFlightBytes += bytes.length;
    this.#probes = Math.max(0, this.#probes - count);
    if (!isPaced) this.#small.onSent(bytes.length);
    this.#sentBytes += bytes.length;
    this.#lastSentAtUs = nowUs;
    this.#owedSinceUs ??= nowUs;
    this.#repairs.delete(next);
    if (fragment < record.unsent) return;
    record.unsent += count;
    if (record.unsent < record.fragments) return;
    if (this.#open === record) this.#open = undefined;
  }

  /** Seals the next record; `undefined` where nothing waits or the peer has no room for it. */
  #seal(nowUs: number): OutRecord | undefined {
    const bytesMax = this.#sealer.bytesMax(this.#controller.lineRate());
    const oldest = this.#records.keys().next().value ?? this.#sealer.next;
    if (this.#outgoing.empty || this.exhausted) return undefined;
    if (this.#sealer.next - oldest >= RECORD_WINDOW) return undefined;
    if (this.#outstandingBytes > 0 && this.#outstandingBytes + bytesMax > this.#peerWindowBytes) {
      return undefined;
    }
    const record = this.#sealer.seal(nowUs, bytesMax);
    if (record === undefined) return undefined;
    this.#records.set(record.number, record);
    if (!isUrgent(record)) this.#bulk += 1;
    this.#outstandingBytes += record.image.length;
    return record;
  }

  /** Takes acknowledged packets out of flight; returns their bytes. */
  #applyRanges(nowUs: number, ack: AckFrame): number {
    let ackedBytes = 0;
    let appLimited = true;
    let newestAtUs: number | undefined;
    for (const { first, last } of this.#sent.clip(ack.ranges, this.#nextPacket)) {
      for (let packet = last; packet >= first; packet -= 1) {
        const record = this.#sent.recordOf(packet);
        if (record === undefined) continue;
        if (packet > this.#largestAcked) {
          this.#largestAcked = packet;
          newestAtUs = this.#sent.atUsOf(packet);
        }
        appLimited &&= this.#sent.appLimitedOf(packet);
        const fragment = this.#sent.fragmentOf(packet);
        ackedBytes += this.#takeOut(packet, record, fragment);
        this.#noteAcked(nowUs, record, fragment);
      }
    }
    if (ackedBytes === 0) return 0;
    // Only the newest packet times the path: older ones waited for it at the other end.
    const rttUs = newestAtUs === undefined ? undefined : Math.max(1, nowUs - newestAtUs);
    if (rttUs !== undefined) this.#rtt.onSample(rttUs, Math.min(ack.delayUs, ACK_DELAY_US_MAX));
    // What has waited for us shows nothing of the path.
    const pathUs =
      rttUs === undefined || isSpoilt(nowUs, this.#paced.atUs)
        ? undefined
        : Math.max(1, rttUs - Math.min(ack.delayUs, rttUs));
    this.#controller.onAcked(nowUs, { bytes: ackedBytes, rttUs: pathUs, appLimited });
    return ackedBytes;
  }

  #noteAcked(nowUs: number, record: OutRecord, fragment: number): void {
    this.#longLosses.onArrived(nowUs, datagramBytes(record, fragment));
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
    for (let fragment = 0; fragment < record.fragments; fragment += 1) {
      const packet = record.packets[fragment] ?? 0;
      if (packet !== 0) bytes += this.#takeOut(packet, record, fragment);
    }
    this.#records.delete(record.number);
    if (!isUrgent(record)) this.#bulk -= 1;
    this.#outstandingBytes -= record.image.length;
    if (this.#open === record) this.#open = undefined;
    dropImage(record);
    return bytes;
  }

  /** Takes a packet out of flight; returns its length. */
  #takeOut(packet: number, record: OutRecord, fragment: number): number {
    const bytes = datagramBytes(record, fragment);
    this.#sent.delete(packet);
    this.#inFlightBytes -= bytes;
    record.packets[fragment] = 0;
    return bytes;
  }

  #loseOldest(packet: number, record: OutRecord): void {
    const fragment = this.#sent.fragmentOf(packet);
    this.#longLosses.onLost(this.#takeOut(packet, record, fragment));
    this.#repairs.add(record, fragment);
  }

  #detectLoss(nowUs: number): void {
    const lossDelayUs = this.#rtt.lossDelayUs;
    this.#lossDue = NEVER;
    let newestLostAtUs = Number.NEGATIVE_INFINITY;
    let lost = 0;
    for (let packet = this.#sent.oldest; packet < this.#largestAcked; packet += 1) {
      const record = this.#sent.recordOf(packet);
      if (record === undefined) continue;
      const atUs = this.#sent.atUsOf(packet);
      const late = atUs + lossDelayUs <= nowUs;
      if (!late && packet > this.#largestAcked - PACKET_THRESHOLD) {
        this.#lossDue = { atUs: atUs + lossDelayUs, reason: "loss" };
        break;
      }
      newestLostAtUs = atUs;
      lost += 1;
      this.#loseOldest(packet, record);
    }
    if (lost > 0) this.#controller.onLost(nowUs, lost);
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
    // Where the law is silent it asks by itself; only small messages are worth to ask with.
    const isHushed = this.#isHushed(nowUs);
    this.#probes = isHushed ? 0 : 2;
    if (this.#backoffs === 3) this.#controller.onPersistentCongestion(nowUs);
    let oldest = 0;
    const { end } = this.#sent;
    for (let packet = this.#sent.oldest; packet < end; packet += 1) {
      const record = this.#sent.recordOf(packet);
      if (record === undefined || (isHushed && !isUrgent(record))) continue;
      if (oldest++ >= 2 && this.#backoffs < 3) return;
      this.#loseOldest(packet, record);
    }
    if (oldest > 0 || !this.#repairs.empty) return;
    // Every packet that is under way has been acknowledged, and yet this record is not open.
    const [record] = this.#records.values();
    if (record !== undefined) this.#sendWhole(record);
  }

  /** Has all of a record sent again that has been sent. */
  #sendWhole(record: OutRecord): void {
    record.acked.fill(0);
    record.ackedCount = 0;
    this.#repairs.addAll(record, record.unsent);
  }

  /** Turns the unfinished records that are wrong now back into frames, to be sealed otherwise. */
  #sealAnew(isWrong: (record: OutRecord) => boolean): void {
    for (const record of [...this.#records.values()].reverse()) {
      if (!isWrong(record)) continue;
      this.#sealer.unseal(record);
      this.#letGo(record);
    }
  }
}

/** Whether a record is of small messages, which no law across a line holds back. */
const isUrgent = (record: OutRecord): boolean => isSmall(record.channel);

function isDone(ack: AckFrame, record: number): boolean {
  if (record < ack.recordFloor) return true;
  const bit = record - ack.recordFloor;
  return ((ack.recordsDone[bit >> 3] ?? 0) & (0x80 >> (bit & 7))) !== 0;
}
