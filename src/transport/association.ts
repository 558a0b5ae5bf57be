import { detached } from "../base/bytes.ts";
import { PROTOCOL_VERSION } from "../base/constants.ts";
import { type Due, earlier, NEVER } from "../base/machine.ts";
import { CHANNELS, type Channel } from "../effects/channels.ts";
import type { HandshakeInput } from "../effects/handshake.ts";
import type { Address } from "../effects/network.ts";
import {
  type Datagram,
  encodeHandshake,
  encodeHello,
  type RecordDatagram,
} from "../wire/datagram.ts";
import type { AssociationOptions, AssociationOutbox, Protocol } from "./association-types.ts";
import { CLOSE_CODES, closeCodeOf, closeName } from "./close-codes.ts";
import {
  HANDSHAKE_RESEND_US,
  HANDSHAKE_US_MAX,
  IDLE_US_MAX,
  KEEPALIVE_US,
  SILENCE_US_MAX,
} from "./constants.ts";
import { type Flight, HandshakeFlights } from "./handshake-flights.ts";
import {
  judgePeer,
  type PeerIdentity,
  REFUSAL_CLOSE_CODES,
  refusalOfCloseCode,
} from "./judge-peer.ts";
import { RecordLayer } from "./record-layer.ts";
import { RttEstimator } from "./rtt.ts";

/** Datagrams of records that came before the handshake was done here; kept to save a probe. */
const EARLY_DATAGRAMS_MAX = 16;

type Stage =
  /** The initiator has said HELLO and waits, first for a cookie, then for TLS bytes. */
  | { readonly kind: "greeting"; cookie: Uint8Array | undefined; helloAtUs: number; tries: number }
  | { readonly kind: "handshaking" }
  /** Both have keys; the peer's first record has not come yet. */
  | { readonly kind: "confirming" | "up"; readonly layer: RecordLayer; readonly peer: PeerIdentity }
  | { readonly kind: "closed" };

/**
 * One association: two devices, or a device and the server, and what they say to each other.
 *
 * ```text
 * initiator: greeting --RETRY, TLS bytes--> handshaking --done, peer judged--> confirming
 * responder:                                handshaking --done, peer judged--> confirming
 * both:      confirming --first record of the peer opens--> up
 *            any --refusal, silence, close--> closed
 * ```
 */
export class Association {
  readonly #options: AssociationOptions;
  readonly #flights = new HandshakeFlights();
  readonly #rtt = new RttEstimator();
  readonly #early: RecordDatagram[] = [];
  #stage: Stage;
  #peerId: number | undefined;
  #protocol: Protocol = "foreground";
  #startedAtUs: number;
  #spokeAtUs: number;

  constructor(nowUs: number, options: AssociationOptions) {
    this.#options = options;
    this.#peerId = options.peerId;
    this.#startedAtUs = nowUs;
    this.#spokeAtUs = nowUs;
    const greeting = { kind: "greeting", cookie: undefined, helloAtUs: nowUs, tries: 0 } as const;
    this.#stage = options.side === "initiator" ? { ...greeting } : { kind: "handshaking" };
  }

  get closed(): boolean {
    return this.#stage.kind === "closed";
  }

  get up(): boolean {
    return this.#stage.kind === "up";
  }

  get host(): string {
    return this.#options.host;
  }

  /** The smoothed round trip, in microseconds. */
  get rttUs(): number {
    return this.#rtt.smoothedUs;
  }

  /** Bytes of blocks that wait to be sealed: the sign to read no more from disk for now. */
  get queuedBytes(): number {
    return this.#layer()?.queuedBytes ?? 0;
  }

  /** Bytes held for the peer's records that are not complete. */
  get heldBytes(): number {
    return this.#layer()?.heldBytes ?? 0;
  }

