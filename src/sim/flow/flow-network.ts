import { invariant } from "../../base/invariant.ts";
import { MS, SECOND } from "../../base/units.ts";
import type { CertificateFacts, ShownCertificate } from "../../effects/handshake.ts";
import {
  HANDSHAKE_RESEND_US,
  HANDSHAKE_US_MAX,
  KEEPALIVE_US,
  SILENCE_US_MAX,
} from "../../transport/constants.ts";
import type { EndpointOptions } from "../../transport/endpoint.ts";
import { judgePeer } from "../../transport/judge-peer.ts";
import type { World } from "../world.ts";
import { FairShare, type Flow, type Pipe } from "./fair-share.ts";
import { FlowEndpoint, type Waiting } from "./flow-endpoint.ts";

/** Where flows live: no address, so that no program can have it. */
const FLOWS_HOST = "flows";

/** The ways that a handshake goes before the responder knows the initiator: five flights. */
const FLIGHTS = 5;

/** How often what could not be sent is tried again. */
const RETRY_US: number = HANDSHAKE_RESEND_US;

/** How often it is told that more of a block has come. */
const PROGRESS_US: number = 2 * SECOND;

/** What crosses a line for each byte of a block: headers of IP and UDP, records, acknowledgements. */
export const FLOW_OVERHEAD = 1.043;

/** A block that is expected within this time needs no word of its progress. */
const SOON_US: number = 500 * MS;

/** From one host to another. */
export type FlowPath = {
  readonly delayUs: number;
  readonly pipes: readonly Pipe[];
  /** Whether anything gets through. */
  readonly open: boolean;
};

/** One end of an association. */
export type FlowEnd = {
  readonly endpoint: FlowEndpoint;
  readonly id: number;
  readonly tie: Tie;
  /** Which of the two. */
  readonly side: 0 | 1;
  /** Messages that the path did not take. */
  readonly held: Uint8Array[];
  /** Whether it is planned to try again what the path did not take. */
  retrying: boolean;
  /** Blocks that wait for the first of them, which is on its way. */
  readonly blocks: Waiting[];
  flow: Flow | undefined;
  queuedBytes: number;
  /** When the last of what was sent arrives: nothing overtakes anything. */
  lastAtUs: number;
  /** The way to the other end, and for which state of the paths it was found. */
  path: FlowPath | undefined;
  pathVersion: number;
};

/** An association of two endpoints. */
export type Tie = {
  ends: readonly [FlowEnd, FlowEnd] | undefined;
  up: boolean;
  /** Since when nothing has got through, where something was to. */
  silentSinceUs: number | undefined;
};

/**
 * Joins endpoints by flows: whole messages that arrive after the delay of their path, and blocks
 * that share its pipes.
 *
 * What packets would add is left out: loss, and with it repetition; queues; the law of Background. An
 * association begins after the time that its handshake takes, and both sides judge certificates as
 * they do over datagrams; it ends when its path has been shut for as long as they would wait.
 */
export class FlowNetwork {
  readonly #world: World;
  readonly #pathBetween: (from: string, to: string) => FlowPath;
  readonly #endpoints = new Map<string, FlowEndpoint>();
  /** Counts the changes of paths. */
  #pathVersion = 0;
  readonly share: FairShare = new FairShare();

  constructor(world: World, pathBetween: (from: string, to: string) => FlowPath) {
    this.#world = world;
    this.#pathBetween = pathBetween;
    world.add({
      host: FLOWS_HOST,
      certificate: undefined,
      step: (nowUs) => this.share.step(nowUs),
      due: () => this.share.due(),
    });
  }

  get nowUs(): number {
    return this.#world.nowUs;
  }

  /** The endpoint of a program that begins at an address; what was there before is gone. */
  endpoint(
    host: string,
    certificate: CertificateFacts | undefined,
    options: EndpointOptions,
  ): FlowEndpoint {
    this.remove(host);
    const endpoint = new FlowEndpoint(this, { host, certificate, options });
    this.#endpoints.set(host, endpoint);
    return endpoint;
  }

  /** A program is gone without a word. */
  remove(host: string): void {
    const endpoint = this.#endpoints.get(host);
    if (endpoint === undefined) return;
    this.#endpoints.delete(host);
    endpoint.gone = true;
    for (const end of endpoint.ends()) this.#notice(end.tie);
  }

