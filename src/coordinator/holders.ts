import type { ContentId, DeviceId } from "../base/ids.ts";
import type { DeviceRow, ProgressRow } from "./state.ts";

/** What holders are counted from. */
export type HolderSources = {
  readonly device: (deviceId: DeviceId) => DeviceRow | undefined;
  readonly progressOf: (contentId: ContentId) => ReadonlyMap<DeviceId, ProgressRow>;
  readonly publisherOf: (contentId: ContentId) => DeviceId | undefined;
};

/**
 * How many devices of every office have all of a content, its publisher not counted.
 *
 * Counted when it is first asked for; from then on by each report and each device that moves.
 */
export class Holders {
  readonly #sources: HolderSources;
  readonly #offices = new Map<ContentId, Map<string, number>>();

  constructor(sources: HolderSources) {
    this.#sources = sources;
  }

  /** By office; an office without any may be absent. */
  of(contentId: ContentId): ReadonlyMap<string, number> {
    const known = this.#offices.get(contentId);
    if (known !== undefined) return known;
    const offices = new Map<string, number>();
    for (const row of this.#sources.progressOf(contentId).values()) {
      const device = this.#sources.device(row.deviceId);
      if (device !== undefined && this.#holds(device, row)) change(offices, device.office, 1);
    }
    this.#offices.set(contentId, offices);
    return offices;
  }

  /** A device has reported about a content. */
  onProgress(device: DeviceRow, before: ProgressRow | undefined, after: ProgressRow): void {
    const offices = this.#offices.get(after.contentId);
    if (offices === undefined) return;
    const gained = Number(this.#holds(device, after)) - Number(this.#holds(device, before));
    if (gained !== 0) change(offices, device.office, gained);
  }

  /** A device has moved, or its identity was taken back. */
  onDevice(before: DeviceRow | undefined, after: DeviceRow): void {
    for (const [contentId, offices] of this.#offices) {
      const row = this.#sources.progressOf(contentId).get(after.deviceId);
      if (before !== undefined && this.#holds(before, row)) change(offices, before.office, -1);
      if (this.#holds(after, row)) change(offices, after.office, 1);
    }
  }

  #holds(device: DeviceRow, row: ProgressRow | undefined): boolean {
    if (row?.state !== "complete" || device.retiredAtMs !== undefined) return false;
    return this.#sources.publisherOf(row.contentId) !== device.deviceId;
  }
}

function change(offices: Map<string, number>, office: string, by: number): void {
  offices.set(office, (offices.get(office) ?? 0) + by);
}
