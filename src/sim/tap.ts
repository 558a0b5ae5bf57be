import { equalBytes } from "../base/bytes.ts";
import type { ContentId, DeviceId } from "../base/ids.ts";
import type { Crypto } from "../effects/crypto.ts";
import { contentTag } from "../swarm/content-tag.ts";
import type { AssociationEvent, AssociationOutbox } from "../transport/association-types.ts";
import type { Associations } from "../transport/associations.ts";
import {
  type Deployments,
  decodeMessage,
  encodeMessage,
  type Message,
  type Request,
} from "../wire/messages.ts";

/** A part of a piece, or of a manifest, on its way between two devices. */
export type Passing = {
  readonly contentId: ContentId;
  readonly target: "piece" | "manifest";
  readonly piece: number;
  /** Where in the piece or the manifest it begins. */
  readonly offsetBytes: number;
  readonly data: Uint8Array;
};

/** Who looks on. */
export type Onlooker = {
  /** The contents that there are: what is asked for is known by its tag alone. */
  readonly contentIds: () => Iterable<ContentId>;
  /** What leaves the device. */
  onSent(to: DeviceId, passing: Passing): void;
  /** What reaches the device. */
  onReceived(from: DeviceId, passing: Passing): void;
  /** The server says what the device is to have. */
  onTaught(said: Deployments): void;
  /** The device asks another for a part of a content. */
  onAsked(contentId: ContentId): void;
  /** Changes what the device says. */
  onSaid(message: Message): Message;
};

/** The numbers of the messages that have to be understood, as they stand behind the array's head. */
const NUMBERS = { register: 4, deployments: 9, open: 10, request: 14 } as const;

type Asked = { readonly contentId: ContentId; readonly request: Request };

type Way = { readonly asker: DeviceId; readonly answerer: DeviceId };

/** What one side has asked of the other, by association and the number that it gave. */
type Questions = {
  /** By handle. */
  readonly opened: Map<string, ContentId>;
  /** By request. */
  readonly asked: Map<string, Asked>;
};

/**
 * The associations of a device as somebody sees them who sits between it and them: which bytes of
 * which piece go where. The device and its transport are the real ones and know nothing of it.
 */
export class Tap implements Associations {
  readonly #inner: Associations;
  readonly #crypto: Crypto;
  readonly #own: DeviceId;
  readonly #onlooker: Onlooker;
  readonly #peers = new Map<number, DeviceId>();
  readonly #ours: Questions = { opened: new Map(), asked: new Map() };
  readonly #theirs: Questions = { opened: new Map(), asked: new Map() };
  #tapped: { readonly outbox: AssociationOutbox; readonly own: AssociationOutbox } | undefined;

  constructor(inner: Associations, crypto: Crypto, own: DeviceId, onlooker: Onlooker) {
    this.#inner = inner;
    this.#crypto = crypto;
    this.#own = own;
    this.#onlooker = onlooker;
  }

  get counters(): Associations["counters"] {
    return this.#inner.counters;
  }

  step: Associations["step"] = (nowUs, input, outbox) => {
    this.#inner.step(nowUs, input, this.#tap(outbox));
  };

  due: Associations["due"] = () => this.#inner.due();

  connect: Associations["connect"] = (nowUs, target, outbox) =>
    this.#inner.connect(nowUs, target, this.#tap(outbox));

  inOneGo: Associations["inOneGo"] = (nowUs, outbox, act) => {
    this.#inner.inOneGo(nowUs, this.#tap(outbox), act);
  };

  sendMessage: Associations["sendMessage"] = (nowUs, id, bytes, outbox) => {
    const said = this.#onSaid(id, bytes);
    return this.#inner.sendMessage(nowUs, id, said, this.#tap(outbox));
  };

  sendBlock: Associations["sendBlock"] = (nowUs, id, block, outbox) => {
    const asked = this.#theirs.asked.get(keyOf(id, block.requestId));
    const to = this.#peers.get(id);
    if (asked !== undefined && to !== undefined) {
      this.#onlooker.onSent(to, passingOf(asked, block));
    }
    return this.#inner.sendBlock(nowUs, id, block, this.#tap(outbox));
  };

  dropBlocks: Associations["dropBlocks"] = (id, requestId) => this.#inner.dropBlocks(id, requestId);

