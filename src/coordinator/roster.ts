import type { DeviceId } from "../base/ids.ts";
import { formatAddress, parseAddress } from "../topology/address.ts";
import type { Attribute, Register } from "../wire/messages.ts";
import type { PortMap } from "../wire/profile.ts";
import type { CoordinatorOutbox } from "./contract.ts";
import { Directories } from "./directories.ts";
import type { Offices } from "./offices.ts";
import type { PlacementSources, Whereabouts } from "./placement.ts";
import type { DeviceRow } from "./state.ts";
import { plainText } from "./text.ts";
import type { Move } from "./topology-changes.ts";

/** A device that the server hears from. */
export type Session = {
  readonly association: number;
  readonly deviceId: DeviceId;
  /** Its address as the server sees it now. */
  host: string;
  /** Drawn by the device at its start; absent until it has registered. */
  bootId?: number;
  /** Devices that have answered on its LAN, as it says. */
  witnesses?: readonly DeviceId[];
  /** What its last list of deployments said, so that it is not said again. */
  deploymentsKey: string;
};

/** Most addresses that are kept of a device. */
export const HOSTS_MAX = 8;

/** Most characters of a host name that are kept. */
export const HOST_NAME_LENGTH_MAX = 64;

/** Who is enrolled, who is present, and in which office each device is. */
export class Roster {
  readonly offices: Offices;
  readonly directories: Directories;
  readonly #devices = new Map<DeviceId, DeviceRow>();
  readonly #sessions = new Map<number, Session>();
  readonly #present = new Map<DeviceId, Session>();
  /** Devices whose rows have changed since they were last persisted. */
  readonly #unsaved = new Set<DeviceId>();
  readonly #shunned = new Set<DeviceId>();
  /** Told of each device that is new, has moved, or is something else than before. */
  onChange: (before: DeviceRow | undefined, after: DeviceRow) => void = () => {};

  constructor(
    devices: readonly DeviceRow[],
    offices: Offices,
    options: {
      readonly epoch: number;
      /** Whether a device serves others and asks them; by default all do. */
      readonly takesPart?: (device: DeviceRow) => boolean;
    },
  ) {
    const { epoch, takesPart = () => true } = options;
    this.offices = offices;
    this.directories = new Directories(epoch, {
      offices,
      takesPart,
      device: (deviceId) => this.#devices.get(deviceId),
      isPresent: (deviceId) => this.#present.has(deviceId),
    });
    for (const device of devices) {
      this.#devices.set(device.deviceId, device);
      if (device.retiredAtMs !== undefined) continue;
      if (device.shunnedAtMs !== undefined) this.#shunned.add(device.deviceId);
      this.directories.moved(device.deviceId, undefined, device.office);
    }
  }

  get presentCount(): number {
    return this.#present.size;
  }

  get hasUnsaved(): boolean {
    return this.#unsaved.size > 0;
  }

