import { ByteWriter } from "../base/byte-writer.ts";
import { type Due, earlier } from "../base/machine.ts";
import { MS, SECOND } from "../base/units.ts";
import { CHANNELS, type Channel, channelOf } from "../effects/channels.ts";
import { type Crypto, TAG_BYTES } from "../effects/crypto.ts";
import type { Side } from "../effects/handshake.ts";
import { RECORD_HEADER_BYTES, type RecordDatagram, writeRecordHeader } from "../wire/datagram.ts";
import { type Frame, readFrames, TOKEN_BYTES, writeFrame, writePadding } from "../wire/frames.ts";
import type { Hearing, Protocol } from "./association-types.ts";
import { CLOSE_CODES } from "./close-codes.ts";
import { background } from "./congestion/background.ts";
import type { ControllerStatus } from "./congestion/controller.ts";
import { foreground } from "./congestion/foreground.ts";
import {
  ACK_BYTES_BACKGROUND,
  ACK_BYTES_FOREGROUND,
  ACK_DELAY_BACKGROUND_US,
  ACK_DELAY_FOREGROUND_US,
  FAILED_OPENINGS_MAX,
} from "./constants.ts";
import { type AssociationIds, OpenKeys, SealKeys } from "./keys.ts";
import { framed, MessageStream } from "./message-stream.ts";
import { Outgoing } from "./outgoing.ts";
import { PathMtu } from "./path-mtu.ts";
import { RecordReceiver } from "./receiver.ts";
import type { RttEstimator } from "./rtt.ts";
import type { SendOn } from "./send-on.ts";
import { RecordSender } from "./sender.ts";
import { Together } from "./together.ts";

/** What comes out of sealed records. */
export type RecordEvents = {
  onMessage(bytes: Uint8Array): void;
  onBlock(requestId: number, offsetBytes: number, data: Uint8Array): void;
  /** A record of this channel opened, with the channel's newest packet so far. */
  onOpened(channel: Channel): void;
  /** The peer has asked for an answer. */
  onChallenge(): void;
  /** The peer has answered a challenge that was not the layer's own. */
  onResponse(token: Uint8Array): void;
  /** The peer closed, or (`byPeer` false) broke a rule and is to be cut off. */
  onClose(code: number, reason: string, byPeer: boolean): void;
};

/** Most challenges that are answered after one arrival. */
const ANSWERS_MAX = 16;

/** How long a probe of the path's length may take, at least: a peer may be busy. */
const MTU_WAIT_US_MIN = 100 * MS;

/** For how long what a probe says is true: the next one comes sooner. */
const HELD_BACK_US = 1.5 * SECOND;

/** Most bytes of a stream frame, so that a long message does not hold up the window at once. */
const STREAM_CHUNK_BYTES = 16_384;

/** What both sides can say to each other once they share keys. */
export class RecordLayer {
  readonly #seal: SealKeys;
  readonly #outgoing = new Outgoing();
  readonly #sender: RecordSender;
  readonly #receiver: RecordReceiver;
  readonly #stream = new MessageStream();
  readonly #peer: number;
  #streamBytes = 0;
  #nextOnce = 0;
  #contentChannel: Channel = "content-foreground";
  #ackChannel: Channel = "reply-small";
  #heardAtUs: number;
  #opened = false;
  /** The newest packet that opened a record, by channel. */
  readonly #newest = new Map<Channel, number>();
  readonly #mtu = new PathMtu();
  #heldBack = { sinceUs: 0, heardAtUs: Number.NEGATIVE_INFINITY };
  /** What the peer wants back. */
  #answers: Uint8Array[] = [];
  readonly #randomBytes: (length: number) => Uint8Array;

