import { PROTOCOL_VERSION } from "../base/constants.ts";
import { Deadlines } from "../base/deadlines.ts";
import type { Due, Machine } from "../base/machine.ts";
import { CHANNELS, type Channel, channelOf } from "../effects/channels.ts";
import type { Crypto } from "../effects/crypto.ts";
import type { HandshakeInput, Side } from "../effects/handshake.ts";
import type { Address, NetworkInput } from "../effects/network.ts";
import {
  type Datagram,
  decodeDatagram,
  encodeRetry,
  encodeUnsupported,
  type ReadDatagram,
} from "../wire/datagram.ts";
import { Association } from "./association.ts";
import type {
  AssociationEvent,
  AssociationOutbox,
  Hearing,
  PathStatus,
  PeerPorts,
  Protocol,
} from "./association-types.ts";
import type { CloseCode } from "./close-codes.ts";
import {
  ASSOCIATIONS_MAX,
  HANDSHAKES_MAX,
  HANDSHAKES_PER_PREFIX_MAX,
  NUMBER_MAX,
} from "./constants.ts";
import { Cookies } from "./cookie.ts";
import type { PeerPolicy } from "./judge-peer.ts";
import { OPENED } from "./opened-memory.ts";

/** What the world tells an endpoint. */
export type EndpointInput = NetworkInput | HandshakeInput | { readonly kind: "timer-fired" };

/** Whom to reach, and whom we mean by it. */
export type Target = {
  readonly host: string;
  readonly ports: PeerPorts;
  readonly policy: PeerPolicy;
  /** Show no certificate: the device has none yet. */
  readonly anonymous?: boolean;
};

/** What has been refused, by reason: nothing of it had any other effect. */
export type EndpointCounters = {
  malformed: number;
  unknownAssociation: number;
  wrongSource: number;
  badCookie: number;
  tooManyHandshakes: number;
};

/** The counters of an endpoint to which nothing has happened. */
export function noCounts(): EndpointCounters {
  return {
    malformed: 0,
    unknownAssociation: 0,
    wrongSource: 0,
    badCookie: 0,
    tooManyHandshakes: 0,
  };
}

/** How an endpoint of a device or of the server is made. */
export type EndpointOptions = {
  readonly crypto: Crypto;
  /** What those who come to us must show; asked for each. */
  readonly inboundPolicy: () => PeerPolicy;
  /** Whether we speak and listen on one port only. */
  readonly singlePort: boolean;
};

/** Where an association came from that others began. */
type Origin = {
  /** Its network. */
  readonly prefix: string;
  /** Its host, and the id that the initiator chose. */
  readonly source: string;
};

/**
 * All associations of one program: finds the one that a datagram belongs to, lets new ones in
 * within bounds, and keeps their deadlines.
 */
export class Endpoint implements Machine<EndpointInput, AssociationOutbox> {
  readonly counters: EndpointCounters = noCounts();
  readonly #options: EndpointOptions;
  readonly #cookies: Cookies;
  readonly #associations = new Map<number, Association>();
  readonly #deadlines = new Deadlines();
  /** Associations that others began and that are not up yet, and their networks. */
  readonly #pending = new Map<number, string>();
  /** The sources of all associations that others began, and which one each has. */
  readonly #sources = new Set<string>();
  readonly #sourceOf = new Map<number, string>();
  readonly #blocked = new Set<number>();
  /** Associations that have something to send once what is done in one go is done. */
  #held: Set<number> | undefined;

  constructor(options: EndpointOptions) {
    this.#options = options;
    this.#cookies = new Cookies(options.crypto);
  }

  /** How many associations there are, in whatever stage. */
  get size(): number {
    return this.#associations.size;
  }

