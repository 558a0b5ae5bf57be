import { Deadlines } from "../base/deadlines.ts";
import type { DeviceId } from "../base/ids.ts";
import { type Due, NEVER } from "../base/machine.ts";
import { MS, SECOND } from "../base/units.ts";
import { compareCandidates } from "../topology/election.ts";
import { NO_OFFICE } from "../topology/limits.ts";
import type { MemberEntry, OfficeEntry } from "../wire/messages.ts";
import type { CoordinatorOutbox } from "./contract.ts";
import type { Offices } from "./offices.ts";
import type { DeviceRow } from "./state.ts";

/** A device gets at most one directory in this time, however much changes. */
export const DIRECTORY_INTERVAL_US: number = 200 * MS;

/** Each member of an office beyond the first 200 adds this: long lists cost bandwidth and time. */
export const DIRECTORY_INTERVAL_US_PER_MEMBER: number = MS;

/** Most members of its own office that a device is told of; the best by row B8. */
export const OWN_MEMBERS_MAX = 1_200;

/** Most members of the parent office that a device is told of. */
export const PARENT_MEMBERS_MAX = 200;

/** Most members of each office above the parent that a device is told of. */
export const ABOVE_MEMBERS_MAX = 32;

/** Most members of all offices above the parent together: a directory has to fit into a message. */
export const ABOVE_MEMBERS_TOTAL_MAX = 128;

/** Changes in an office above the parent are told this much later: they concern many. */
export const ABOVE_DELAY_US: number = 5 * SECOND;

/** What a directory is made from. */
export type DirectorySources = {
  readonly offices: Offices;
  readonly device: (deviceId: DeviceId) => DeviceRow | undefined;
  readonly isPresent: (deviceId: DeviceId) => boolean;
  /** Whether a device serves others and asks them. */
  readonly takesPart: (device: DeviceRow) => boolean;
};

/** The members of an office as others are told of them; the number changes only with the text. */
type Snapshot = {
  readonly number: number;
  readonly madeAtUs: number;
  readonly text: string;
  readonly members: readonly MemberEntry[];
};

/** The best members of a snapshot with this number. */
type Head = Omit<Snapshot, "madeAtUs"> & { readonly madeFrom: number };

/** What of a snapshot a device is told. */
type Told = Pick<Snapshot, "number" | "members">;

/** A device and the association over which it is told. */
type Correspondent = { readonly association: number; readonly deviceId: DeviceId };

/** A registered device, as far as its directory goes. */
type Reader = Correspondent & {
  /** What the last directory was made from; empty where none has been sent. */
  sentKey: string;
  /** The earliest time for the next one. */
  readyAtUs: number;
  /** When it is looked at next; infinite where nothing has changed. */
  armedAtUs: number;
};

/**
 * Tells each device who and where the others are, as far as it needs it: the members of its own
 * and of its parent office, some of each office above, and the offices up to the Central Office.
 *
 * A directory is sent only where it differs from the last one.
 */
export class Directories {
  readonly #epoch: number;
  readonly #sources: DirectorySources;
  readonly #members = new Map<string, Set<DeviceId>>();
  readonly #snapshots = new Map<string, Snapshot>();
  readonly #heads = new Map<string, Head>();
  readonly #stale = new Set<string>();
  readonly #readers = new Map<number, Reader>();
  readonly #associations = new Map<DeviceId, number>();
  readonly #deadlines = new Deadlines();
  #numbers = 0;
  #version = 0;

  constructor(epoch: number, sources: DirectorySources) {
    this.#epoch = epoch;
    this.#sources = sources;
  }

  /** Enters a device into the members of its office, and strikes it from those of the old one. */
  moved(deviceId: DeviceId, from: string | undefined, to: string): void {
    if (from !== undefined) {
      this.#members.get(from)?.delete(deviceId);
      this.#stale.add(from);
    }
    const members = this.#members.get(to) ?? new Set<DeviceId>();
    members.add(deviceId);
    this.#members.set(to, members);
    this.#stale.add(to);
  }