  useProtocol: Associations["useProtocol"] = (id, protocol) =>
    this.#inner.useProtocol(id, protocol);

  queuedBytes: Associations["queuedBytes"] = (id) => this.#inner.queuedBytes(id);

  heldBytes: Associations["heldBytes"] = () => this.#inner.heldBytes();

  rttUs: Associations["rttUs"] = (id) => this.#inner.rttUs(id);

  pathStatus: Associations["pathStatus"] = (id) => this.#inner.pathStatus(id);

  hearing: Associations["hearing"] = (nowUs, id) => this.#inner.hearing(nowUs, id);

  close: Associations["close"] = (nowUs, id, end, outbox) => {
    this.#inner.close(nowUs, id, end, this.#tap(outbox));
  };

  closeAll: Associations["closeAll"] = (nowUs, reason, outbox) => {
    this.#inner.closeAll(nowUs, reason, this.#tap(outbox));
  };

  /** One outbox serves a whole step, and so does what stands before it. */
  #tap(outbox: AssociationOutbox): AssociationOutbox {
    if (this.#tapped?.outbox === outbox) return this.#tapped.own;
    const report = (event: AssociationEvent): void => {
      this.#onEvent(event);
      outbox.report(event);
    };
    const own = { ...outbox, report };
    this.#tapped = { outbox, own };
    return own;
  }

  #onSaid(association: number, bytes: Uint8Array): Uint8Array {
    if (bytes[1] === NUMBERS.register) {
      const message = decodeMessage(bytes);
      return message === undefined ? bytes : encodeMessage(this.#onlooker.onSaid(message));
    }
    const peer = this.#peers.get(association);
    if (peer !== undefined) {
      this.#note(this.#ours, association, bytes, { asker: this.#own, answerer: peer });
    }
    return bytes;
  }

  #onEvent(event: AssociationEvent): void {
    switch (event.kind) {
      case "association-up":
        this.#peers.set(event.association, event.peer.id as DeviceId);
        break;
      case "message-received":
        this.#onHeard(event.association, event.bytes);
        break;
      case "block-received": {
        const asked = this.#ours.asked.get(keyOf(event.association, event.requestId));
        const from = this.#peers.get(event.association);
        if (asked === undefined || from === undefined) break;
        this.#onlooker.onReceived(from, passingOf(asked, event));
        break;
      }
      case "association-down":
      case "association-moved":
        break;
    }
  }

  #onHeard(association: number, bytes: Uint8Array): void {
    if (bytes[1] === NUMBERS.deployments) {
      const message = decodeMessage(bytes);
      if (message?.kind === "deployments") this.#onlooker.onTaught(message);
    }
    const peer = this.#peers.get(association);
    if (peer === undefined) return;
    this.#note(this.#theirs, association, bytes, { asker: peer, answerer: this.#own });
  }

  /** Notes what one side asks of the other. */
  #note({ opened, asked }: Questions, association: number, bytes: Uint8Array, way: Way): void {
    if (bytes[1] !== NUMBERS.open && bytes[1] !== NUMBERS.request) return;
    const message = decodeMessage(bytes);
    if (message?.kind === "open") {
      const contentId = this.#contentOf(message.tag, way);
      if (contentId !== undefined) opened.set(keyOf(association, message.handle), contentId);
    } else if (message?.kind === "request") {
      const contentId = opened.get(keyOf(association, message.handle));
      if (contentId === undefined) return;
      asked.set(keyOf(association, message.requestId), { contentId, request: message });
      if (way.asker === this.#own) this.#onlooker.onAsked(contentId);
    }
  }

  #contentOf(tag: Uint8Array, way: Way): ContentId | undefined {
    for (const contentId of this.#onlooker.contentIds()) {
      if (equalBytes(contentTag(this.#crypto, contentId, way), tag)) return contentId;
    }
    return undefined;
  }
}

function keyOf(association: number, number: number): string {
  return `${association} ${number}`;
}

function passingOf(
  { contentId, request }: Asked,
  block: { readonly offsetBytes: number; readonly data: Uint8Array },
): Passing {
  const { target, piece } = request;
  const offsetBytes = request.offsetBytes + block.offsetBytes;
  return { contentId, target, piece, offsetBytes, data: block.data };
}