  /** All devices that have ever been enrolled. */
  devices(): readonly DeviceRow[] {
    return [...this.#devices.values()];
  }

  /** The same one after the other, without a copy of all. */
  everyDevice(): Iterable<DeviceRow> {
    return this.#devices.values();
  }

  /** The devices whose identity is good. */
  active(): readonly DeviceRow[] {
    return this.devices().filter(({ retiredAtMs }) => retiredAtMs === undefined);
  }

  /** The devices that the organisation shuns. */
  shunned(): readonly DeviceId[] {
    return [...this.#shunned];
  }

  device(deviceId: DeviceId): DeviceRow | undefined {
    return this.#devices.get(deviceId);
  }

  sessions(): readonly Session[] {
    return [...this.#sessions.values()];
  }

  session(association: number): Session | undefined {
    return this.#sessions.get(association);
  }

  isPresent(deviceId: DeviceId): boolean {
    return this.#present.has(deviceId);
  }

  /** The association over which the server hears from a device that has registered. */
  associationOf(deviceId: string): number | undefined {
    const session = this.#present.get(deviceId as DeviceId);
    return session?.bootId === undefined ? undefined : session.association;
  }

  /** Takes in a device that has just been given its identity. */
  enrol(device: DeviceRow, outbox: CoordinatorOutbox): void {
    this.#devices.set(device.deviceId, device);
    this.directories.moved(device.deviceId, undefined, device.office);
    this.onChange(undefined, device);
    outbox.persist({ kind: "device-put", device });
  }

  /** Takes in a device that is there; the session that this one replaces is returned. */
  up(session: Session, wallMs: number): Session | undefined {
    const replaced = this.#present.get(session.deviceId);
    if (replaced !== undefined) {
      this.#sessions.delete(replaced.association);
      this.directories.forget(replaced);
    }
    this.#sessions.set(session.association, session);
    this.#present.set(session.deviceId, session);
    this.#touch(session.deviceId, { lastSeenAtMs: wallMs });
    return replaced;
  }

  /** Says whether the association was the one of a present device. */
  down(association: number, nowUs: number, wallMs: number): boolean {
    const session = this.#sessions.get(association);
    if (session === undefined) return false;
    this.#sessions.delete(association);
    this.#present.delete(session.deviceId);
    this.directories.forget(session);
    this.#touch(session.deviceId, { lastSeenAtMs: wallMs });
    const office = this.#devices.get(session.deviceId)?.office;
    if (office !== undefined) this.directories.changed(office, nowUs);
    return true;
  }

  /** Takes in what a device says of itself, and finds its office. */
  register(session: Session, said: Register, now: Now): void {
    const before = this.#devices.get(session.deviceId);
    if (before === undefined) return;
    const reported = canonicalHosts(said.hosts);
    const seenHost = canonicalHosts([session.host])[0] ?? "";
    session.bootId = said.bootId;
    session.witnesses = said.witnesses;
    const office = this.#place(session.deviceId, {
      hosts: reported,
      seenHost,
      witnesses: said.witnesses,
    });
    this.#touch(session.deviceId, {
      hostName: plainText(said.hostName, HOST_NAME_LENGTH_MAX),
      office,
      hosts: reported.length > 0 || seenHost === "" ? reported : [seenHost],
      seenHost,
      portOffset: said.portOffset,
      ports: said.ports,
      facts: said.facts,
      attributes: plainAttributes(said.attributes ?? []),
      productVersion: plainText(said.productVersion, 64),
      lastSeenAtMs: now.wallMs,
    });
    if (before.office !== office) {
      this.directories.moved(session.deviceId, before.office, office);
      this.directories.changed(before.office, now.nowUs);
    }
    this.directories.registered(session, office, now.nowUs);
    this.directories.changed(office, now.nowUs);
  }

  /** The devices that other offices would place elsewhere than where they are. */
  moves(offices: Offices): readonly Move[] {
    const places = new Map(this.active().map(({ deviceId, office }) => [deviceId, office]));
    // Twice: a device may be placed by a witness that was placed after it.
    for (let round = 0; round < 2; round += 1) {
      for (const { deviceId, hosts, seenHost } of this.active()) {
        const witnesses = this.#present.get(deviceId)?.witnesses ?? [];
        const where = { hosts, seenHost, witnesses };
        const seen = this.#seenMember(deviceId, (member) => places.get(member));
        places.set(deviceId, offices.place(where, seen));
      }
    }
    return this.active().flatMap(({ deviceId, hostName, office: from }) => {
      const to = places.get(deviceId) ?? from;
      return to === from ? [] : [{ deviceId, hostName, from, to }];
    });
  }

  /** Has devices be where the offices in force, which have changed, place them. */
  move(moves: readonly Move[], nowUs: number): void {
    for (const { deviceId, from, to } of moves) {
      this.directories.moved(deviceId, from, to);
      this.#touch(deviceId, { office: to });
    }
    this.directories.changedEverywhere(nowUs);
  }

  /** Turns a device away that says it has this version. */
  turnAway(session: Session, productVersion: string, now: Now): void {
    this.down(session.association, now.nowUs, now.wallMs);
    this.#touch(session.deviceId, { productVersion: plainText(productVersion, 64) });
  }

  /** Takes an identity back: nobody is this device any more. */
  retire(deviceId: DeviceId, now: Now): void {
    const device = this.#devices.get(deviceId);
    if (device === undefined) return;
    const session = this.#present.get(deviceId);
    if (session !== undefined) this.down(session.association, now.nowUs, now.wallMs);
    this.#shunned.delete(deviceId);
    this.#touch(deviceId, { retiredAtMs: now.wallMs });
    this.directories.left(deviceId, device.office, now.nowUs);
  }

  /** Has the whole organisation shun a device, or trust it again. */
  shun(deviceId: DeviceId, shunnedAtMs: number | undefined): void {
    const device = this.#devices.get(deviceId);
    if (device === undefined) return;
    if (shunnedAtMs === undefined) this.#shunned.delete(deviceId);
    else this.#shunned.add(deviceId);
    const { shunnedAtMs: _, ...trusted } = device;
    this.#devices.set(deviceId, trusted);
    this.#touch(deviceId, shunnedAtMs === undefined ? {} : { shunnedAtMs });
  }

  /** Persists the rows that have changed. */
  save(outbox: CoordinatorOutbox): void {
    for (const deviceId of this.#unsaved) {
      const device = this.#devices.get(deviceId);
      if (device !== undefined) outbox.persist({ kind: "device-put", device });
    }
    this.#unsaved.clear();
  }

  #place(deviceId: DeviceId, where: Whereabouts): string {
    const officeOf = (member: DeviceId): string | undefined => this.#devices.get(member)?.office;
    return this.offices.place(where, this.#seenMember(deviceId, officeOf));
  }

  /** From where the server hears the members of offices, but for one device. */
  #seenMember(
    deviceId: DeviceId,
    officeOf: (member: DeviceId) => string | undefined,
  ): PlacementSources["seenMember"] {
    return (witness, office) => {
      const known = this.#present.get(witness)?.bootId !== undefined && witness !== deviceId;
      const there = known && officeOf(witness) === office;
      return there ? this.#devices.get(witness)?.seenHost : undefined;
    };
  }

  #touch(deviceId: DeviceId, changed: Touched): void {
    const device = this.#devices.get(deviceId);
    if (device === undefined) return;
    const { ports, ...rest } = { ...device, ...changed };
    const after = ports === undefined ? rest : { ...rest, ports };
    this.#devices.set(deviceId, after);
    if (isOtherwise(device, after)) this.onChange(device, after);
    this.#unsaved.add(deviceId);
  }
}

