import { type Due, earlier, NEVER } from "../base/machine.ts";
import { CHANNELS, type Channel } from "../effects/channels.ts";
import type { HandshakeInput } from "../effects/handshake.ts";
import type { Address } from "../effects/network.ts";
import {
  DATAGRAM_BYTES_INITIAL,
  type Datagram,
  encodeHandshake,
  RECORD_HEADER_BYTES,
  type ReadDatagram,
  type RecordDatagram,
} from "../wire/datagram.ts";
import { TOKEN_BYTES } from "../wire/frames.ts";
import type {
  AssociationOptions,
  AssociationOutbox,
  Hearing,
  PathStatus,
  Protocol,
} from "./association-types.ts";
import { bulkChannels, messageChannel } from "./channel-choice.ts";
import { CLOSE_CODES, closeCodeOf, closeName } from "./close-codes.ts";
import { HANDSHAKE_US_MAX } from "./constants.ts";
import { EarlyRecords } from "./early-records.ts";
import { Greeting, unreachableReason, versionReason } from "./greeting.ts";
import { type Flight, HandshakeFlights } from "./handshake-flights.ts";
import {
  judgePeer,
  type PeerIdentity,
  REFUSAL_CLOSE_CODES,
  refusalOfCloseCode,
} from "./judge-peer.ts";
import { PeerPath } from "./peer-path.ts";
import { RecordLayer } from "./record-layer.ts";
import { RttEstimator } from "./rtt.ts";
import type { SendOn } from "./send-on.ts";
import { Vigil } from "./vigil.ts";

