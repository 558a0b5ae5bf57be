import type { DeviceId } from "../base/ids.ts";
import { MS, SECOND } from "../base/units.ts";
import { DEVICE_PORTS, offsetPorts } from "../effects/channels.ts";
import type { AssociationEvent, PeerPorts } from "../transport/association-types.ts";
import { REFUSAL_CLOSE_CODES } from "../transport/judge-peer.ts";
import type { MemberEntry } from "../wire/messages.ts";
import {
  type Act,
  type Core,
  devicePolicy,
  OFFICE_LINKS_MAX,
  PARENT_LINKS_MAX,
  report,
} from "./core.ts";
import { type Link, newLink } from "./link.ts";

/** How long a device that could not be reached is left alone, at first and at most. */
const BACKOFF_US = { min: 500 * MS, max: 10 * SECOND } as const;

/** A link on which nothing was said of contents for this long ends. */
const UNUSED_US = 60 * SECOND;

/** How long nothing more is said of refusals with one code, once something was. */
const REFUSAL_US = SECOND;

/** Whom to link up with: bounded, and only while there is something to fetch. */
export class Neighbours {
  readonly #core: Core;
  readonly #connecting = new Map<number, DeviceId>();
  readonly #backoff = new Map<DeviceId, { readonly untilUs: number; readonly nextUs: number }>();

  /** Until when nothing more is said of refusals, by their code. */
  readonly #silentUntilUs = new Map<string, number>();

  constructor(core: Core) {
    this.#core = core;
  }

  /** Whether an association is one that we began and that is not up yet. */
  began(association: number): boolean {
    return this.#connecting.has(association);
  }

