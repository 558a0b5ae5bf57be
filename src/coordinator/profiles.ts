import type { Due } from "../base/machine.ts";
import { MS } from "../base/units.ts";
import { type ProfileInForce, type ProfileMode, sameValue } from "../wire/profile.ts";
import type { CoordinatorOutbox } from "./contract.ts";
import {
  byOrder,
  NOTHING_IN_FORCE,
  type ProfilePlace,
  type PublishedProfile,
  published,
  valuesInForce,
} from "./profile-precedence.ts";
import type { ProfileReportRow, ProfileRow } from "./profile-rows.ts";
import type { DeviceRow } from "./state.ts";

/** Most profiles, and most names of each kind that one is published to. */
export const PROFILES_MAX = 256;
export const PROFILE_TARGETS_MAX = 4_096;

/** Reports are gathered for this long: a device may send them as often as it likes. */
export const PROFILE_REPORT_DELAY_US: number = 200 * MS;

/** What profiles have to be judged with. */
export type ProfileSources = {
  /** An office and those above it, the nearest first. */
  readonly upwards: (office: string) => ReadonlySet<string>;
  readonly isInGroup: (group: string, deviceId: string) => boolean;
};

/** All profiles, what each device is to take from them, and what it says that it has taken. */
export class Profiles {
  readonly #sources: ProfileSources;
  readonly #rows = new Map<string, ProfileRow>();
  readonly #reports = new Map<string, ProfileReportRow>();
  /** Devices whose reports have changed since they were last persisted, and when that is done. */
  readonly #unsaved = new Set<string>();
  #saveAtUs = Number.POSITIVE_INFINITY;
  /** Those that are published anywhere, in order; made anew when one changes. */
  #published: readonly PublishedProfile[] = [];
  /** What was worked out for a device, and in which office it was then. */
  readonly #known = new Map<string, { readonly office: string; readonly values: ProfileInForce }>();

  constructor(
    rows: readonly ProfileRow[],
    reports: readonly ProfileReportRow[],
    sources: ProfileSources,
  ) {
    this.#sources = sources;
    for (const row of rows) this.#rows.set(row.name, row);
    for (const report of reports) this.#reports.set(report.deviceId, report);
    this.#publish();
  }

  get full(): boolean {
    return this.#rows.size >= PROFILES_MAX;
  }

  /** All profiles in their order. */
  list(): readonly ProfileRow[] {
    return [...this.#rows.values()].sort(byOrder);
  }

  get(name: string): ProfileRow | undefined {
    return this.#rows.get(name);
  }

  /** Makes a profile, or says what it is from now on. */
  put(row: ProfileRow, outbox: CoordinatorOutbox): void {
    this.#rows.set(row.name, row);
    this.#publish();
    outbox.persist({ kind: "profile-put", profile: row });
  }

  remove(name: string, outbox: CoordinatorOutbox): void {
    if (!this.#rows.delete(name)) return;
    this.#publish();
    outbox.persist({ kind: "profile-remove", name });
  }

  /** The first profile that is published to a group. */
  userOfGroup(group: string): ProfileRow | undefined {
    return this.list().find(({ targets }) => targets.groups.includes(group));
  }

  /** The values in force for a device, and which profile sets each. */
  valuesFor(device: Pick<DeviceRow, "deviceId" | "office">): ProfileInForce {
    if (this.#published.length === 0) return NOTHING_IN_FORCE;
    const { deviceId, office } = device;
    const known = this.#known.get(deviceId);
    // Directories ask this for every member each time that one of them changes.
    if (known?.office === office) return known.values;
    const values = valuesInForce(this.#published, this.#placeOf(device));
    this.#known.set(deviceId, { office, values });
    return values;
  }

  /** Groups or offices are others than before. */
  surroundingsChanged(): void {
    this.#known.clear();
  }

  /** Whether any profile that is published may have a device take no part. */
  get setsApart(): boolean {
    return this.#published.some(({ row }) => isApart(row.values.mode));
  }

  /** Whether a device serves others and asks them, as far as profiles say. */
  takesPart(device: Pick<DeviceRow, "deviceId" | "office">): boolean {
    return !isApart(this.valuesFor(device).mode?.value);
  }

  /** What a device said last of the values in force on it; absent where it never did. */
  report(deviceId: string): ProfileReportRow | undefined {
    return this.#reports.get(deviceId);
  }

  /** Takes in what a device says is in force on it. */
  onReport(row: ProfileReportRow, nowUs: number): void {
    const before = this.#reports.get(row.deviceId);
    const same =
      before !== undefined &&
      sameValue(before.values, row.values) &&
      sameValue(before.problems, row.problems);
    if (same) return;
    this.#reports.set(row.deviceId, row);
    this.#unsaved.add(row.deviceId);
    this.#saveAtUs = Math.min(this.#saveAtUs, nowUs + PROFILE_REPORT_DELAY_US);
  }

  due(): Due {
    return { atUs: this.#saveAtUs, reason: "profile reports" };
  }

  /** Persists what devices have reported, where it is time. */
  save(nowUs: number, outbox: CoordinatorOutbox): void {
    if (nowUs < this.#saveAtUs) return;
    this.#saveAtUs = Number.POSITIVE_INFINITY;
    for (const deviceId of this.#unsaved) {
      const report = this.#reports.get(deviceId);
      if (report !== undefined) outbox.persist({ kind: "profile-report-put", report });
    }
    this.#unsaved.clear();
  }

  #publish(): void {
    const isPublished = ({ targets }: ProfileRow) =>
      targets.devices.length + targets.groups.length + targets.offices.length > 0;
    this.#known.clear();
    this.#published = this.list().filter(isPublished).map(published);
  }

  #placeOf({ deviceId, office }: Pick<DeviceRow, "deviceId" | "office">): ProfilePlace {
    const { upwards, isInGroup } = this.#sources;
    return { deviceId, offices: upwards(office), isInGroup: (name) => isInGroup(name, deviceId) };
  }
}

/** Whether devices of a mode ask no other device and serve none (PF4). */
function isApart(mode: ProfileMode | undefined): boolean {
  return mode === "local" || mode === "disabled";
}
