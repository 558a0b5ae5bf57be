import type { DeviceId } from "../base/ids.ts";
import { type Candidate, rankCandidates } from "../topology/election.ts";
import type { Directory, Facts, MemberEntry, OfficeType } from "../wire/messages.ts";

/** What a device knows of its office, its parent office and who is in them. */
export class OfficeView {
  readonly #self: Candidate;
  #directory: Directory | undefined;
  readonly #members = new Map<string, MemberEntry>();
  /** Devices whose pieces did not verify: they are not relied on to fetch for the office. */
  readonly #distrusted = new Set<string>();
  #rvp: DeviceId;

  constructor(deviceId: DeviceId, facts: Facts) {
    this.#self = { deviceId, facts };
    this.#rvp = deviceId;
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

  /** Takes what the server says, unless something newer is known; says whether it was taken. */
  apply(directory: Directory): boolean {
    const known = this.#directory;
    const older =
      known !== undefined &&
      (directory.epoch < known.epoch ||
        (directory.epoch === known.epoch && directory.version < known.version));
    if (older) return false;
    this.#directory = directory;
    this.#members.clear();
    for (const member of directory.members) this.#members.set(member.deviceId, member);
    this.#elect();
    return true;
  }

  /** No longer relies on a device to fetch for the office: what it passed on was wrong. */
  distrust(deviceId: DeviceId): void {
    this.#distrusted.add(deviceId);
    this.#elect();
  }

  member(deviceId: string): MemberEntry | undefined {
    return this.#members.get(deviceId);
  }

  /** Whether a device is of our office; one that we know nothing of is not. */
  sameOffice(deviceId: string): boolean {
    const office = this.#members.get(deviceId)?.office;
    return office !== undefined && office === this.office;
  }

  /** The other devices of our office that are there, the best first. */
  officeMates(): readonly MemberEntry[] {
    return this.#present(this.office);
  }

  /** The devices of the parent office that are there, the best first. */
  parentMembers(): readonly MemberEntry[] {
    const parent = this.parentOffice;
    return parent === undefined ? [] : this.#present(parent);
  }

  /** The device that fetches for our office: the best of all that are there (row B8). */
  get rvp(): DeviceId {
    return this.#rvp;
  }

  /**
   * Whether this device fetches over the line itself: as the RVP, or because nobody shares in its
   * office (row B6).
   */
  get fetchesOverLine(): boolean {
    return this.officeType === "vpn" || this.#rvp === this.#self.deviceId;
  }

  #elect(): void {
    const mates = this.officeMates().filter(({ deviceId }) => !this.#distrusted.has(deviceId));
    const candidates: Candidate[] = [this.#self, ...mates];
    this.#rvp = rankCandidates(candidates)[0]?.deviceId ?? this.#self.deviceId;
  }

  #entry() {
    return this.#directory?.offices.find(({ name }) => name === this.office);
  }

  #present(office: string): readonly MemberEntry[] {
    const present = [...this.#members.values()].filter(
      (member) =>
        member.present && member.office === office && member.deviceId !== this.#self.deviceId,
    );
    return rankCandidates(present);
  }
}