  /** Links up with whom we need and have not got. */
  connect(act: Act): void {
    if (!this.#somethingToFetch()) return;
    const { view } = this.#core;
    // In a VPN office nobody shares, so there is nobody to ask but the parent.
    const mates = view.officeType === "vpn" ? [] : this.#ring(view.officeMates());
    this.#connectSome(act, mates, OFFICE_LINKS_MAX);
    if (view.fetchesOverLine) this.#connectSome(act, view.parentMembers(), PARENT_LINKS_MAX);
  }

  /** An association with a device is up; returns its link. */
  onUp(act: Act, event: Extract<AssociationEvent, { kind: "association-up" }>): Link | undefined {
    const deviceId = event.peer.id as DeviceId;
    this.#connecting.delete(event.association);
    this.#backoff.delete(deviceId);
    const known = this.#core.linkByDevice.get(deviceId);
    const link = newLink(act.nowUs, { ...event, deviceId });
    if (known !== undefined && !this.#replaces(act, known, link)) {
      this.#close(act, event.association, "duplicate", "there is another association");
      return undefined;
    }
    if (known !== undefined) {
      this.#close(act, known.association, "duplicate", "a newer association took over");
    }
    this.#core.links.set(link.association, link);
    this.#core.linkByDevice.set(deviceId, link);
    this.setProtocol(link);
    report(act, { kind: "peer-connected", deviceId, host: event.host });
    return link;
  }

  /** An association with a device is down; returns its link where it had one. */
  onDown(
    act: Act,
    event: Extract<AssociationEvent, { kind: "association-down" }>,
  ): Link | undefined {
    const wanted = this.#connecting.get(event.association);
    this.#connecting.delete(event.association);
    if (wanted !== undefined) this.#backOff(act, wanted, event);
    const link = this.#core.links.get(event.association);
    if (link === undefined && wanted === undefined) this.#noteRefusal(act, event);
    if (link === undefined) return undefined;
    this.#core.links.delete(event.association);
    if (this.#core.linkByDevice.get(link.deviceId) === link) {
      this.#core.linkByDevice.delete(link.deviceId);
    }
    if (event.code !== "duplicate" && event.code !== "done") {
      const { deviceId, host } = link;
      const { code, reason } = event;
      report(act, { kind: "peer-lost", deviceId, host, code, reason });
    }
    return link;
  }

  /** Within an office Foreground, across a line Background. */
  setProtocol(link: Link): void {
    const protocol = this.#core.view.sameOffice(link.deviceId) ? "foreground" : "background";
    this.#core.endpoint.useProtocol(link.association, protocol);
  }

  /** Ends links that nobody uses. */
  onTick(act: Act): void {
    for (const link of [...this.#core.links.values()]) {
      const idle = link.pending.size === 0 && link.uploads.length === 0;
      if (idle && act.nowUs - link.usedAtUs > UNUSED_US && !this.#somethingToFetch()) {
        this.#close(act, link.association, "done", "nothing to fetch and nothing to serve");
      }
    }
    this.connect(act);
  }

  #somethingToFetch(): boolean {
    for (const { wanted, state } of this.#core.contents.values()) {
      if (wanted && (state === "waiting" || state === "downloading")) return true;
    }
    return false;
  }

  /**
   * The order in which office mates are linked up with: the RVP first, then those that follow us
   * in the ring of device ids, so that a bounded number of links still joins all of an office.
   */
  #ring(mates: readonly MemberEntry[]): readonly MemberEntry[] {
    const self = this.#core.options.deviceId;
    const rvp = mates.filter(({ deviceId }) => deviceId === this.#core.view.rvp);
    const others = mates.filter(({ deviceId }) => deviceId !== this.#core.view.rvp);
    const sorted = others.sort((a, b) => (a.deviceId < b.deviceId ? -1 : 1));
    const after = sorted.filter(({ deviceId }) => deviceId > self);
    const before = sorted.filter(({ deviceId }) => deviceId <= self);
    return [...rvp, ...after, ...before];
  }

  #connectSome(act: Act, members: readonly MemberEntry[], most: number): void {
    for (const member of members.slice(0, most)) {
      const { deviceId } = member;
      if (this.#core.linkByDevice.has(deviceId)) continue;
      if ([...this.#connecting.values()].includes(deviceId)) continue;
      if (act.nowUs < (this.#backoff.get(deviceId)?.untilUs ?? 0)) continue;
      this.#begin(act, member);
    }
  }

  #begin(act: Act, member: MemberEntry): void {
    const host = member.hosts[0];
    if (host === undefined) return;
    const target = {
      host,
      ports: this.#ports(member),
      policy: devicePolicy(this.#core.serverAway(), member.deviceId),
    };
    const association = this.#core.endpoint.connect(act.nowUs, target, act.transport);
    this.#connecting.set(association, member.deviceId);
  }

  #ports(member: MemberEntry): PeerPorts {
    const { singlePort } = this.#core.options;
    if (singlePort !== undefined) return { kind: "single", port: singlePort + member.portOffset };
    return { kind: "table", table: offsetPorts(DEVICE_PORTS, member.portOffset) };
  }

  /** Says who called in vain and why, but not as often as somebody may call. */
  #noteRefusal(act: Act, event: Extract<AssociationEvent, { kind: "association-down" }>): void {
    const { host, code, reason, byPeer } = event;
    const silentUntilUs = this.#silentUntilUs.get(code) ?? 0;
    if (!(code in REFUSAL_CLOSE_CODES) || act.nowUs < silentUntilUs) return;
    this.#silentUntilUs.set(code, act.nowUs + REFUSAL_US);
    report(act, { kind: "peer-refused", host, code, reason, byPeer });
  }

  #backOff(
    act: Act,
    deviceId: DeviceId,
    event: Extract<AssociationEvent, { kind: "association-down" }>,
  ): void {
    const waitUs = this.#backoff.get(deviceId)?.nextUs ?? BACKOFF_US.min;
    const jitterUs = this.#core.prng.below(Math.ceil(waitUs / 2));
    const nextUs = Math.min(BACKOFF_US.max, 2 * waitUs);
    this.#backoff.set(deviceId, { untilUs: act.nowUs + waitUs + jitterUs, nextUs });
    const host = this.#core.view.member(deviceId)?.hosts[0] ?? "";
    const { code, reason } = event;
    if (!event.wasUp) report(act, { kind: "peer-lost", deviceId, host, code, reason });
  }

  /**
   * Which of two associations with one device stays. Where both sides began one at the same time,
   * the one that the smaller id began, so both decide alike; otherwise the newer one, because a
   * device that begins anew has lost the older.
   */
  #replaces(act: Act, known: Link, fresh: Link): boolean {
    const together = act.nowUs - known.upAtUs < SECOND;
    if (!together || known.side === fresh.side) return true;
    const smaller = this.#core.options.deviceId < fresh.deviceId;
    return (fresh.side === "initiator") === smaller;
  }

  #close(act: Act, association: number, code: "duplicate" | "done", reason: string): void {
    this.#core.endpoint.close(act.nowUs, association, { code, reason }, act.transport);
  }
}
