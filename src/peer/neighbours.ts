import type { DeviceId } from "../base/ids.ts";
import { Prng } from "../base/prng.ts";
import { MS, SECOND } from "../base/units.ts";
import { NO_FACTS } from "../topology/election.ts";
import type { AssociationEvent } from "../transport/association-types.ts";
import { REFUSAL_CLOSE_CODES } from "../transport/judge-peer.ts";
import type { MemberEntry } from "../wire/messages.ts";
import { isToFetch } from "./content-entry.ts";
import {
  type Act,
  type Core,
  devicePolicy,
  OFFICE_LINKS_MAX,
  PARENT_LINKS_MAX,
  report,
} from "./core.ts";
import { type Link, newLink } from "./link.ts";
import { bestHost } from "./office-view.ts";
import { memberPorts } from "./ports.ts";

/** How long a device that could not be reached is left alone, at first and at most. */
const BACKOFF_US = { min: 500 * MS, max: 3 * SECOND } as const;

/** How long a device may take to answer before it counts as out of reach. */
const REACH_US = 3 * SECOND;

/** How long a device that knew nothing of what we want is left alone. */
const USELESS_US = 15 * SECOND;

/** How long a link is kept to a device that knows nothing of what we want: it may yet be told. */
const USELESS_AFTER_US = 10 * SECOND;

/** A link on which nothing was said of contents for this long ends. */
const UNUSED_US = 60 * SECOND;

/** How long nothing more is said of refusals with one code, once something was. */
const REFUSAL_US = SECOND;

/** Whom to link up with: bounded, and only while there is something to fetch. */
export class Neighbours {
  readonly #core: Core;
  /** What we have begun and is not up yet, and since when. */
  readonly #connecting = new Map<
    number,
    { readonly deviceId: DeviceId; readonly sinceUs: number }
  >();
  readonly #backoff = new Map<DeviceId, { readonly untilUs: number; readonly nextUs: number }>();
  /** Devices that know nothing of what we want, and until when they are left alone. */
  readonly #uselessUntilUs = new Map<DeviceId, number>();

  /** Until when nothing more is said of refusals, by their code. */
  readonly #silentUntilUs = new Map<string, number>();
  /** The order of mates that was found last, and for whom. */
  #order:
    | {
        readonly mates: readonly MemberEntry[];
        readonly holder: DeviceId;
        readonly ordered: readonly MemberEntry[];
      }
    | undefined;

  constructor(core: Core) {
    this.#core = core;
  }

  /** Links up with whom we need and have not got. */
  connect(act: Act): void {
    const { view, sources, alone } = this.#core;
    if (alone || !this.somethingToFetch()) return;
    this.#hearDiscovered();
    // In a VPN office nobody shares, so there is nobody to ask but those above.
    const mates = view.officeType === "vpn" ? [] : this.#inOrder(view.officeMates());
    this.#connectSome(act, mates, OFFICE_LINKS_MAX);
    for (let level = 1; level <= sources.reach(); level += 1) {
      this.#connectSome(act, view.membersAt(level), PARENT_LINKS_MAX);
    }
  }