  step(nowUs: number, input: EndpointInput, outbox: AssociationOutbox): void {
    OPENED.clear();
    switch (input.kind) {
      case "datagram-received":
        this.#onArrivals(nowUs, input, outbox);
        break;
      case "writable":
        this.#onWritable(nowUs, outbox);
        break;
      case "woke":
      case "timer-fired":
        this.#onTimer(nowUs, outbox);
        break;
      default:
        this.#with(input.key, outbox, (association, own) =>
          association.onHandshakeInput(nowUs, input, own),
        );
    }
  }

  due(): Due {
    return this.#deadlines.due();
  }

  /** Begins an association; `association-up` or `association-down` with this number follows. */
  connect(nowUs: number, target: Target, outbox: AssociationOutbox): number {
    const id = this.#freshId();
    const association = new Association(nowUs, {
      crypto: this.#options.crypto,
      id,
      side: "initiator",
      policy: target.policy,
      host: target.host,
      ports: target.ports,
      anonymous: target.anonymous ?? false,
      singlePort: this.#options.singlePort,
    });
    this.#associations.set(id, association);
    this.#with(id, outbox, (begun, own) => begun.start(nowUs, own));
    return id;
  }

  /**
   * Holds back, while `act` does something, what it has to say and the acknowledgements: what goes to
   * one peer leaves together.
   */
  inOneGo(nowUs: number, outbox: AssociationOutbox, act: () => void): void {
    const held = new Set<number>();
    this.#held = held;
    try {
      act();
    } finally {
      this.#held = undefined;
    }
    for (const id of held) {
      this.#with(id, outbox, (association, own) => association.flush(nowUs, own));
    }
  }

  /** Sends a message; `false` where the association is not up. */
  sendMessage(nowUs: number, id: number, message: Uint8Array, outbox: AssociationOutbox): boolean {
    let sent = false;
    this.#with(id, outbox, (association, own) => {
      sent = association.addMessage(message);
      this.#flush(nowUs, id, association, own);
    });
    return sent;
  }

  /** Sends a part of what a request asked for; `false` where the association is not up. */
  sendBlock(
    nowUs: number,
    id: number,
    block: { readonly requestId: number; readonly offsetBytes: number; readonly data: Uint8Array },
    outbox: AssociationOutbox,
  ): boolean {
    let sent = false;
    this.#with(id, outbox, (association, own) => {
      sent = association.sendBlock(nowUs, block, own);
    });
    return sent;
  }

  /** Drops blocks that wait to be sent for a request that was taken back. */
  dropBlocks(id: number, requestId: number): void {
    this.#associations.get(id)?.dropBlocks(requestId);
  }

  /** Says how contents travel over an association. */
  useProtocol(id: number, protocol: Protocol): void {
    this.#associations.get(id)?.useProtocol(protocol);
  }

  /** Bytes of blocks that wait in an association. */
  queuedBytes(id: number): number {
    return this.#associations.get(id)?.queuedBytes ?? 0;
  }

  /** Bytes held for incomplete records, of one association or of all. */
  heldBytes(): number {
    let bytes = 0;
    for (const association of this.#associations.values()) bytes += association.heldBytes;
    return bytes;
  }

  /** The smoothed round trip of an association, in microseconds; 0 where there is none. */
  rttUs(id: number): number {
    return this.pathStatus(id)?.rttUs ?? 0;
  }

  /** What is known of the path of an association. */
  pathStatus(id: number): PathStatus | undefined {
    return this.#associations.get(id)?.pathStatus;
  }

  /** What is heard of a peer; `undefined` where there is no association, or none yet. */
  hearing(nowUs: number, id: number): Hearing | undefined {
    return this.#associations.get(id)?.hearing(nowUs);
  }

  /** Ends an association and tells the peer why. */
  close(
    nowUs: number,
    id: number,
    end: { code: CloseCode; reason: string },
    outbox: AssociationOutbox,
  ): void {
    this.#with(id, outbox, (association, own) => {
      // What was said before is said before.
      association.flush(nowUs, own);
      association.close(nowUs, end.code, end.reason, own);
    });
  }

  /** Ends all associations: the program stops. */
  closeAll(nowUs: number, reason: string, outbox: AssociationOutbox): void {
    for (const id of [...this.#associations.keys()]) {
      this.close(nowUs, id, { code: "done", reason }, outbox);
    }
  }

  /** Applies what has come from one sender; those that follow each other to one association at once. */
  #onArrivals(
    nowUs: number,
    input: Extract<NetworkInput, { kind: "datagram-received" }>,
    outbox: AssociationOutbox,
  ): void {
    const { from } = input;
    let group: ReadDatagram[] = [];
    for (const datagram of this.#read(input)) {
      if (datagram.kind === "hello") {
        this.#onHello(nowUs, from, datagram, outbox);
        continue;
      }
      const [first] = group;
      if (first !== undefined && destinationOf(first) !== datagram.destination) {
        this.#onDatagrams(nowUs, from, group, outbox);
        group = [];
      }
      group.push(datagram);
    }
    if (group.length > 0) this.#onDatagrams(nowUs, from, group, outbox);
  }

  /** The datagrams that have come: each arrival is one, or several that the system joined (DG3). */
  #read({
    arrivals,
    arrivedAtUs,
  }: Extract<NetworkInput, { kind: "datagram-received" }>): readonly ReadDatagram[] {
    const datagrams: ReadDatagram[] = [];
    for (const [index, bytes] of arrivals.entries()) {
      for (let at = 0; at < bytes.length || at === 0; ) {
        const decoded = decodeDatagram(bytes, at);
        if (!decoded.ok || channelOf(decoded.value.channel) === undefined) {
          this.counters.malformed += 1;
          break;
        }
        const { value } = decoded;
        if (value.kind === "record") value.arrivedAtUs = arrivedAtUs?.[index];
        datagrams.push(value);
        at += decoded.value.lengthBytes;
      }
    }
    return datagrams;
  }

  /** Applies datagrams that name one association. */
  #onDatagrams(
    nowUs: number,
    from: Address,
    datagrams: readonly ReadDatagram[],
    outbox: AssociationOutbox,
  ): void {
    const id = destinationOf(datagrams[0]);
    const association = this.#associations.get(id);
    if (association === undefined) {
      this.counters.unknownAssociation += datagrams.length;
      return;
    }
    this.#with(id, outbox, (known, own) => {
      if (!known.onDatagrams(nowUs, from, datagrams, own)) {
        this.counters.wrongSource += datagrams.length;
      }
      this.#flush(nowUs, id, known, own);
    });
  }

  #onHello(
    nowUs: number,
    from: Address,
    hello: Extract<Datagram, { kind: "hello" }>,
    outbox: AssociationOutbox,
  ): void {
    const small = CHANNELS["message-small"];
    const answer = (bytes: Uint8Array) => outbox.send(from, "message-small", bytes, bytes.length);
    if (!hello.versions.includes(PROTOCOL_VERSION)) {
      answer(encodeUnsupported(small, hello.source, [PROTOCOL_VERSION]));
      return;
    }
    if (hello.cookie.length === 0) {
      answer(encodeRetry(small, hello.source, this.#cookies.make(nowUs, from, hello.source)));
      return;
    }
    if (!this.#cookies.check(nowUs, from, hello.source, hello.cookie)) {
      this.counters.badCookie += 1;
      return;
    }
    // A repeated HELLO finds its association, which repeats its own flight by itself; one that is
    // replayed later finds it too.
    const source = `${from.host} ${hello.source}`;
    if (this.#sources.has(source)) return;
    const prefix = prefixOf(from.host);
    if (!this.#admits(prefix)) {
      this.counters.tooManyHandshakes += 1;
      return;
    }
    this.#accept(nowUs, from, { hello, prefix, source }, outbox);
  }

  #accept(
    nowUs: number,
    from: Address,
    arrival: Origin & { readonly hello: Extract<Datagram, { kind: "hello" }> },
    outbox: AssociationOutbox,
  ): void {
    const { hello, prefix, source } = arrival;
    const id = this.#freshId();
    const association = new Association(nowUs, {
      crypto: this.#options.crypto,
      id,
      side: "responder",
      policy: this.#options.inboundPolicy(),
      host: from.host,
      ports: { kind: "single", port: from.port },
      anonymous: false,
      singlePort: this.#options.singlePort,
      peerId: hello.source,
    });
    this.#associations.set(id, association);
    this.#pending.set(id, prefix);
    this.#sources.add(source);
    this.#sourceOf.set(id, source);
    this.#with(id, outbox, (begun, own) => {
      begun.start(nowUs, own);
      begun.onOpening(nowUs, hello.tls.slice(), own);
    });
  }

  #admits(prefix: string): boolean {
    if (this.#pending.size >= HANDSHAKES_MAX) return false;
    if (this.#associations.size >= ASSOCIATIONS_MAX) return false;
    let same = 0;
    for (const other of this.#pending.values()) if (other === prefix) same += 1;
    return same < HANDSHAKES_PER_PREFIX_MAX;
  }

  #onWritable(nowUs: number, outbox: AssociationOutbox): void {
    const blocked = [...this.#blocked];
    this.#blocked.clear();
    for (const id of blocked) {
      this.#with(id, outbox, (association, own) => association.onWritable(nowUs, own));
    }
  }

  #onTimer(nowUs: number, outbox: AssociationOutbox): void {
    for (;;) {
      const id = this.#deadlines.takeExpired(nowUs);
      if (id === undefined) return;
      this.#with(id, outbox, (association, own) => association.onTimer(nowUs, own));
    }
  }

  /** Has an association send what it may, now or once all is done that is done in one go. */
  #flush(nowUs: number, id: number, association: Association, own: AssociationOutbox): void {
    if (this.#held === undefined) association.flush(nowUs, own);
    else this.#held.add(id);
  }

  /** Lets an association act, and keeps what is known about it true afterwards. */
  #with(
    id: number,
    outbox: AssociationOutbox,
    act: (association: Association, own: AssociationOutbox) => void,
  ): void {
    const association = this.#associations.get(id);
    if (association === undefined) return;
    const own = new OwnOutbox(outbox);
    act(association, own);
    if (own.full) this.#blocked.add(id);
    if (association.up || association.closed) this.#pending.delete(id);
    if (association.closed) this.#forget(id);
    else this.#deadlines.set(id, association.due());
    // Reported when all is in order, because who hears it may call us again.
    for (const event of own.events) outbox.report(event);
  }

  #forget(id: number): void {
    this.#sources.delete(this.#sourceOf.get(id) ?? "");
    this.#sourceOf.delete(id);
    this.#associations.delete(id);
    this.#deadlines.delete(id);
    this.#blocked.delete(id);
  }

  /** An id that nobody can guess and that is not in use; never 0, which names no association. */
  #freshId(): number {
    for (;;) {
      const bytes = this.#options.crypto.randomBytes(4);
      const id = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
      if (id !== 0 && id < NUMBER_MAX && !this.#associations.has(id)) return id;
    }
  }
}