  constructor(options: {
    readonly nowUs: number;
    readonly crypto: Crypto;
    readonly secret: Uint8Array;
    readonly side: Side;
    readonly ids: AssociationIds;
    readonly rtt: RttEstimator;
  }) {
    const { side, ids, nowUs } = options;
    const other = side === "initiator" ? "responder" : "initiator";
    this.#peer = ids[other];
    this.#seal = new SealKeys(options.crypto, options.secret, { side, ids, nowUs });
    const openKeys = new OpenKeys(options.crypto, options.secret, { side: other, ids });
    this.#receiver = new RecordReceiver(openKeys);
    this.#sender = new RecordSender({
      keys: this.#seal,
      peer: this.#peer,
      rtt: options.rtt,
      outgoing: this.#outgoing,
      controller: foreground(),
    });
    this.#heardAtUs = nowUs;
    this.#randomBytes = (length) => options.crypto.randomBytes(length);
  }

  /** Whether a record of the peer's has been opened: only then is the association up. */
  get opened(): boolean {
    return this.#opened;
  }

  /** When the last record that opened arrived. */
  get heardAtUs(): number {
    return this.#heardAtUs;
  }

  /** Since when the peer owes us an acknowledgement; `undefined` where it owes none. */
  get owedSinceUs(): number | undefined {
    return this.#sender.owedSinceUs;
  }

  /** How many times in a row nothing has come back for a probe timeout. */
  get backoffs(): number {
    return this.#sender.backoffs;
  }

  /** How long to wait for an answer before asking again. */
  get ptoUs(): number {
    return this.#sender.ptoUs;
  }

  get exhausted(): boolean {
    return this.#sender.exhausted;
  }

  get sentBytes(): number {
    return this.#sender.sentBytes;
  }

  /** What the law of the transfer believes, and whether all that was said has arrived. */
  get status(): ControllerStatus & { readonly idle: boolean } {
    const idle = this.#outgoing.empty && !this.#sender.waiting;
    return { ...this.#sender.controllerStatus, idle };
  }

  /** What is heard of the peer. */
  hearing(nowUs: number): Hearing {
    const { sinceUs, heardAtUs } = this.#heldBack;
    // Who sends probes is silent otherwise; who uses the line sends none.
    const heldBackUs = nowUs - heardAtUs < HELD_BACK_US ? heardAtUs - sinceUs : 0;
    return { unheardUs: nowUs - this.#heardAtUs, heldBackUs };
  }

  /** Bytes of blocks that wait to be sealed. */
  get queuedBytes(): number {
    return this.#outgoing.blockBytes;
  }

  /** Bytes held of records that are not complete. */
  get heldBytes(): number {
    return this.#receiver.heldBytes;
  }

  /** Takes the congestion controller of another protocol, and its way to acknowledge. */
  useProtocol(protocol: Protocol): void {
    const isForeground = protocol === "foreground";
    this.#sender.useController(isForeground ? foreground() : background(this.#seed()));
    this.#contentChannel = `content-${protocol}`;
    this.#ackChannel = isForeground ? "reply-small" : "control-adaptive";
    this.#receiver.useAckPolicy(
      isForeground
        ? { bytes: ACK_BYTES_FOREGROUND, delayUs: ACK_DELAY_FOREGROUND_US }
        : { bytes: ACK_BYTES_BACKGROUND, delayUs: ACK_DELAY_BACKGROUND_US },
    );
  }

  #seed(): number {
    const bytes = this.#randomBytes(4);
    return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
  }

  addMessage(channel: Channel, message: Uint8Array): void {
    const bytes = framed(message);
    for (let at = 0; at < bytes.length; at += STREAM_CHUNK_BYTES) {
      const data = bytes.subarray(at, at + STREAM_CHUNK_BYTES);
      this.#outgoing.add(channel, { kind: "stream", offsetBytes: this.#streamBytes, data });
      this.#streamBytes += data.length;
    }
  }

  addBlock(
    channel: Channel,
    block: { readonly requestId: number; readonly offsetBytes: number; readonly data: Uint8Array },
  ): void {
    const { requestId, offsetBytes, data } = block;
    this.#contentChannel = channel;
    this.#outgoing.add(channel, { kind: "block", requestId, offsetBytes, data });
  }

  dropBlocks(requestId: number): void {
    this.#outgoing.dropBlocks(requestId);
  }

  addPing(): void {
    this.#outgoing.add("reply-small", { kind: "ping" });
  }

  onWritable(): void {
    this.#sender.onWritable();
  }

  due(): Due {
    return earlier(earlier(this.#receiver.due(), this.#sender.due()), this.#mtu.due());
  }

  /** Whether this datagram could bring something by itself that has not come before. */
  isFreshWhole(datagram: RecordDatagram): boolean {
    return this.#receiver.isFreshWhole(datagram);
  }

  /** Applies datagrams that came in one go; what they bring goes to `events`. */
  onDatagrams(nowUs: number, datagrams: readonly RecordDatagram[], events: RecordEvents): void {
    for (let index = 0; index < datagrams.length; ) {
      const count = this.#receiver.wholeAt(datagrams, index);
      const datagram = datagrams[index];
      const plaintext =
        count > 0
          ? this.#receiver.onWhole(nowUs, datagrams.slice(index, index + count))
          : datagram && this.#receiver.onDatagram(nowUs, datagram);
      index += Math.max(1, count);
      if (plaintext !== undefined && datagram !== undefined) this.#noteOpened(datagram, events);
      if (datagram !== undefined) this.#onPlaintext(nowUs, plaintext, datagram, events);
    }
  }

  #noteOpened(datagram: RecordDatagram, events: RecordEvents): void {
    const channel = channelOf(datagram.channel);
    // What is overtaken on its way does not say where the peer is now. Each channel has a socket of
    // its own, and sockets are not read in the order in which something came to them.
    if (channel === undefined || datagram.packet <= (this.#newest.get(channel) ?? -1)) return;
    this.#newest.set(channel, datagram.packet);
    events.onOpened(channel);
  }

  /** @param datagram - The one that completed it. */
  #onPlaintext(
    nowUs: number,
    plaintext: Uint8Array | undefined,
    datagram: RecordDatagram,
    events: RecordEvents,
  ): void {
    if (this.#receiver.failures > FAILED_OPENINGS_MAX) {
      events.onClose(CLOSE_CODES.integrity, "too many records did not open", false);
    }
    if (plaintext === undefined) return;
    this.#opened = true;
    this.#heardAtUs = nowUs;
    const frames = readFrames(plaintext);
    if (frames === undefined) {
      events.onClose(CLOSE_CODES["protocol-error"], "a record is not made of frames", false);
      return;
    }
    for (const frame of frames) this.#onFrame(nowUs, frame, datagram, events);
  }

  /** Does what is due and sends what may be sent. */
  flush(nowUs: number, send: SendOn, bytesMax: number): void {
    this.#sender.onTimer(nowUs);
    if (this.#sender.suspectsBlackHole(nowUs)) {
      this.#mtu.onBlackHole(nowUs, bytesMax);
      this.#sender.useSegmentBytes(nowUs, this.#mtu.segmentBytes);
    }
    for (const token of this.#answers.splice(0)) {
      this.#sendOnce(nowUs, "reply-small", { kind: "response", token }, send);
    }
    // What is long enough to fill datagrams is worth knowing how long they may be.
    if (this.#outgoing.blockBytes > 0) this.#mtu.start(nowUs, bytesMax);
    if (this.#mtu.due().atUs <= nowUs) this.#probeMtu(nowUs, send);
    const { urgentChannel } = this.#outgoing;
    // What we have to say wakes the peer anyway: it hears of what has come at the same time.
    const isDue = this.#receiver.due().atUs <= nowUs;
    if (!isDue && (urgentChannel === undefined || !this.#receiver.owes)) {
      this.#pump(nowUs, send);
      return;
    }
    const channel = urgentChannel ?? this.#ackChannel;
    const [arrivals, ...more] = this.#receiver.takeArrivals(nowUs);
    const said = [this.#receiver.takeAck(nowUs), ...(arrivals === undefined ? [] : [arrivals])];
    const { datagram } = this.#sealOnce(nowUs, channel, said);
    const together = new Together({ channel, datagram }, send);
    this.#pump(nowUs, together.send);
    together.end();
    for (const frame of more) this.#sendOnce(nowUs, channel, frame, send);
  }

  #pump(nowUs: number, send: SendOn): void {
    this.#sender.pump(nowUs, send);
    if (!this.#sender.wantsProbe(nowUs)) return;
    const busyMs = Math.floor(this.#sender.busyUs(nowUs) / MS);
    const channel = this.#contentChannel;
    const { datagram, packet } = this.#sealOnce(nowUs, channel, [{ kind: "probe", busyMs }]);
    const leftAtUs = send(channel, datagram, datagram.length) ?? nowUs;
    this.#sender.onProbeSent(leftAtUs, packet, datagram.length);
  }

  /** Says good-bye; said once, it may be lost. */
  sendClose(nowUs: number, code: number, reason: string, send: SendOn): void {
    this.#sendOnce(nowUs, "reply-small", { kind: "close", code, reason }, send);
  }

  /** Asks the peer to answer, which shows that it is there; said once, it may be lost. */
  sendChallenge(nowUs: number, channel: Channel, token: Uint8Array, send: SendOn): void {
    this.#sendOnce(nowUs, channel, { kind: "challenge", token }, send);
  }

  /** Shows the peer where we are; said once, it may be lost. */
  sendOpener(nowUs: number, channel: Channel, send: SendOn): void {
    this.#sendOnce(nowUs, channel, { kind: "ping" }, send);
  }

  /** The peer is at another host: what was learnt of the path is worth nothing. */
  onPathChanged(nowUs: number): void {
    this.#mtu.reset();
    this.#sender.useSegmentBytes(nowUs, this.#mtu.segmentBytes);
    this.#sender.onPathChanged(nowUs);
  }

  #probeMtu(nowUs: number, send: SendOn): void {
    const waitUs = Math.max(this.#sender.ptoUs, MTU_WAIT_US_MIN);
    const token = () => this.#randomBytes(TOKEN_BYTES);
    const probe = this.#mtu.takeProbe(nowUs, { waitUs, token });
    if (probe === undefined) return;
    const frame = { kind: "challenge", token: probe.token } as const;
    this.#sendOnce(nowUs, this.#contentChannel, frame, send, probe.bytes);
  }

  #onFrame(nowUs: number, frame: Frame, datagram: RecordDatagram, events: RecordEvents): void {
    switch (frame.kind) {
      case "arrivals":
        this.#sender.onArrivals(nowUs, datagram.arrivedAtUs ?? nowUs, frame);
        break;
      case "probe":
        this.#receiver.onProbe(nowUs, datagram);
        this.#heldBack = { sinceUs: nowUs - frame.busyMs * MS, heardAtUs: nowUs };
        break;
      case "ack":
        this.#sender.onAck(nowUs, frame);
        break;
      case "stream":
        this.#onStream(frame.offsetBytes, frame.data, events);
        break;
      case "block":
        events.onBlock(frame.requestId, frame.offsetBytes, frame.data);
        break;
      case "abandon":
        this.#receiver.onAbandon(frame.record);
        break;
      case "ping":
        break;
      case "challenge":
        if (this.#answers.length < ANSWERS_MAX) this.#answers.push(frame.token.slice());
        events.onChallenge();
        break;
      case "response":
        if (this.#mtu.onResponse(frame.token)) {
          this.#sender.useSegmentBytes(nowUs, this.#mtu.segmentBytes);
        } else {
          events.onResponse(frame.token);
        }
        break;
      case "close":
        events.onClose(frame.code, frame.reason, true);
        break;
    }
  }

  #onStream(offsetBytes: number, data: Uint8Array, events: RecordEvents): void {
    const messages = this.#stream.onData(offsetBytes, data);
    if (!messages.ok) {
      events.onClose(CLOSE_CODES["protocol-error"], messages.error, false);
      return;
    }
    for (const message of messages.value) events.onMessage(message);
  }

  #sendOnce(nowUs: number, channel: Channel, frame: Frame, send: SendOn, datagramBytes = 0): void {
    const { datagram } = this.#sealOnce(nowUs, channel, [frame], datagramBytes);
    // Where the world's queue is full, a later acknowledgement says it all again.
    send(channel, datagram, datagram.length);
  }

  #sealOnce(
    nowUs: number,
    channel: Channel,
    frames: readonly Frame[],
    datagramBytes = 0,
  ): { readonly datagram: Uint8Array; readonly packet: number } {
    const writer = new ByteWriter(256);
    for (const frame of frames) writeFrame(writer, frame);
    const paddedBytes = datagramBytes - RECORD_HEADER_BYTES - TAG_BYTES;
    writePadding(writer, paddedBytes - writer.length);
    const record = this.#nextOnce++;
    const phase = this.#seal.phase(nowUs);
    const destination = this.#peer;
    const name = { channel: CHANNELS[channel], lane: "once" as const, phase, destination, record };
    const sealed = this.#seal.seal(name, writer.written());
    const datagram = new Uint8Array(RECORD_HEADER_BYTES + sealed.length);
    const packet = this.#sender.takePacketNumber();
    const lengthBytes = sealed.length;
    const view = new DataView(datagram.buffer);
    writeRecordHeader(view, 0, { ...name, packet, fragment: 0, last: true, lengthBytes });
    datagram.set(sealed, RECORD_HEADER_BYTES);
    return { datagram, packet };
  }
}
