import type { ContentId, DeviceId } from "../base/ids.ts";
import { type Due, NEVER } from "../base/machine.ts";
import { MS } from "../base/units.ts";
import { compareCandidates } from "../topology/election.ts";
import type { Origin } from "../wire/messages.ts";
import type { CoordinatorOutbox } from "./contract.ts";
import { DEPLOYMENTS_MAX } from "./deployments.ts";
import { REPORT_MS_MIN, reportPaceMs } from "./report-pace.ts";
import type { DeviceRow } from "./state.ts";

/** Changes of policy are gathered for this long, because working them out looks at every holder. */
export const POLICY_DELAY_US: number = 500 * MS;

/** Most shunned devices that a device is told of. */
export const SHUNNED_MAX = 4_096;

/** What policy is made from. */
export type PolicySources = {
  readonly origins: () => readonly Origin[];
  readonly shunned: () => readonly DeviceId[];
  /** Contents that a deployment names that was not cancelled, each once. */
  readonly deployed: () => ReadonlySet<ContentId>;
  /** The devices that have all of a content. */
  readonly holders: (contentId: ContentId) => readonly DeviceRow[];
  readonly isPresent: (deviceId: DeviceId) => boolean;
  /** Whether the devices of an office serve each other. */
  readonly shares: (office: string) => boolean;
};

/** A registered device and what its last policy said. */
type Reader = {
  readonly association: number;
  readonly deviceId: DeviceId;
  sentKey: string;
};

/**
 * Tells each device from where packages can be had, whom it must not trust, and which contents it
 * keeps for its office: of each content that a deployment names, the best of the office's devices
 * that have it must not give up its copy.
 *
 * A policy is sent at registration, and then only where it differs from the last one.
 */
export class Policies {
  readonly #epoch: number;
  readonly #sources: PolicySources;
  readonly #readers = new Map<number, Reader>();
  /** Who keeps a content, by office. */
  readonly #keepers = new Map<ContentId, ReadonlyMap<string, DeviceId>>();
  readonly #kept = new Map<DeviceId, Set<ContentId>>();
  readonly #unjudged = new Set<ContentId>();
  /** Readers to be told at the end of this step, whatever else waits. */
  readonly #fresh = new Set<Reader>();
  #everythingUnjudged = true;
  #general = 0;
  #reportMs = REPORT_MS_MIN;
  #dueUs = Number.POSITIVE_INFINITY;
  #version = 0;

  constructor(epoch: number, sources: PolicySources) {
    this.#epoch = epoch;
    this.#sources = sources;
  }

  /** From now on this device is told. */
  registered(session: Pick<Reader, "association" | "deviceId">, nowUs: number): void {
    const { association, deviceId } = session;
    const reader = this.#readers.get(association) ?? { association, deviceId, sentKey: "" };
    this.#readers.set(association, reader);
    this.#fresh.add(reader);
    this.membersChanged(nowUs);
  }

  forget(association: number): void {
    const reader = this.#readers.get(association);
    if (reader === undefined) return;
    this.#readers.delete(association);
    this.#fresh.delete(reader);
  }

  /** Who has a content, or whether a deployment names it, has changed. */
  contentChanged(contentId: ContentId, nowUs: number): void {
    this.#unjudged.add(contentId);
    this.#soon(nowUs);
  }

  /** Who is where, or present, has changed. */
  membersChanged(nowUs: number): void {
    this.#everythingUnjudged = true;
    this.#soon(nowUs);
  }

  /** The origins, or who is shunned, have changed: everyone is told at once. */
  generalChanged(): void {
    this.#general += 1;
    for (const reader of this.#readers.values()) this.#fresh.add(reader);
  }

  due(): Due {
    if (this.#dueUs === Number.POSITIVE_INFINITY) return NEVER;
    return { atUs: this.#dueUs, reason: "policy" };
  }

  /** Sends the policies whose time has come. */
  send(nowUs: number, outbox: CoordinatorOutbox): void {
    if (nowUs >= this.#dueUs) {
      this.#dueUs = Number.POSITIVE_INFINITY;
      this.#judge();
      this.#reportMs = reportPaceMs(this.#readers.size, this.#reportMs);
      for (const reader of this.#readers.values()) this.#tell(reader, outbox);
    } else {
      for (const reader of this.#fresh) this.#tell(reader, outbox);
    }
    this.#fresh.clear();
  }

  #soon(nowUs: number): void {
    this.#dueUs = Math.min(this.#dueUs, nowUs + POLICY_DELAY_US);
  }

  /** Works out anew who keeps what. */
  #judge(): void {
    const deployed = this.#sources.deployed();
    if (this.#everythingUnjudged) {
      for (const contentId of deployed) this.#unjudged.add(contentId);
    }
    this.#everythingUnjudged = false;
    for (const contentId of this.#unjudged) {
      const before = this.#keepers.get(contentId);
      for (const keeper of before?.values() ?? []) this.#kept.get(keeper)?.delete(contentId);
      this.#keepers.delete(contentId);
      if (!deployed.has(contentId)) continue;
      const keepers = this.#keepersOf(contentId);
      this.#keepers.set(contentId, keepers);
      for (const keeper of keepers.values()) {
        const kept = this.#kept.get(keeper) ?? new Set<ContentId>();
        this.#kept.set(keeper, kept.add(contentId));
      }
    }
    this.#unjudged.clear();
  }

  /**
   * The best holder of each office: one that is present before all that are absent, and one that has
   * room before those that must give something up, which would otherwise be what they alone hold.
   */
  #keepersOf(contentId: ContentId): ReadonlyMap<string, DeviceId> {
    const best = new Map<string, DeviceRow>();
    for (const device of this.#sources.holders(contentId)) {
      if (!this.#sources.shares(device.office)) continue;
      const rival = best.get(device.office);
      if (rival === undefined || this.#compare(device, rival) < 0) best.set(device.office, device);
    }
    return new Map([...best].map(([office, { deviceId }]) => [office, deviceId]));
  }

  #compare(a: DeviceRow, b: DeviceRow): number {
    const { isPresent } = this.#sources;
    return (
      Number(isPresent(b.deviceId)) - Number(isPresent(a.deviceId)) ||
      Number(b.facts.usableBytes > 0) - Number(a.facts.usableBytes > 0) ||
      compareCandidates(a, b)
    );
  }

  #tell(reader: Reader, outbox: CoordinatorOutbox): void {
    const kept = [...(this.#kept.get(reader.deviceId) ?? [])];
    const keep = kept.sort().slice(0, DEPLOYMENTS_MAX);
    const reportMs = this.#reportMs;
    const key = `${this.#general} ${reportMs} ${keep.join()}`;
    if (key === reader.sentKey) return;
    reader.sentKey = key;
    this.#version += 1;
    outbox.send(reader.association, {
      kind: "policy",
      epoch: this.#epoch,
      version: this.#version,
      origins: this.#sources.origins(),
      shunned: this.#sources.shunned().slice(0, SHUNNED_MAX),
      keep,
      ...(reportMs === REPORT_MS_MIN ? {} : { reportMs }),
    });
  }
}