/** What has changed of a device; ports that are said to be undefined are those of the table again. */
type Touched = Partial<Omit<DeviceRow, "ports">> & { readonly ports?: PortMap | undefined };

/** Whether deployments and offices may see a device otherwise than before. */
function isOtherwise(before: DeviceRow, after: DeviceRow): boolean {
  return (
    before.office !== after.office ||
    before.retiredAtMs !== after.retiredAtMs ||
    before.hostName !== after.hostName ||
    before.productVersion !== after.productVersion ||
    before.facts.serverOs !== after.facts.serverOs ||
    JSON.stringify(before.attributes) !== JSON.stringify(after.attributes)
  );
}

/** What a machine says of itself, fit for tables; of each name the first. */
function plainAttributes(attributes: readonly Attribute[]): readonly Attribute[] {
  const known = new Map<string, string>();
  for (const { name, value } of attributes) {
    const plain = plainText(name, 32);
    if (!known.has(plain)) known.set(plain, plainText(value, 128));
  }
  return [...known].map(([name, value]) => ({ name, value }));
}

/** The time on both clocks. */
export type Now = { readonly nowUs: number; readonly wallMs: number };

/** The readable ones of some addresses in canonical form, without repetition, at most so many. */
export function canonicalHosts(hosts: readonly string[]): readonly string[] {
  const canonical = new Set<string>();
  for (const host of hosts) {
    const address = parseAddress(host);
    if (address !== undefined && address.value !== 0n) canonical.add(formatAddress(address));
  }
  return [...canonical].slice(0, HOSTS_MAX);
}