/** The outbox of one association's turn: keeps what it reports, and notes whether a send failed. */
class OwnOutbox implements AssociationOutbox {
  readonly events: AssociationEvent[] = [];
  full = false;
  readonly #outbox: AssociationOutbox;

  constructor(outbox: AssociationOutbox) {
    this.#outbox = outbox;
  }

  send(to: Address, channel: Channel, bytes: Uint8Array, segmentBytes: number): boolean {
    const sent = this.#outbox.send(to, channel, bytes, segmentBytes);
    if (!sent) this.full = true;
    return sent;
  }

  leftAtUs(): number | undefined {
    return this.#outbox.leftAtUs?.();
  }

  datagramBytesMax(host: string): number | undefined {
    return this.#outbox.datagramBytesMax?.(host);
  }

  handshakeStart(key: number, side: Side, anonymous: boolean): void {
    this.#outbox.handshakeStart(key, side, anonymous);
  }

  handshakeFeed(key: number, bytes: Uint8Array): void {
    this.#outbox.handshakeFeed(key, bytes);
  }

  handshakeEnd(key: number): void {
    this.#outbox.handshakeEnd(key);
  }

  report(event: AssociationEvent): void {
    this.events.push(event);
  }
}

/** The association that a datagram names; 0, which names none, for those that begin one. */
function destinationOf(datagram: Datagram | undefined): number {
  return datagram === undefined || datagram.kind === "hello" ? 0 : datagram.destination;
}

/** The /24 or /64 of an address, as text. */
function prefixOf(host: string): string {
  return host.includes(":")
    ? host.split(":").slice(0, 4).join(":")
    : host.split(".").slice(0, 3).join(".");
}