  /** Whether it has been tried in vain to link up with a device, or takes long. */
  isUnreachable(nowUs: number, deviceId: DeviceId): boolean {
    if (this.#core.linkByDevice.has(deviceId)) return false;
    if (this.#backoff.has(deviceId)) return true;
    for (const begun of this.#connecting.values()) {
      if (begun.deviceId === deviceId) return nowUs - begun.sinceUs > REACH_US;
    }
    return (this.#uselessUntilUs.get(deviceId) ?? 0) > nowUs;
  }

  /** Something else is wanted than before: who knew nothing of that may know this. */
  forgetUseless(): void {
    this.#uselessUntilUs.clear();
  }

  /** The device has moved, or the line is back: everyone is tried again at once. */
  forgetFailures(): void {
    this.#backoff.clear();
    this.#uselessUntilUs.clear();
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
    const wanted = this.#connecting.get(event.association)?.deviceId;
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

  /** The device asks nobody any more and serves nobody: what was begun with others ends. */
  closeAll(act: Act): void {
    const reason = "the device takes no part in peer distribution any more";
    for (const association of [...this.#connecting.keys(), ...this.#core.links.keys()]) {
      this.#close(act, association, "done", reason);
    }
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
      const needed = this.somethingToFetch() && !this.#core.alone;
      if (idle && act.nowUs - link.usedAtUs > UNUSED_US && !needed) {
        this.#close(act, link.association, "done", "nothing to fetch and nothing to serve");
      } else if (idle && act.nowUs - link.upAtUs > USELESS_AFTER_US && this.#isUseless(link)) {
        this.#uselessUntilUs.set(link.deviceId, act.nowUs + USELESS_US);
        this.#close(act, link.association, "done", "it knows nothing of what is wanted");
      } else if (this.#core.shunned.has(link.deviceId)) {
        this.#close(act, link.association, "done", "the organisation shuns this device");
      }
    }
    for (const [deviceId, untilUs] of this.#uselessUntilUs) {
      if (untilUs <= act.nowUs) this.#uselessUntilUs.delete(deviceId);
    }
    this.connect(act);
  }

  /** Whether a device of another office knows nothing of what we want, nor wants anything of us. */
  #isUseless(link: Link): boolean {
    if (this.#core.view.sameOffice(link.deviceId) || link.served.size > 0) return false;
    if (link.asked.size === 0) return false;
    return [...link.asked.values()].every(({ answer }) => answer === "unknown");
  }

  /** Whether there is anything that this device is to have and has not. */
  somethingToFetch(): boolean {
    for (const entry of this.#core.contents.values()) {
      if (isToFetch(entry)) return true;
    }
    return false;
  }

  /**
   * The order in which office mates are linked up with: the RVP first, then who follows us in the
   * ring of device ids, so that all of an office are joined, then the others by chance: between any
   * two of a thousand devices there are two or three others then, and in a ring alone fifty.
   */
  #inOrder(mates: readonly MemberEntry[]): readonly MemberEntry[] {
    const { holder } = this.#core.succession;
    if (this.#order?.mates === mates && this.#order.holder === holder) return this.#order.ordered;
    const self = this.#core.options.deviceId;
    const others = mates.filter(({ deviceId }) => deviceId !== holder);
    const follows = ({ deviceId }: MemberEntry) => deviceId > self;
    const behind = others.some(follows) ? others.filter(follows) : others;
    const next = behind.reduce<MemberEntry | undefined>(
      (first, mate) => (first === undefined || mate.deviceId < first.deviceId ? mate : first),
      undefined,
    );
    const drawn = others.map((mate) => ({ mate, lot: mate === next ? -1 : lot(self, mate) }));
    const ordered = [
      ...mates.filter(({ deviceId }) => deviceId === holder),
      ...drawn.sort((a, b) => a.lot - b.lot).map(({ mate }) => mate),
    ];
    this.#order = { mates, holder, ordered };
    return ordered;
  }

  #connectSome(act: Act, members: readonly MemberEntry[], most: number): void {
    const connecting = new Set([...this.#connecting.values()].map(({ deviceId }) => deviceId));
    let taken = 0;
    for (const member of members) {
      const { deviceId } = member;
      if (taken >= most) return;
      if (this.#core.linkByDevice.has(deviceId) || connecting.has(deviceId)) {
        taken += 1;
        continue;
      }
      if (!this.#isThere(member) || this.#core.shunned.has(deviceId)) continue;
      if ((this.#uselessUntilUs.get(deviceId) ?? 0) > act.nowUs) continue;
      // One that could not be reached does not keep its place from another.
      if (act.nowUs < (this.#backoff.get(deviceId)?.untilUs ?? 0)) continue;
      this.#begin(act, member);
      taken += 1;
    }
  }

  /** Whether a device may be there: what the server last said of it is old while it is away. */
  #isThere({ deviceId, present }: MemberEntry): boolean {
    return present || this.#core.serverAway() || this.#core.discovered.has(deviceId);
  }

  /** Devices that have answered on our LAN, and that nobody has told us of. */
  #hearDiscovered(): void {
    const { view, discovered } = this.#core;
    for (const [deviceId, { host, portOffset, singlePort }] of discovered.entries()) {
      if (view.member(deviceId) !== undefined) continue;
      const { office } = view;
      // It has said nothing of itself yet.
      const facts = NO_FACTS;
      const member = { deviceId, office, hosts: [host], portOffset, facts, present: true };
      view.hear(singlePort === undefined ? member : { ...member, ports: { single: singlePort } });
    }
  }

  #begin(act: Act, member: MemberEntry): void {
    const onLan = this.#core.discovered.get(member.deviceId)?.host;
    const host = onLan ?? bestHost(member.hosts, this.#core.hosts);
    if (host === undefined) return;
    const target = {
      host,
      ports: memberPorts(member),
      policy: devicePolicy(this.#core.serverAway(), member.deviceId),
    };
    const association = this.#core.endpoint.connect(act.nowUs, target, act.transport);
    this.#connecting.set(association, { deviceId: member.deviceId, sinceUs: act.nowUs });
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

/** What two devices draw together: the same each time, and unlike that of other pairs. */
function lot(self: DeviceId, { deviceId }: MemberEntry): number {
  return new Prng(lastDigits(self) ^ new Prng(lastDigits(deviceId)).next()).next();
}

/** The last eight digits of an id, which are drawn by chance like the others. */
function lastDigits(deviceId: DeviceId): number {
  return Number.parseInt(deviceId.slice(-8), 16);
}