  /** A device is in no office any more. */
  left(deviceId: DeviceId, from: string, nowUs: number): void {
    this.#members.get(from)?.delete(deviceId);
    this.changed(from, nowUs);
  }

  /** From now on this device is told; the first time at once, except in a crowd. */
  registered(session: Correspondent, office: string, nowUs: number): void {
    const { association, deviceId } = session;
    if (!this.#readers.has(association)) {
      const madeAtUs = this.#snapshots.get(office)?.madeAtUs ?? nowUs;
      const readyAtUs = Math.max(nowUs, madeAtUs + this.#crowdUs(office));
      const armedAtUs = Number.POSITIVE_INFINITY;
      this.#readers.set(association, { association, deviceId, sentKey: "", readyAtUs, armedAtUs });
      this.#associations.set(deviceId, association);
    }
    this.changed(office, nowUs);
  }

  forget({ association, deviceId }: Correspondent): void {
    this.#deadlines.delete(association);
    this.#readers.delete(association);
    if (this.#associations.get(deviceId) === association) this.#associations.delete(deviceId);
  }

  /**
   * Something of a member of this office has changed: its own and its child offices look, and
   * before long those below them, for which its devices are the last resort.
   */
  changed(office: string, nowUs: number): void {
    this.#stale.add(office);
    this.#arm(this.#members.get(office) ?? [], nowUs);
    let below = this.#below(office);
    for (let delayUs = 0; below.length > 0; delayUs = ABOVE_DELAY_US) {
      for (const name of below) this.#arm(this.#members.get(name) ?? [], nowUs + delayUs);
      below = below.flatMap((name) => this.#below(name));
    }
  }

  #below(office: string): readonly string[] {
    if (office === NO_OFFICE) return [];
    const { offices } = this.#sources;
    const children = offices.get(office)?.children ?? [];
    return office === offices.get(NO_OFFICE)?.parent ? [...children, NO_OFFICE] : children;
  }

  /** The offices themselves have changed. */
  changedEverywhere(nowUs: number): void {
    for (const office of this.#members.keys()) this.#stale.add(office);
    this.#arm(this.#associations.keys(), nowUs);
  }

  due(): Due {
    const due = this.#deadlines.due();
    return due === NEVER ? NEVER : { atUs: due.atUs, reason: "directory" };
  }

  /** Sends the directories whose time has come. */
  send(nowUs: number, outbox: CoordinatorOutbox): void {
    for (;;) {
      const association = this.#deadlines.takeExpired(nowUs);
      if (association === undefined) return;
      const reader = this.#readers.get(association);
      if (reader === undefined) continue;
      reader.armedAtUs = Number.POSITIVE_INFINITY;
      this.#sendTo(reader, nowUs, outbox);
    }
  }

  #arm(devices: Iterable<DeviceId>, atUs: number): void {
    for (const deviceId of devices) {
      const association = this.#associations.get(deviceId);
      const reader = association === undefined ? undefined : this.#readers.get(association);
      if (reader === undefined) continue;
      reader.armedAtUs = Math.min(reader.armedAtUs, Math.max(atUs, reader.readyAtUs));
      this.#deadlines.set(reader.association, { atUs: reader.armedAtUs, reason: "directory" });
    }
  }

  #crowdUs(office: string): number {
    const beyond = (this.#members.get(office)?.size ?? 0) - 200;
    return Math.max(0, beyond) * DIRECTORY_INTERVAL_US_PER_MEMBER;
  }

  #sendTo(reader: Reader, nowUs: number, outbox: CoordinatorOutbox): void {
    const device = this.#sources.device(reader.deviceId);
    if (device === undefined) return;
    const offices = this.#officesFor(device.office);
    const own = this.#ownOf(device, nowUs);
    const above = this.#above(offices, nowUs);
    const numbers = above.map(({ number }) => number);
    const key = JSON.stringify([device.office, offices, own.number, own.text, numbers]);
    if (key === reader.sentKey) return;
    this.#version += 1;
    reader.sentKey = key;
    reader.readyAtUs = nowUs + DIRECTORY_INTERVAL_US + this.#crowdUs(device.office);
    outbox.send(reader.association, {
      kind: "directory",
      epoch: this.#epoch,
      version: this.#version,
      office: device.office,
      offices,
      members: [own, ...above].flatMap(({ members }) => members),
      officeKey: this.#sources.offices.key(device.office),
    });
  }

  /** From an office up to the Central Office; subnets of the first alone. */
  #officesFor(office: string): readonly OfficeEntry[] {
    const { offices } = this.#sources;
    return offices.path(office).map(({ name, parent, type }) => ({
      name,
      ...(parent === undefined ? {} : { parent }),
      type,
      subnets: name === office ? offices.subnets(name) : [],
    }));
  }

