import type { ContentId, DeviceId } from "../base/ids.ts";
import { Prng } from "../base/prng.ts";
import { MIB, MS, SECOND } from "../base/units.ts";
import type { Candidate } from "../topology/election.ts";
import { Succession } from "../topology/succession.ts";
import type { AssociationOutbox } from "../transport/association-types.ts";
import type { Associations } from "../transport/associations.ts";
import { Endpoint } from "../transport/endpoint.ts";
import { GRACE_AWAY_S, type PeerPolicy } from "../transport/judge-peer.ts";
import { encodeMessage, type Facts, type Message } from "../wire/messages.ts";
import { type ContentEntry, isToFetch, newEntry } from "./content-entry.ts";
import type { PeerEvent, PeerOptions, PeerOutbox } from "./contract.ts";
import { DiscoveredDevices } from "./discovered.ts";
import { LineBusy } from "./line-busy.ts";
import type { Link } from "./link.ts";
import { OfficeView } from "./office-view.ts";
import { classOf } from "./permits.ts";
import { Sources } from "./sources.ts";

/** How many bytes we have asked one peer for at a time. */
export const PENDING_BYTES_MAX: number = 4 * MIB;

/**
 * For how much time's worth of its rate a mate is asked: what waits at one, another could bring
 * sooner.
 */
export const MATE_AHEAD_US: number = 100 * MS;

/** How many bytes may wait for the disk before we ask for more. */
export const STORING_BYTES_MAX: number = 32 * MIB;

/** How many requests of one peer we keep. */
export const UPLOADS_MAX = 512;

/** How many contents one peer may have open with us. */
export const SERVED_MAX = 1_024;

/** How many devices of our own office we link up with. */
export const OFFICE_LINKS_MAX = 12;

/** How many devices of an office above ours an RVP links up with. */
export const PARENT_LINKS_MAX = 6;

/**
 * How long one device of another office is asked for the pieces of a content while others could be
 * asked. One flow fills a line; two would take turns on it. But one may be slow.
 */
export const LINE_SOURCE_US: number = 60 * SECOND;

/** A peer that owes us blocks and of which nothing is heard for this long is not waited for. */
export const UNHEARD_US: number = 3 * SECOND;

/** A peer that owes us blocks for this long is left alone for a while. */
export const STALL_US: number = 10 * SECOND;

/** What the parts of the brain share: who we are, whom we know, what we hold. */
export class Core {
  readonly options: PeerOptions;
  readonly endpoint: Associations;
  readonly view: OfficeView;
  readonly prng: Prng;
  readonly contents: Map<ContentId, ContentEntry> = new Map();
  /** Links by association. */
  readonly links: Map<number, Link> = new Map();
  readonly linkByDevice: Map<DeviceId, Link> = new Map();
  /** Devices of our office that have answered on our LAN. */
  readonly discovered: DiscoveredDevices = new DiscoveredDevices();
  /** Who fetches for our office. */
  readonly succession: Succession;
  readonly sources: Sources;
  readonly lineBusy: LineBusy;
  /** Who could fetch for our office, this device among them, the best first. */
  ranked: readonly Candidate[] = [];
  /** Under which addresses this device can be reached; they change when it moves. */
  hosts: readonly string[];
  facts: Facts;
  /** Whether a profile has the device ask no other device and serve none (PF4). */
  alone = false;
  /** Whether the server is out of reach. */
  serverAway: () => boolean = () => true;
  /** Whether it has been tried in vain to link up with a device. */
  isUnreachable: (nowUs: number, deviceId: DeviceId) => boolean = () => false;
  /** Whether a device is not relied on: what it passed on was wrong, or policy says so. */
  isDistrusted: (deviceId: DeviceId) => boolean = () => false;
  /** Devices that the organisation takes no pieces from and gives none (row B20). */
  shunned: ReadonlySet<DeviceId> = new Set();
  /** Bytes of pieces that the store has and has not answered for. */
  storingBytes = 0;

  constructor(options: PeerOptions) {
    this.options = options;
    this.prng = new Prng(options.seed);
    this.hosts = options.hosts;
    this.facts = options.facts;
    this.view = new OfficeView(options.deviceId);
    this.succession = new Succession(options.deviceId);
    this.sources = new Sources(this);
    this.lineBusy = new LineBusy(this);
    const make = options.makeAssociations ?? ((own) => new Endpoint(own));
    this.endpoint = make({
      crypto: options.crypto,
      inboundPolicy: () => devicePolicy(this.serverAway()),
      singlePort: options.singlePort !== undefined,
    });
  }

  /** Whether this device gives others of its office anything: not in a VPN office (row B6), nor alone. */
  get shares(): boolean {
    return !this.alone && this.view.officeType !== "vpn";
  }

  /** Whether this device fetches for its office; who does not share does not. */
  get holdsOffice(): boolean {
    const { succession, options } = this;
    return this.shares && succession.holder === options.deviceId;
  }

  /** Whether contents of more than one class of urgency are to be fetched now. */
  get prioritiesDiffer(): boolean {
    const classes = new Set<number>();
    for (const entry of this.contents.values()) {
      if (isToFetch(entry)) classes.add(classOf(entry.priority));
    }
    return classes.size > 1;
  }

  /** Who has answered on our LAN lately: what the server is told as proof of where we are. */
  witnesses(): readonly DeviceId[] {
    return this.discovered.witnesses();
  }

  /** The entry of a content, made where there is none. */
  entry(contentId: ContentId): ContentEntry {
    const known = this.contents.get(contentId);
    if (known !== undefined) return known;
    const entry = newEntry(contentId);
    this.contents.set(contentId, entry);
    return entry;
  }
}

/** What the parts of the brain act with: the time, and the ways out. */
export type Act = {
  readonly nowUs: number;
  readonly outbox: PeerOutbox;
  /** The outbox as the transport sees it; what it reports is dealt with at the end of the step. */
  readonly transport: AssociationOutbox;
};

/** Sends a message over an association; `false` where it is not up. */
export function say(core: Core, act: Act, association: number, message: Message): boolean {
  const bytes = encodeMessage(message);
  return core.endpoint.sendMessage(act.nowUs, association, bytes, act.transport);
}

/** Tells the log, and those who wait. */
export function report(act: Act, event: PeerEvent): void {
  act.outbox.report(event);
}

/**
 * What a device that comes to us, or that we go to, must show. While the server is away nobody can
 * renew, so devices accept each other's expired certificates for a while.
 */
export function devicePolicy(serverAway: boolean, id?: DeviceId): PeerPolicy {
  return {
    expected: id === undefined ? { roles: ["device"] } : { roles: ["device"], id },
    allowNone: false,
    expiredGraceS: serverAway ? GRACE_AWAY_S : 0,
    revokedSerials: new Set(),
  };
}

/** What the server must show. */
export function serverPolicy(organisation: string): PeerPolicy {
  return {
    expected: { roles: ["server"], id: organisation },
    allowNone: false,
    expiredGraceS: 0,
    revokedSerials: new Set(),
  };
}