  /** Paths are shut that were open: who is idle notices it by keep-alives. Or they are open again. */
  pathsChanged(): void {
    this.#pathVersion += 1;
    for (const endpoint of this.#endpoints.values()) {
      for (const { side, tie } of endpoint.ends()) {
        if (side === 1 || tie.ends === undefined) continue;
        if (!this.#isOpen(tie)) this.#notice(tie);
        else if (tie.silentSinceUs !== undefined) this.#goOn(tie.ends);
      }
    }
  }

  /** Begins a handshake. */
  call(from: FlowEnd, host: string, policy: Parameters<typeof judgePeer>[2]): void {
    const startedAtUs = this.nowUs;
    const attempt = (): void => {
      const { endpoint, id } = from;
      if (!endpoint.has(id)) return;
      const path = this.#pathBetween(endpoint.host, host);
      const called = this.#endpoints.get(host);
      if (path.open && called !== undefined) {
        this.#world.plan(FLIGHTS * path.delayUs, () => this.#meet(from, called, policy));
      } else if (this.nowUs - startedAtUs < HANDSHAKE_US_MAX) {
        this.#world.plan(RETRY_US, attempt);
      } else {
        const reason = `${host} has not answered for ${HANDSHAKE_US_MAX / SECOND} s`;
        this.#end(from, { code: "unreachable", reason, byPeer: false });
      }
    };
    attempt();
  }

  /** Sends a message to the other end. */
  send(end: FlowEnd, bytes: Uint8Array): void {
    if (end.held.length > 0 || !this.#isOpen(end.tie)) {
      end.held.push(bytes);
      this.#retry(end);
      return;
    }
    this.#arrive(end, (other) => ({
      kind: "message-received",
      association: other.id,
      bytes,
    }));
  }

  /** Begins to carry the first block of an end. */
  carry(end: FlowEnd): void {
    const [block] = end.blocks;
    if (block === undefined || end.flow !== undefined) return;
    if (!this.#isOpen(end.tie)) {
      this.#retry(end);
      return;
    }
    const what = { pipes: this.#path(end).pipes, bytes: FLOW_OVERHEAD * block.data.length };
    end.flow = this.share.start(this.nowUs, what, () => this.#carried(end, block));
    this.#world.touch(FLOWS_HOST);
    const { flow } = end;
    if (block.data.length * SECOND > flow.rate * SOON_US) this.#tellProgress(end, flow, block);
  }

  /** Takes back what is being carried. */
  drop(end: FlowEnd): void {
    if (end.flow === undefined) return;
    this.share.stop(this.nowUs, end.flow);
    end.flow = undefined;
    this.#world.touch(FLOWS_HOST);
  }

  /** Ends an association; the other end hears why. */
  close(end: FlowEnd, code: string, reason: string): void {
    const { tie } = end;
    if (tie.ends === undefined) return;
    const other = otherEnd(end);
    this.drop(end);
    this.drop(other);
    if (!this.#isOpen(tie)) {
      this.#notice(tie);
      return;
    }
    this.#world.plan(this.#delayUs(end), () => {
      if (!other.endpoint.has(other.id)) return;
      other.endpoint.down(other, { code, reason, byPeer: true });
      this.#wake(other.endpoint);
    });
  }

  /** The round trip of an association, in microseconds. */
  rttUs(end: FlowEnd): number {
    return end.tie.ends === undefined ? 0 : 2 * this.#delayUs(end);
  }

  /** For how long nothing has come of the other side. */
  unheardUs({ tie }: FlowEnd): number {
    return tie.silentSinceUs === undefined ? 0 : this.nowUs - tie.silentSinceUs;
  }

  #meet(from: FlowEnd, called: FlowEndpoint, policy: Parameters<typeof judgePeer>[2]): void {
    const { endpoint: caller, tie } = from;
    if (called.gone || !caller.has(from.id) || tie.ends !== undefined) return;
    const wallS = this.#world.wallS;
    const shownByCalled = judgePeer(shown(called.certificate), wallS, policy);
    if (!shownByCalled.ok) {
      const { code, reason } = shownByCalled.error;
      this.#end(from, { code, reason, byPeer: false });
      return;
    }
    const to = called.answer(tie);
    tie.ends = [from, to];
    const inbound = called.options.inboundPolicy();
    const shownByCaller = judgePeer(shown(caller.certificate), wallS, inbound);
    if (!shownByCaller.ok) {
      const { code, reason } = shownByCaller.error;
      called.down(to, { code, reason, byPeer: false });
      this.#wake(called);
      this.#end(from, { code, reason, byPeer: true });
      return;
    }
    tie.up = true;
    to.lastAtUs = this.nowUs;
    from.lastAtUs = this.nowUs + this.#delayUs(from);
    called.up(to, { peer: shownByCaller.value, host: caller.host, side: "responder" });
    this.#wake(called);
    const side = "initiator";
    this.#world.plan(this.#delayUs(to), () => {
      if (!caller.has(from.id)) return;
      caller.up(from, { peer: shownByCalled.value, host: called.host, side });
      this.#wake(caller);
    });
    to.lastAtUs = this.nowUs + this.#delayUs(to);
  }

  /** One end is told that the association is over; it was never up for the other. */
  #end(
    end: FlowEnd,
    why: { readonly code: string; readonly reason: string; readonly byPeer: boolean },
  ): void {
    if (!end.endpoint.has(end.id)) return;
    end.endpoint.down(end, why);
    this.#wake(end.endpoint);
  }

  #carried(end: FlowEnd, block: Waiting): void {
    end.flow = undefined;
    if (end.blocks[0] === block) end.blocks.shift();
    end.queuedBytes -= block.data.length;
    const { requestId, offsetBytes, data } = block;
    this.#arrive(end, (other) => ({
      kind: "block-received",
      association: other.id,
      requestId,
      offsetBytes,
      data,
      lasting: true,
    }));
    this.carry(end);
    // There is room again.
    this.#wake(end.endpoint);
  }

  /** A block takes its time: who waits for it is told now and then that it is coming. */
  #tellProgress(end: FlowEnd, flow: Flow, { requestId, offsetBytes }: Waiting): void {
    this.#world.plan(PROGRESS_US, () => {
      if (end.flow !== flow) return;
      if (flow.rate > 0) {
        const data = NOTHING;
        this.#arrive(end, (other) => ({
          kind: "block-received",
          association: other.id,
          requestId,
          offsetBytes,
          data,
        }));
      }
      this.#tellProgress(end, flow, { requestId, offsetBytes, data: NOTHING });
    });
  }

  #arrive(end: FlowEnd, eventFor: (other: FlowEnd) => Parameters<FlowEndpoint["hear"]>[0]): void {
    const other = otherEnd(end);
    end.lastAtUs = Math.max(end.lastAtUs, this.nowUs + this.#delayUs(end));
    this.#world.plan(end.lastAtUs - this.nowUs, () => {
      if (!other.endpoint.has(other.id)) return;
      other.endpoint.hear(eventFor(other));
      this.#wake(other.endpoint);
    });
  }

  /** Has an endpoint's program take what its inbox holds, and use the room that there is. */
  #wake(endpoint: FlowEndpoint): void {
    if (endpoint.waking) return;
    endpoint.waking = true;
    this.#world.plan(0, () => {
      endpoint.waking = false;
      if (endpoint.gone) return;
      this.#world.tell(endpoint.host, { kind: "writable" });
    });
  }

  /** Nothing gets through: tries again, until those who wait would have given up. */
  #retry(end: FlowEnd): void {
    const { tie } = end;
    if (tie.silentSinceUs === undefined) this.#notice(tie, SILENCE_US_MAX);
    if (end.retrying) return;
    end.retrying = true;
    this.#world.plan(RETRY_US, () => {
      end.retrying = false;
      if (!end.endpoint.has(end.id) || tie.ends === undefined) return;
      if (this.#isOpen(tie)) this.#goOn(tie.ends);
      else this.#retry(end);
    });
  }

  /** Everything gets through again. */
  #goOn(ends: readonly FlowEnd[]): void {
    for (const end of ends) {
      end.tie.silentSinceUs = undefined;
      for (const bytes of end.held.splice(0)) this.send(end, bytes);
      this.carry(end);
    }
  }

  /** An association whose path is shut ends, unless it opens again in time. */
  #notice(tie: Tie, waitUs: number = KEEPALIVE_US + SILENCE_US_MAX): void {
    const sinceUs = this.nowUs;
    tie.silentSinceUs ??= sinceUs;
    for (const end of tie.ends ?? []) this.drop(end);
    this.#world.plan(waitUs, () => {
      if (tie.silentSinceUs === undefined || tie.ends === undefined) return;
      if (this.#isOpen(tie)) {
        this.#goOn(tie.ends);
        return;
      }
      for (const end of tie.ends) {
        const { host } = otherEnd(end).endpoint;
        const reason = `${host} has not answered for ${SILENCE_US_MAX / SECOND} s`;
        this.#end(end, { code: "silent", reason, byPeer: false });
      }
    });
  }

  #isOpen({ ends }: Tie): boolean {
    if (ends === undefined) return false;
    const [one, other] = ends;
    if (one.endpoint.gone || other.endpoint.gone) return false;
    return this.#path(one).open && this.#path(other).open;
  }

  #delayUs(end: FlowEnd): number {
    return this.#path(end).delayUs;
  }

  #path(end: FlowEnd): FlowPath {
    if (end.path === undefined || end.pathVersion !== this.#pathVersion) {
      end.path = this.#pathBetween(end.endpoint.host, otherEnd(end).endpoint.host);
      end.pathVersion = this.#pathVersion;
    }
    return end.path;
  }
}

const NOTHING = new Uint8Array(0);

/** The other end of an association that has two. */
export function otherEnd({ tie, side }: FlowEnd): FlowEnd {
  const other = tie.ends?.[side === 0 ? 1 : 0];
  invariant(other !== undefined, "the association has another end");
  return other;
}

function shown(facts: CertificateFacts | undefined): ShownCertificate {
  return facts === undefined ? { kind: "none" } : { kind: "certificate", facts };
}