type Stage =
  /** The initiator has said HELLO and waits, first for a cookie, then for TLS bytes. */
  | { readonly kind: "greeting"; readonly greeting: Greeting }
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
  readonly #early = new EarlyRecords();
  #stage: Stage;
  #peerId: number | undefined;
  #protocol: Protocol = "foreground";
  readonly #path: PeerPath;
  readonly #vigil: Vigil;
  #startedAtUs: number;

  constructor(nowUs: number, options: AssociationOptions) {
    this.#options = options;
    this.#path = new PeerPath(options.side, options.host, options.ports);
    this.#vigil = new Vigil(nowUs, options.side === "initiator" && !options.singlePort);
    this.#peerId = options.peerId;
    this.#startedAtUs = nowUs;
    this.#stage =
      options.side === "initiator"
        ? { kind: "greeting", greeting: new Greeting(nowUs, options.id, options.singlePort) }
        : { kind: "handshaking" };
  }

  get closed(): boolean {
    return this.#stage.kind === "closed";
  }

  get up(): boolean {
    return this.#stage.kind === "up";
  }

  get host(): string {
    return this.#path.host;
  }

  /** What is known of the path to the peer. */
  get pathStatus(): PathStatus {
    return { rttUs: this.#rtt.smoothedUs, ...this.#layer()?.status };
  }

  /** What is heard of the peer; `undefined` before the handshake is done. */
  hearing(nowUs: number): Hearing | undefined {
    return this.#layer()?.hearing(nowUs);
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
    if (this.#stage.kind === "greeting") this.#sayHello(nowUs, this.#stage.greeting, outbox);
  }

  /**
   * Applies datagrams that name our id and came in one go; {@link flush} answers them.
   *
   * @returns `false` where they came from another host than the peer's, and are not the peer's.
   */
  onDatagrams(
    nowUs: number,
    from: Address,
    datagrams: readonly ReadDatagram[],
    outbox: AssociationOutbox,
  ): boolean {
    const isHost = from.host === this.host;
    const layer = this.#stage.kind === "up" ? this.#stage.layer : undefined;
    const records: RecordDatagram[] = [];
    for (const datagram of datagrams) {
      // From elsewhere only what shows by itself that it is the peer's may have any effect.
      if (datagram.kind === "record" && (isHost || layer?.isFreshWhole(datagram))) {
        if (this.#stage.kind === "handshaking") this.#early.keep(from, datagram);
        else records.push(datagram);
      } else if (isHost) {
        this.#onDatagram(nowUs, datagram, outbox);
      }
    }
    const channel = records.length > 0 && this.#onRecords(nowUs, records, outbox);
    if (channel !== false) {
      const bytes = datagrams.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
      this.#onOpened(nowUs, { from, channel, bytes }, outbox);
    }
    return isHost || channel !== false;
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
        this.close(nowUs, "handshake-failed", input.reason, outbox);
        break;
    }
    this.flush(nowUs, outbox);
  }

  onTimer(nowUs: number, outbox: AssociationOutbox): void {
    const stage = this.#stage;
    if (stage.kind === "closed") return;
    if (stage.kind !== "up" && nowUs >= this.#startedAtUs + HANDSHAKE_US_MAX) {
      const { port } = this.#path.address("message-small");
      const reason = unreachableReason(this.host, port, stage.kind === "greeting");
      this.close(nowUs, "unreachable", reason, outbox);
      return;
    }
    if (stage.kind === "greeting" && nowUs >= stage.greeting.dueUs) {
      this.#sayHello(nowUs, stage.greeting, outbox);
    }
    const shaking = stage.kind === "handshaking" || stage.kind === "confirming";
    if (shaking && this.#flights.due().atUs <= nowUs) {
      this.#sendFlights(this.#flights.resend(nowUs), outbox);
    }
    if (stage.kind === "up") this.#watch(nowUs, stage.layer, outbox);
    this.flush(nowUs, outbox);
  }

  onWritable(nowUs: number, outbox: AssociationOutbox): void {
    this.#layer()?.onWritable();
    this.flush(nowUs, outbox);
  }

  due(): Due {
    const stage = this.#stage;
    const limit = { atUs: this.#startedAtUs + HANDSHAKE_US_MAX, reason: "handshake limit" };
    switch (stage.kind) {
      case "greeting":
        return earlier({ atUs: stage.greeting.dueUs, reason: "hello" }, limit);
      case "handshaking":
        return earlier(this.#flights.due(), limit);
      case "confirming":
        return earlier(earlier(stage.layer.due(), this.#flights.due()), limit);
      case "up":
        return earlier(stage.layer.due(), this.#vigil.due(stage.layer));
      case "closed":
        return NEVER;
    }
  }

  /** Says how contents travel from now on, which the two offices decide. */
  useProtocol(protocol: Protocol): void {
    if (protocol === this.#protocol) return;
    this.#protocol = protocol;
    this.#layer()?.useProtocol(protocol);
    this.#vigil.openAgain();
  }

  /** Adds a message, which {@link flush} sends; `false` where the association is not up. */
  addMessage(message: Uint8Array): boolean {
    if (this.#stage.kind !== "up") return false;
    this.#stage.layer.addMessage(messageChannel(this.#protocol, message.length), message);
    return true;
  }

  /** Sends a part of what a request asked for; `false` where the association is not up. */
  sendBlock(
    nowUs: number,
    block: { readonly requestId: number; readonly offsetBytes: number; readonly data: Uint8Array },
    outbox: AssociationOutbox,
  ): boolean {
    if (this.#stage.kind !== "up") return false;
    this.#stage.layer.addBlock(`content-${this.#protocol}`, block);
    this.flush(nowUs, outbox);
    return true;
  }

  /** Sends what may be sent, and answers what has come. */
  flush(nowUs: number, outbox: AssociationOutbox): void {
    const bytesMax = outbox.datagramBytesMax?.(this.host) ?? DATAGRAM_BYTES_INITIAL;
    this.#layer()?.flush(nowUs, this.#sendOn(nowUs, outbox), bytesMax);
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
    this.#layer()?.sendClose(nowUs, CLOSE_CODES[code], reason, this.#sendOn(nowUs, outbox));
    this.#report({ code, reason, byPeer: false }, outbox);
  }

  #layer(): RecordLayer | undefined {
    const stage = this.#stage;
    return stage.kind === "up" || stage.kind === "confirming" ? stage.layer : undefined;
  }

  #sayHello(nowUs: number, greeting: Greeting, outbox: AssociationOutbox): void {
    const hello = greeting.hello(nowUs, this.#flights.opening);
    outbox.send(this.#path.address("message-small"), "message-small", hello, hello.length);
  }

  #onRetry(nowUs: number, cookie: Uint8Array, outbox: AssociationOutbox): void {
    const stage = this.#stage;
    if (stage.kind !== "greeting" || stage.greeting.answered) return;
    const rttUs = stage.greeting.onRetry(nowUs, cookie);
    if (rttUs > 0) this.#rtt.onSample(rttUs, 0);
    // TLS bytes come from the world a moment later on the first try; they say HELLO again then.
    if (this.#flights.opening.length > 0) this.#sayHello(nowUs, stage.greeting, outbox);
  }

  #onUnsupported(nowUs: number, versions: readonly number[], outbox: AssociationOutbox): void {
    if (this.#stage.kind !== "greeting") return;
    this.close(nowUs, "version-mismatch", versionReason(this.host, versions), outbox);
  }

  #onOwnTls(nowUs: number, bytes: Uint8Array, outbox: AssociationOutbox): void {
    const stage = this.#stage;
    if (stage.kind === "closed") return;
    const flights = this.#flights.add(nowUs, bytes);
    if (stage.kind !== "greeting") this.#sendFlights(flights, outbox);
    else if (stage.greeting.answered) this.#sayHello(nowUs, stage.greeting, outbox);
  }

  #onHandshake(
    nowUs: number,
    datagram: Extract<Datagram, { kind: "handshake" }>,
    outbox: AssociationOutbox,
  ): void {
    if (this.#stage.kind === "closed") return;
    if (this.#stage.kind === "greeting") {
      if (!this.#stage.greeting.answered) return;
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
      outbox.send(this.#path.address("message-small"), "message-small", datagram, datagram.length);
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
      layer.sendClose(nowUs, REFUSAL_CLOSE_CODES[code], reason, this.#sendOn(nowUs, outbox));
      this.#report({ code, reason, byPeer: false }, outbox);
      return;
    }
    this.#stage = { kind: "confirming", layer, peer: judged.value };
    layer.useProtocol(this.#protocol);
    layer.addPing();
    for (const { from, datagram } of this.#early.take()) {
      const channel = this.#onRecords(nowUs, [datagram], outbox);
      const bytes = RECORD_HEADER_BYTES + datagram.payload.length;
      if (channel !== false) this.#onOpened(nowUs, { from, channel, bytes }, outbox);
    }
  }

  /** Applies records; returns the channel of the newest packet that opened one, or `false`. */
  #onRecords(
    nowUs: number,
    datagrams: readonly RecordDatagram[],
    outbox: AssociationOutbox,
  ): Channel | false {
    let opened: Channel | false = false;
    const stage = this.#stage;
    if (stage.kind !== "confirming" && stage.kind !== "up") return false;
    stage.layer.onDatagrams(nowUs, datagrams, {
      onMessage: (bytes) => this.#onMessage(bytes, outbox),
      onBlock: (requestId, offsetBytes, data) => {
        const association = this.#options.id;
        if (!this.closed) {
          outbox.report({ kind: "block-received", association, requestId, offsetBytes, data });
        }
      },
      onOpened: (channel) => {
        opened = channel;
      },
      onChallenge: () => this.#vigil.onChallenge(nowUs),
      onResponse: (token) => this.#onResponse(nowUs, token, outbox),
      onClose: (code, reason, byPeer) => {
        const name = refusalOfCloseCode(code) ?? closeName(code);
        if (byPeer) this.#report({ code: name, reason, byPeer }, outbox);
        else this.close(nowUs, closeCodeOf(code), reason, outbox);
      },
    });
    this.#confirm(stage, outbox);
    return opened;
  }

  /** What only the peer can have said came from this address: it may be there now. */
  #onOpened(
    nowUs: number,
    arrival: { readonly from: Address; readonly channel: Channel; readonly bytes: number },
    outbox: AssociationOutbox,
  ): void {
    const stage = this.#stage;
    if (stage.kind !== "up") return;
    const challenge = this.#path.onOpened(nowUs, arrival, {
      waitUs: stage.layer.ptoUs,
      token: () => this.#options.crypto.randomBytes(TOKEN_BYTES),
    });
    if (challenge === undefined) return;
    const { to, token } = challenge;
    stage.layer.sendChallenge(nowUs, arrival.channel, token, (channel, bytes, segmentBytes) =>
      outbox.send(to, channel, bytes, segmentBytes) ? nowUs : undefined,
    );
  }

  #onResponse(nowUs: number, token: Uint8Array, outbox: AssociationOutbox): void {
    if (this.#path.onResponse(token) !== "host") return;
    this.#layer()?.onPathChanged(nowUs);
    const { id: association } = this.#options;
    outbox.report({ kind: "association-moved", association, host: this.host });
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
    const { id: association, side } = this.#options;
    const { peer } = stage;
    outbox.report({ kind: "association-up", association, peer, host: this.host, side });
  }

  #watch(nowUs: number, layer: RecordLayer, outbox: AssociationOutbox): void {
    const { silentUs, speaks, opens, isLost } = this.#vigil.watch(nowUs, layer);
    if (silentUs !== undefined) {
      const reason = `${this.host} has not answered for ${Math.round(silentUs / 1e6)} s`;
      this.close(nowUs, "silent", reason, outbox);
      return;
    }
    if (layer.exhausted) {
      this.close(nowUs, "exhausted", "the numbers of this association are used up", outbox);
      return;
    }
    if (speaks) layer.addPing();
    if (opens) this.#sendOpeners(nowUs, layer, outbox);
    if (isLost) {
      // We may be elsewhere: only what opens by itself shows it, and an old port may be open again.
      layer.sendOpener(nowUs, "reply-small", this.#sendOn(nowUs, outbox));
      this.#path.onSilence();
    }
  }

  /** Opens the ways on which the responder may send much: what stands between may be shut. */
  #sendOpeners(nowUs: number, layer: RecordLayer, outbox: AssociationOutbox): void {
    for (const channel of bulkChannels(this.#protocol)) {
      if (this.#path.address(channel).port === 0) continue;
      layer.sendOpener(nowUs, channel, this.#sendOn(nowUs, outbox));
    }
  }

  #sendOn(nowUs: number, outbox: AssociationOutbox): SendOn {
    return (channel, bytes, segmentBytes) => {
      const { to, by } = this.#path.way(channel);
      return outbox.send(to, by, bytes, segmentBytes) ? (outbox.leftAtUs?.() ?? nowUs) : undefined;
    };
  }

  #report(
    end: { readonly code: string; readonly reason: string; readonly byPeer: boolean },
    outbox: AssociationOutbox,
  ): void {
    if (this.#stage.kind === "closed") return;
    const wasUp = this.#stage.kind === "up";
    if (!wasUp) outbox.handshakeEnd(this.#options.id);
    this.#stage = { kind: "closed" };
    const association = this.#options.id;
    outbox.report({ kind: "association-down", association, host: this.host, ...end, wasUp });
  }
}
