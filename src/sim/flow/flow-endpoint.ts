import { type Due, NEVER } from "../../base/machine.ts";
import type { CertificateFacts } from "../../effects/handshake.ts";
import type {
  AssociationEvent,
  AssociationOutbox,
  Hearing,
  PathStatus,
  Protocol,
} from "../../transport/association-types.ts";
import type { Associations } from "../../transport/associations.ts";
import type { CloseCode } from "../../transport/close-codes.ts";
import {
  type EndpointCounters,
  type EndpointInput,
  type EndpointOptions,
  noCounts,
  type Target,
} from "../../transport/endpoint.ts";
import type { FlowEnd, FlowNetwork, Tie } from "./flow-network.ts";

/** A part of what a request asked for, on its way or waiting. */
export type Waiting = {
  readonly requestId: number;
  readonly offsetBytes: number;
  readonly data: Uint8Array;
};

/** All associations of one program in a world of flows. */
export class FlowEndpoint implements Associations {
  readonly counters: EndpointCounters = noCounts();
  readonly host: string;
  readonly certificate: CertificateFacts | undefined;
  readonly options: EndpointOptions;
  readonly #network: FlowNetwork;
  readonly #ends = new Map<number, FlowEnd>();
  /** What has happened since the program was last called. */
  readonly #inbox: AssociationEvent[] = [];
  #ids = 0;
  /** Whether the program will be called at this very time. */
  waking = false;
  /** Whether the program has gone without a word. */
  gone = false;

  constructor(
    network: FlowNetwork,
    own: {
      readonly host: string;
      readonly certificate: CertificateFacts | undefined;
      readonly options: EndpointOptions;
    },
  ) {
    this.#network = network;
    this.host = own.host;
    this.certificate = own.certificate;
    this.options = own.options;
  }

  /** All that is there, up or not. */
  ends(): readonly FlowEnd[] {
    return [...this.#ends.values()];
  }

  /** Whether there is an association with this number. */
  has(id: number): boolean {
    return this.#ends.has(id);
  }

  /** Takes the other side of a tie. */
  answer(tie: Tie): FlowEnd {
    return this.#newEnd(tie, 1);
  }

  up(
    end: FlowEnd,
    what: Omit<Extract<AssociationEvent, { kind: "association-up" }>, "kind" | "association">,
  ): void {
    this.hear({ kind: "association-up", association: end.id, ...what });
  }

  /** An association is over. */
  down(
    end: FlowEnd,
    why: { readonly code: string; readonly reason: string; readonly byPeer: boolean },
  ): void {
    this.#forget(end);
    this.hear(this.#downEvent(end, why));
  }

  /** Something has happened that the program hears of when it is called next. */
  hear(event: AssociationEvent): void {
    this.#inbox.push(event);
  }

  step(_nowUs: number, _input: EndpointInput, outbox: AssociationOutbox): void {
    for (const event of this.#inbox.splice(0)) outbox.report(event);
  }

  due(): Due {
    return NEVER;
  }

  connect(_nowUs: number, { host, policy }: Target, _outbox: AssociationOutbox): number {
    const end = this.#newEnd({ ends: undefined, up: false, silentSinceUs: undefined }, 0);
    this.#network.call(end, host, policy);
    return end.id;
  }

  inOneGo(_nowUs: number, _outbox: AssociationOutbox, act: () => void): void {
    act();
  }

  sendMessage(_nowUs: number, id: number, message: Uint8Array): boolean {
    const end = this.#ends.get(id);
    if (end?.tie.up !== true) return false;
    this.#network.send(end, message);
    return true;
  }

  sendBlock(_nowUs: number, id: number, block: Waiting): boolean {
    const end = this.#ends.get(id);
    if (end?.tie.up !== true) return false;
    end.blocks.push(block);
    end.queuedBytes += block.data.length;
    this.#network.carry(end);
    return true;
  }

  dropBlocks(id: number, requestId: number): void {
    const end = this.#ends.get(id);
    if (end === undefined) return;
    const [first] = end.blocks;
    if (first?.requestId === requestId) this.#network.drop(end);
    const kept = end.blocks.filter((block) => block.requestId !== requestId);
    end.blocks.splice(0, end.blocks.length, ...kept);
    end.queuedBytes = kept.reduce((bytes, { data }) => bytes + data.length, 0);
    this.#network.carry(end);
  }

  /** Flows know no protocols: a line is shared by those alone who are in the world. */
  useProtocol(_id: number, _protocol: Protocol): void {}

  queuedBytes(id: number): number {
    return this.#ends.get(id)?.queuedBytes ?? 0;
  }

  heldBytes(): number {
    return 0;
  }

  rttUs(id: number): number {
    return this.pathStatus(id)?.rttUs ?? 0;
  }

  pathStatus(id: number): PathStatus | undefined {
    const end = this.#ends.get(id);
    if (end === undefined) return undefined;
    return { rttUs: this.#network.rttUs(end), idle: end.blocks.length === 0 };
  }

  hearing(_nowUs: number, id: number): Hearing | undefined {
    const end = this.#ends.get(id);
    return end && { unheardUs: this.#network.unheardUs(end), heldBackUs: 0 };
  }

  close(
    _nowUs: number,
    id: number,
    { code, reason }: { code: CloseCode; reason: string },
    outbox: AssociationOutbox,
  ): void {
    const end = this.#ends.get(id);
    if (end === undefined) return;
    this.#forget(end);
    this.#network.close(end, code, reason);
    outbox.report(this.#downEvent(end, { code, reason, byPeer: false }));
  }

  closeAll(nowUs: number, reason: string, outbox: AssociationOutbox): void {
    for (const id of [...this.#ends.keys()]) {
      this.close(nowUs, id, { code: "done", reason }, outbox);
    }
  }

  #newEnd(tie: Tie, side: 0 | 1): FlowEnd {
    this.#ids += 1;
    const end: FlowEnd = {
      endpoint: this,
      id: this.#ids,
      tie,
      side,
      held: [],
      retrying: false,
      blocks: [],
      flow: undefined,
      queuedBytes: 0,
      lastAtUs: 0,
      path: undefined,
      pathVersion: 0,
    };
    this.#ends.set(end.id, end);
    return end;
  }

  #forget(end: FlowEnd): void {
    this.#ends.delete(end.id);
    this.#network.drop(end);
    end.blocks.length = 0;
    end.held.length = 0;
    end.queuedBytes = 0;
  }

  #downEvent(
    { id, tie, side }: FlowEnd,
    why: { readonly code: string; readonly reason: string; readonly byPeer: boolean },
  ): AssociationEvent {
    const host = tie.ends?.[side === 0 ? 1 : 0].endpoint.host ?? "";
    return { kind: "association-down", association: id, host, ...why, wasUp: tie.up };
  }
}