  /** Of the parent office, and in smaller numbers of the offices above it. */
  #above(offices: readonly OfficeEntry[], nowUs: number): readonly Told[] {
    const [, parent, ...rest] = offices;
    if (parent === undefined) return [];
    const told: Told[] = [this.#told(parent.name, PARENT_MEMBERS_MAX, nowUs)];
    let room = ABOVE_MEMBERS_TOTAL_MAX;
    for (const { name } of rest) {
      const some = this.#told(name, Math.min(ABOVE_MEMBERS_MAX, room), nowUs);
      room -= some.members.length;
      told.push(some);
    }
    return told;
  }

  /** The best members of an office; the number changes only where they do. */
  #told(office: string, membersMax: number, nowUs: number): Told {
    const snapshot = this.#snapshot(office, nowUs);
    if (snapshot.members.length <= membersMax) return snapshot;
    const key = `${membersMax} ${office}`;
    const known = this.#heads.get(key);
    if (known?.madeFrom === snapshot.number) return known;
    const members = snapshot.members.slice(0, membersMax);
    const text = JSON.stringify(members);
    const same = known?.text === text;
    if (!same) this.#numbers += 1;
    const number = same ? known.number : this.#numbers;
    const head = { madeFrom: snapshot.number, number, text, members };
    this.#heads.set(key, head);
    return head;
  }

  /** Devices in no office have nothing in common: each is told of itself alone. */
  #ownOf(device: DeviceRow, nowUs: number): Told & { readonly text: string } {
    if (device.office !== NO_OFFICE) {
      return { ...this.#told(device.office, OWN_MEMBERS_MAX, nowUs), text: "" };
    }
    const members = this.#entriesOf([device.deviceId]);
    return { number: 0, text: JSON.stringify(members), members };
  }

  #snapshot(office: string, nowUs: number): Snapshot {
    const known = this.#snapshots.get(office);
    if (known !== undefined && !this.#stale.has(office)) return known;
    this.#stale.delete(office);
    const members = this.#entriesOf(this.#members.get(office) ?? []);
    const text = JSON.stringify(members);
    const same = known?.text === text;
    if (!same) this.#numbers += 1;
    const number = same ? known.number : this.#numbers;
    const snapshot = { number, madeAtUs: nowUs, text, members };
    this.#snapshots.set(office, snapshot);
    return snapshot;
  }

  /**
   * Present devices first, then by row B8; those that have never registered are left out, and those
   * that take no part (PF4).
   */
  #entriesOf(deviceIds: Iterable<DeviceId>): MemberEntry[] {
    const entries: MemberEntry[] = [];
    for (const deviceId of deviceIds) {
      const device = this.#sources.device(deviceId);
      if (device === undefined || device.hosts.length === 0) continue;
      if (!this.#sources.takesPart(device)) continue;
      const { office, hosts, portOffset, facts, ports } = device;
      const present = this.#sources.isPresent(deviceId);
      const member = { deviceId, office, hosts, portOffset, facts, present };
      entries.push(ports === undefined ? member : { ...member, ports });
    }
    return entries.sort((a, b) => Number(b.present) - Number(a.present) || compareCandidates(a, b));
  }
}
