import { Deadlines } from "../base/deadlines.ts";
import type { DeviceId } from "../base/ids.ts";
import { type Due, NEVER } from "../base/machine.ts";
import { MS } from "../base/units.ts";
import { compareCandidates } from "../topology/election.ts";
import { NO_OFFICE } from "../topology/limits.ts";
import type { MemberEntry } from "../wire/messages.ts";
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

/** What a directory is made from. */
export type DirectorySources = {
  readonly offices: Offices;
  readonly device: (deviceId: DeviceId) => DeviceRow | undefined;
  readonly isPresent: (deviceId: DeviceId) => boolean;
};

/** The members of an office as others are told of them; the number changes only with the text. */
type Snapshot = {
  readonly number: number;
  readonly madeAtUs: number;
  readonly text: string;
  readonly members: readonly MemberEntry[];
};

/** A device and the association over which it is told. */
type Correspondent = { readonly association: number; readonly deviceId: DeviceId };

/** A registered device, as far as its directory goes. */
type Reader = Correspondent & {
  /** What the last directory was made from; empty where none has been sent. */
  sentKey: string;
  /** The earliest time for the next one. */
  readyAtUs: number;
};

/**
 * Tells each device who and where the others are, as far as it needs it: the members of its own
 * and of its parent office, and the offices up to the Central Office.
 *
 * A directory is sent only where it differs from the last one.
 */
export class Directories {
  readonly #epoch: number;
  readonly #sources: DirectorySources;
  readonly #members = new Map<string, Set<DeviceId>>();
  readonly #snapshots = new Map<string, Snapshot>();
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

  /** From now on this device is told; the first time at once, except in a crowd. */
  registered(session: Correspondent, office: string, nowUs: number): void {
    const { association, deviceId } = session;
    if (!this.#readers.has(association)) {
      const madeAtUs = this.#snapshots.get(office)?.madeAtUs ?? nowUs;
      const readyAtUs = Math.max(nowUs, madeAtUs + this.#crowdUs(office));
      this.#readers.set(association, { association, deviceId, sentKey: "", readyAtUs });
      this.#associations.set(deviceId, association);
    }
    this.changed(office, nowUs);
  }

  forget({ association, deviceId }: Correspondent): void {
    this.#deadlines.delete(association);
    this.#readers.delete(association);
    if (this.#associations.get(deviceId) === association) this.#associations.delete(deviceId);
  }

  /** Something of a member of this office has changed: its own and its child offices look. */
  changed(office: string, nowUs: number): void {
    this.#stale.add(office);
    const children = this.#sources.offices.get(office)?.children ?? [];
    for (const name of [office, ...children]) this.#arm(this.#members.get(name) ?? [], nowUs);
    const central = this.#sources.offices.get(NO_OFFICE)?.parent;
    if (office === central) this.#arm(this.#members.get(NO_OFFICE) ?? [], nowUs);
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
      if (reader !== undefined) this.#sendTo(reader, nowUs, outbox);
    }
  }

  #arm(devices: Iterable<DeviceId>, nowUs: number): void {
    for (const deviceId of devices) {
      const association = this.#associations.get(deviceId);
      const reader = association === undefined ? undefined : this.#readers.get(association);
      if (reader === undefined) continue;
      const atUs = Math.max(nowUs, reader.readyAtUs);
      this.#deadlines.set(reader.association, { atUs, reason: "directory" });
    }
  }

  #crowdUs(office: string): number {
    const beyond = (this.#members.get(office)?.size ?? 0) - 200;
    return Math.max(0, beyond) * DIRECTORY_INTERVAL_US_PER_MEMBER;
  }

  #sendTo(reader: Reader, nowUs: number, outbox: CoordinatorOutbox): void {
    const device = this.#sources.device(reader.deviceId);
    if (device === undefined) return;
    const offices = this.#sources.offices.path(device.office).map(({ name, parent, type }) => ({
      name,
      ...(parent === undefined ? {} : { parent }),
      type,
      subnets: [],
    }));
    const own = this.#ownOf(device, nowUs);
    const above = offices[1]?.name;
    const parent = above === undefined ? undefined : this.#snapshot(above, nowUs);
    const key = JSON.stringify([device.office, offices, own.number, own.text, parent?.number ?? 0]);
    if (key === reader.sentKey) return;
    this.#version += 1;
    const members = [...own.members.slice(0, OWN_MEMBERS_MAX)];
    members.push(...(parent?.members.slice(0, PARENT_MEMBERS_MAX) ?? []));
    reader.sentKey = key;
    reader.readyAtUs = nowUs + DIRECTORY_INTERVAL_US + this.#crowdUs(device.office);
    outbox.send(reader.association, {
      kind: "directory",
      epoch: this.#epoch,
      version: this.#version,
      office: device.office,
      offices,
      members,
      officeKey: new Uint8Array(32),
    });
  }

  /** Devices in no office have nothing in common: each is told of itself alone. */
  #ownOf(device: DeviceRow, nowUs: number): Snapshot {
    if (device.office !== NO_OFFICE) return { ...this.#snapshot(device.office, nowUs), text: "" };
    const members = this.#entriesOf([device.deviceId]);
    return { number: 0, madeAtUs: nowUs, text: JSON.stringify(members), members };
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

  /** Present devices first, then by row B8; those that have never registered are left out. */
  #entriesOf(deviceIds: Iterable<DeviceId>): MemberEntry[] {
    const entries: MemberEntry[] = [];
    for (const deviceId of deviceIds) {
      const device = this.#sources.device(deviceId);
      if (device === undefined || device.hosts.length === 0) continue;
      const { office, hosts, portOffset, facts } = device;
      const present = this.#sources.isPresent(deviceId);
      entries.push({ deviceId, office, hosts, portOffset, facts, present });
    }
    return entries.sort((a, b) => Number(b.present) - Number(a.present) || compareCandidates(a, b));
  }
}
