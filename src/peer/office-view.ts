import type { DeviceId } from "../base/ids.ts";
import { parseAddress } from "../topology/address.ts";
import { rankCandidates } from "../topology/election.ts";
import { PrefixMap, parseSubnet } from "../topology/prefix.ts";
import type { Directory, MemberEntry, OfficeType } from "../wire/messages.ts";

/** How many devices we know from other devices alone. */
export const GOSSIP_MAX = 256;

/**
 * What a device knows of its office, the offices above it and who is in them: from the server, and
 * where the server has not told, from the other devices of its office.
 */
export class OfficeView {
  readonly #self: DeviceId;
  #directory: Directory | undefined;
  readonly #members = new Map<string, MemberEntry>();
  /** Devices of our office that the server has not told us of. */
  readonly #gossip = new Map<string, MemberEntry>();
  #levels = new Map<string, number>();
  /** The members of each level, ranked; looked at many times between two changes of them. */
  readonly #ranked = new Map<number, readonly MemberEntry[]>();
  #subnets = new PrefixMap<true>();

  constructor(deviceId: DeviceId) {
    this.#self = deviceId;
  }

  /** The name of the device's office; empty before the server has told it. */
  get office(): string {
    return this.#directory?.office ?? "";
  }

  get parentOffice(): string | undefined {
    return this.#entry()?.parent;
  }

  get officeType(): OfficeType {
    return this.#entry()?.type ?? "default";
  }

  /** With it the devices of our office recognise each other; `undefined` before we have one. */
  get officeKey(): Uint8Array | undefined {
    return this.#directory?.officeKey;
  }

  /** How many offices lie above ours. */
  get depth(): number {
    return Math.max(0, this.#levels.size - 1);
  }

  /** The latest word of the server; to be remembered. */
  get directory(): Directory | undefined {
    return this.#directory;
  }

  /** Takes what the server says, unless something newer is known; says whether it was taken. */
  apply(directory: Directory): boolean {
    const known = this.#directory;
    const older =
      known !== undefined &&
      (directory.epoch < known.epoch ||
        (directory.epoch === known.epoch && directory.version < known.version));
    if (older) return false;
    if (known?.office !== directory.office) this.#gossip.clear();
    this.#directory = directory;
    this.#ranked.clear();
    this.#members.clear();
    for (const member of directory.members) this.#members.set(member.deviceId, member);
    this.#levels = new Map(directory.offices.map(({ name }, level) => [name, level]));
    this.#subnets = new PrefixMap();
    for (const text of this.#entry()?.subnets ?? []) {
      const parsed = parseSubnet(text);
      if (!("subnet" in parsed)) continue;
      for (const prefix of parsed.subnet.prefixes) this.#subnets.set(prefix, true);
    }
    return true;
  }

  /**
   * Takes what a device of our office says of one: it counts where the server has said nothing and
   * its address is of our office.
   */
  hear(member: MemberEntry): void {
    const host = member.hosts[0];
    if (member.deviceId === this.#self || member.office !== this.office || host === undefined)
      return;
    if (this.#members.has(member.deviceId) || !this.isOurs(host)) return;
    if (this.#gossip.size >= GOSSIP_MAX && !this.#gossip.has(member.deviceId)) return;
    this.#gossip.set(member.deviceId, member);
    this.#ranked.delete(0);
  }

  /** Whether an address is in our office's subnets, as far as we know them. */
  isOurs(host: string): boolean {
    const address = parseAddress(host);
    return address !== undefined && this.#subnets.longest(address) === true;
  }

  member(deviceId: string): MemberEntry | undefined {
    return this.#members.get(deviceId) ?? this.#gossip.get(deviceId);
  }

  /** Whether a device is of our office; one that we know nothing of is not. */
  sameOffice(deviceId: string): boolean {
    return this.level(deviceId) === 0;
  }

  /** How many offices above ours a device is; `undefined` for one that is not above us. */
  level(deviceId: string): number | undefined {
    const office = this.member(deviceId)?.office;
    return office === undefined ? undefined : this.#levels.get(office);
  }

  /** The other devices of our office, the best first. */
  officeMates(): readonly MemberEntry[] {
    return this.membersAt(0);
  }

  /** The other devices of the office so many levels above ours, the best first. */
  membersAt(level: number): readonly MemberEntry[] {
    const known = this.#ranked.get(level);
    if (known !== undefined) return known;
    const found: MemberEntry[] = [];
    for (const members of [this.#members, this.#gossip]) {
      for (const member of members.values()) {
        if (this.#levels.get(member.office) === level && member.deviceId !== this.#self) {
          found.push(member);
        }
      }
    }
    const ranked = rankCandidates(found);
    this.#ranked.set(level, ranked);
    return ranked;
  }

  #entry() {
    return this.#directory?.offices.find(({ name }) => name === this.office);
  }
}

/** The host of a device that is best tried from this device: one of a family that it has itself. */
export function bestHost(hosts: readonly string[], own: readonly string[]): string | undefined {
  const families = new Set(own.map((host) => parseAddress(host)?.family));
  return hosts.find((host) => families.has(parseAddress(host)?.family)) ?? hosts[0];
}