  /** Begins: TLS starts on both sides, and the initiator says HELLO. */
  start(nowUs: number, outbox: AssociationOutbox): void {
    const { id, side, anonymous } = this.#options;
    outbox.handshakeStart(id, side, anonymous);
    if (side === "initiator") this.#sayHello(nowUs, outbox);
  }

  /** Applies datagrams that name our id and come from the peer's host, in one go. */
  onDatagrams(nowUs: number, datagrams: readonly Datagram[], outbox: AssociationOutbox): void {
    const records: RecordDatagram[] = [];
    for (const datagram of datagrams) {
      if (datagram.kind === "record") records.push(datagram);
      else this.#onDatagram(nowUs, datagram, outbox);
    }
    if (records.length > 0) this.#onRecords(nowUs, records, outbox);
    this.#flush(nowUs, outbox);
  }

  #onDatagram(nowUs: number, datagram: Datagram, outbox: AssociationOutbox): void {
    switch (datagram.kind) {
      case "retry":
        this.#onRetry(nowUs, datagram.cookie, outbox);
        break;
      case "unsupported":
        this.#onUnsupported(nowUs, datagram.versions, outbox);
        break;
      case "handshake":
        this.#onHandshake(nowUs, datagram, outbox);
        break;
      default:
        break;
    }
  }

  /** Takes the TLS bytes that came within a HELLO. */
  onOpening(nowUs: number, tls: Uint8Array, outbox: AssociationOutbox): void {
    const { tls: fresh } = this.#flights.onFlight(nowUs, { offsetBytes: 0, tls, receivedBytes: 0 });
    if (fresh.length > 0) outbox.handshakeFeed(this.#options.id, fresh);
  }

  onHandshakeInput(nowUs: number, input: HandshakeInput, outbox: AssociationOutbox): void {
    switch (input.kind) {
      case "handshake-bytes":
        this.#onOwnTls(nowUs, input.bytes, outbox);
        break;
      case "handshake-done":
        this.#onDone(nowUs, input, outbox);
        break;
      case "handshake-failed":
        this.#down(nowUs, "handshake-failed", input.reason, false, outbox);
        break;
    }
    this.#flush(nowUs, outbox);
  }

  onTimer(nowUs: number, outbox: AssociationOutbox): void {
    const stage = this.#stage;
    if (stage.kind === "closed") return;
    if (stage.kind !== "up" && nowUs >= this.#startedAtUs + HANDSHAKE_US_MAX) {
      this.#down(nowUs, "unreachable", this.#unreachable(), false, outbox);
      return;
    }
    if (stage.kind === "greeting" && nowUs >= this.#helloDue(stage)) this.#sayHello(nowUs, outbox);
    const shaking = stage.kind === "handshaking" || stage.kind === "confirming";
    if (shaking && this.#flights.due().atUs <= nowUs) {
      this.#sendFlights(this.#flights.resend(nowUs), outbox);
    }
    if (stage.kind === "up") this.#watch(nowUs, stage.layer, outbox);
    this.#flush(nowUs, outbox);
  }

  onWritable(nowUs: number, outbox: AssociationOutbox): void {
    this.#layer()?.onWritable();
    this.#flush(nowUs, outbox);
  }

  due(): Due {
    const stage = this.#stage;
    const limit = { atUs: this.#startedAtUs + HANDSHAKE_US_MAX, reason: "handshake limit" };
    switch (stage.kind) {
      case "greeting":
        return earlier({ atUs: this.#helloDue(stage), reason: "hello" }, limit);
      case "handshaking":
        return earlier(this.#flights.due(), limit);
      case "confirming":
        return earlier(earlier(stage.layer.due(), this.#flights.due()), limit);
      case "up":
        return earlier(stage.layer.due(), this.#watchDue(stage.layer));
      case "closed":
        return NEVER;
    }
  }

  /** Says how contents travel from now on, which the two offices decide. */
  useProtocol(protocol: Protocol): void {
    if (protocol === this.#protocol) return;
    this.#protocol = protocol;
    this.#layer()?.useProtocol(protocol);
  }

  /** Sends a message; `false` where the association is not up. */
  sendMessage(nowUs: number, message: Uint8Array, outbox: AssociationOutbox): boolean {
    if (this.#stage.kind !== "up") return false;
    this.#stage.layer.addMessage(this.#messageChannel(message.length), message);
    this.#flush(nowUs, outbox);
    return true;
  }

  /** Sends a part of what a request asked for; `false` where the association is not up. */
  sendBlock(
    nowUs: number,
    block: { readonly requestId: number; readonly offsetBytes: number; readonly data: Uint8Array },
    outbox: AssociationOutbox,
  ): boolean {
    if (this.#stage.kind !== "up") return false;
    const channel = this.#protocol === "foreground" ? "content-foreground" : "content-background";
    this.#stage.layer.addBlock(channel, block.requestId, block.offsetBytes, block.data);
    this.#flush(nowUs, outbox);
    return true;
  }

  /** Drops blocks that wait to be sent for a request that was taken back. */
  dropBlocks(requestId: number): void {
    this.#layer()?.dropBlocks(requestId);
  }

  /** Ends the association and tells the peer why. */
  close(
    nowUs: number,
    code: keyof typeof CLOSE_CODES,
    reason: string,
    outbox: AssociationOutbox,
  ): void {
    this.#down(nowUs, code, reason, false, outbox);
  }

  #layer(): RecordLayer | undefined {
    const stage = this.#stage;
    return stage.kind === "up" || stage.kind === "confirming" ? stage.layer : undefined;
  }

  #messageChannel(lengthBytes: number): Channel {
    if (lengthBytes <= SMALL_MESSAGE_BYTES) return "message-small";
    return this.#protocol === "foreground"
      ? "message-large-foreground"
      : "message-large-background";
  }

  #helloDue(stage: { readonly helloAtUs: number; readonly tries: number }): number {
    return stage.helloAtUs + HANDSHAKE_RESEND_US * 2 ** Math.min(4, Math.max(0, stage.tries - 1));
  }

  #sayHello(nowUs: number, outbox: AssociationOutbox): void {
    const stage = this.#stage;
    if (stage.kind !== "greeting") return;
    stage.helloAtUs = nowUs;
    stage.tries += 1;
    const withTls = stage.cookie !== undefined && this.#flights.opening.length > 0;
    const hello = encodeHello({
      channel: CHANNELS["message-small"],
      source: this.#options.id,
      singlePort: this.#options.singlePort,
      versions: [PROTOCOL_VERSION],
      cookie: withTls ? (stage.cookie ?? NO_BYTES) : NO_BYTES,
      tls: withTls ? this.#flights.opening : NO_BYTES,
    });
    outbox.send(this.#address("message-small"), "message-small", hello, hello.length);
  }

  #onRetry(nowUs: number, cookie: Uint8Array, outbox: AssociationOutbox): void {
    const stage = this.#stage;
    if (stage.kind !== "greeting" || stage.cookie !== undefined) return;
    if (stage.tries === 1) this.#rtt.onSample(Math.max(1, nowUs - stage.helloAtUs), 0);
    stage.cookie = cookie.slice();
    // TLS bytes come from the world a moment later on the first try; they say HELLO again then.
    if (this.#flights.opening.length > 0) this.#sayHello(nowUs, outbox);
  }

  #onUnsupported(nowUs: number, versions: readonly number[], outbox: AssociationOutbox): void {
    if (this.#stage.kind !== "greeting") return;
    const reason =
      `${this.#options.host} speaks protocol versions ${versions.join(", ")} and this is ` +
      `version ${PROTOCOL_VERSION}: update the older of the two`;
    this.#down(nowUs, "version-mismatch", reason, false, outbox);
  }

  #onOwnTls(nowUs: number, bytes: Uint8Array, outbox: AssociationOutbox): void {
    const stage = this.#stage;
    if (stage.kind === "closed") return;
    const flights = this.#flights.add(nowUs, bytes);
    if (stage.kind !== "greeting") this.#sendFlights(flights, outbox);
    else if (stage.cookie !== undefined) this.#sayHello(nowUs, outbox);
  }

  #onHandshake(
    nowUs: number,
    datagram: Extract<Datagram, { kind: "handshake" }>,
    outbox: AssociationOutbox,
  ): void {
    if (this.#stage.kind === "closed") return;
    if (this.#stage.kind === "greeting") {
      if (this.#stage.cookie === undefined) return;
      this.#stage = { kind: "handshaking" };
    }
    this.#peerId ??= datagram.source;
    if (this.#peerId !== datagram.source) return;
    const { tls, repeated } = this.#flights.onFlight(nowUs, datagram);
    if (repeated) this.#sendFlights(this.#flights.resend(nowUs), outbox);
    if (tls.length > 0) outbox.handshakeFeed(this.#options.id, tls);
  }

  #sendFlights(flights: readonly Flight[], outbox: AssociationOutbox): void {
    if (this.#peerId === undefined) return;
    for (const { offsetBytes, tls } of flights) {
      const datagram = encodeHandshake({
        channel: CHANNELS["message-small"],
        destination: this.#peerId,
        source: this.#options.id,
        offsetBytes,
        receivedBytes: this.#flights.receivedBytes,
        tls,
      });
      outbox.send(this.#address("message-small"), "message-small", datagram, datagram.length);
    }
  }

  #onDone(
    nowUs: number,
    done: Extract<HandshakeInput, { kind: "handshake-done" }>,
    outbox: AssociationOutbox,
  ): void {
    if (this.#stage.kind !== "handshaking" || this.#peerId === undefined) return;
    const { id, side, crypto } = this.#options;
    const peerId = this.#peerId;
    const layer = new RecordLayer({
      nowUs,
      crypto,
      secret: done.secret,
      side,
      ids:
        side === "initiator"
          ? { initiator: id, responder: peerId }
          : { initiator: peerId, responder: id },
      rtt: this.#rtt,
    });
    const judged = judgePeer(done.shown, done.wallS, this.#options.policy);
    if (!judged.ok) {
      const { code, reason } = judged.error;
      layer.sendClose(nowUs, REFUSAL_CLOSE_CODES[code], reason, this.#sendOn(outbox));
      this.#report({ code, reason, byPeer: false }, outbox);
      return;
    }
    this.#stage = { kind: "confirming", layer, peer: judged.value };
    layer.useProtocol(this.#protocol);
    layer.addPing();
    this.#onRecords(nowUs, this.#early.splice(0), outbox);
  }

  #onRecords(nowUs: number, datagrams: readonly RecordDatagram[], outbox: AssociationOutbox): void {
    const stage = this.#stage;
    if (stage.kind === "handshaking") {
      for (const datagram of datagrams.slice(0, EARLY_DATAGRAMS_MAX - this.#early.length)) {
        this.#early.push({ ...datagram, payload: detached(datagram.payload) });
      }
      return;
    }
    if (stage.kind !== "confirming" && stage.kind !== "up") return;
    stage.layer.onDatagrams(nowUs, datagrams, {
      onMessage: (bytes) => this.#onMessage(bytes, outbox),
      onBlock: (requestId, offsetBytes, data) => {
        const association = this.#options.id;
        if (!this.closed) {
          outbox.report({ kind: "block-received", association, requestId, offsetBytes, data });
        }
      },
      onClose: (code, reason, byPeer) => {
        const name = refusalOfCloseCode(code) ?? closeName(code);
        if (byPeer) this.#report({ code: name, reason, byPeer }, outbox);
        else this.#down(nowUs, closeCodeOf(code), reason, false, outbox);
      },
    });
    this.#confirm(stage, outbox);
  }

  #onMessage(bytes: Uint8Array, outbox: AssociationOutbox): void {
    const stage = this.#stage;
    if (stage.kind === "closed") return;
    this.#confirm(stage, outbox);
    outbox.report({ kind: "message-received", association: this.#options.id, bytes });
  }

  /** The peer's first record has opened: it has judged us, and we have judged it. */
  #confirm(stage: Stage, outbox: AssociationOutbox): void {
    if (stage.kind !== "confirming" || this.#stage !== stage || !stage.layer.opened) return;
    this.#stage = { kind: "up", layer: stage.layer, peer: stage.peer };
    outbox.handshakeEnd(this.#options.id);
    const { id, host, side } = this.#options;
    outbox.report({ kind: "association-up", association: id, peer: stage.peer, host, side });
  }

  #watch(nowUs: number, layer: RecordLayer, outbox: AssociationOutbox): void {
    const silentUs = nowUs - layer.heardAtUs;
    if ((layer.waiting && silentUs >= SILENCE_US_MAX) || silentUs >= IDLE_US_MAX) {
      const reason = `${this.#options.host} has not answered for ${Math.round(silentUs / 1e6)} s`;
      this.#down(nowUs, "silent", reason, false, outbox);
    } else if (layer.exhausted) {
      this.#down(nowUs, "exhausted", "the numbers of this association are used up", false, outbox);
    } else if (nowUs - Math.max(layer.heardAtUs, this.#spokeAtUs) >= KEEPALIVE_US) {
      this.#spokeAtUs = nowUs;
      layer.addPing();
    }
  }

  #watchDue(layer: RecordLayer): Due {
    const spokeAtUs = Math.max(layer.heardAtUs, this.#spokeAtUs);
    const keepalive = { atUs: spokeAtUs + KEEPALIVE_US, reason: "keep-alive" };
    const limitUs = layer.waiting ? SILENCE_US_MAX : IDLE_US_MAX;
    return earlier(keepalive, { atUs: layer.heardAtUs + limitUs, reason: "silence" });
  }

  #flush(nowUs: number, outbox: AssociationOutbox): void {
    this.#layer()?.flush(nowUs, this.#sendOn(outbox));
  }

  #sendOn(outbox: AssociationOutbox) {
    return (channel: Channel, bytes: Uint8Array, segmentBytes: number): boolean =>
      outbox.send(this.#address(channel), channel, bytes, segmentBytes);
  }

  #address(channel: Channel): Address {
    const { host, ports } = this.#options;
    if (ports.kind === "single") return { host, port: ports.port };
    return { host, port: ports.table[channel] ?? 0 };
  }

  #unreachable(): string {
    const { host } = this.#options;
    const port = this.#address("message-small").port;
    return this.#stage.kind === "greeting"
      ? `${host} does not answer on UDP port ${port}: is it running, and is the port open?`
      : `${host} did not finish the handshake within ${HANDSHAKE_US_MAX / 1e6} s`;
  }

  #down(
    nowUs: number,
    code: keyof typeof CLOSE_CODES,
    reason: string,
    byPeer: boolean,
    outbox: AssociationOutbox,
  ): void {
    this.#layer()?.sendClose(nowUs, CLOSE_CODES[code], reason, this.#sendOn(outbox));
    this.#report({ code, reason, byPeer }, outbox);
  }

  #report(
    end: { readonly code: string; readonly reason: string; readonly byPeer: boolean },
    outbox: AssociationOutbox,
  ): void {
    if (this.#stage.kind === "closed") return;
    const wasUp = this.#stage.kind === "up";
    if (!wasUp) outbox.handshakeEnd(this.#options.id);
    this.#stage = { kind: "closed" };
    const { id: association, host } = this.#options;
    outbox.report({ kind: "association-down", association, host, ...end, wasUp });
  }
}

/** What travels as a small message; the rest are large ones with ports of their own. */
const SMALL_MESSAGE_BYTES = 1_024;

const NO_BYTES: Uint8Array = new Uint8Array(0);
