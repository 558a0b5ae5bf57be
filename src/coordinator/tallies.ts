import type { ContentId, DeviceId } from "../base/ids.ts";
import type { ContentState } from "../wire/messages.ts";
import { add, type Counters, type DeviceRow, NO_BYTES, type ProgressRow } from "./state.ts";

/** How many devices stand how with a content. Each device counts once. */
export type Standings = {
  /** Devices that a deployment brings the content to, now or later. */
  readonly wanted: number;
  /** Of the wanted ones, by how far they are; the rest waits. */
  readonly complete: number;
  readonly fetching: number;
  readonly failed: number;
};

/** What is known of the devices of one office, or of one device, about one content. */
export type Tally = Standings & Counters;

/** A tally in which nothing has been counted. */
export const NO_TALLY: Tally = { wanted: 0, complete: 0, fetching: 0, failed: 0, ...NO_BYTES };

/** What tallies are made from. */
export type TallySources = {
  readonly devices: () => Iterable<DeviceRow>;
  readonly progressOf: (contentId: ContentId) => ReadonlyMap<DeviceId, ProgressRow>;
  /** Whether a deployment brings a content to a device, now or later. */
  readonly brings: (contentId: ContentId, device: DeviceRow) => boolean;
};

/** A tally that is being added up. */
type Sum = { -readonly [Field in keyof Tally]: number };

/**
 * How the devices of every office stand with every content, ready to be asked again and again.
 *
 * The tallies of a content are made when they are first asked for; from then on each report and each
 * device that moves changes what it has to. What concerns many devices at once, a deployment or the
 * topology, has them made anew.
 */
export class Tallies {
  readonly #sources: TallySources;
  readonly #offices = new Map<ContentId, Map<string, Sum>>();

  constructor(sources: TallySources) {
    this.#sources = sources;
  }

  /** The tallies of a content by office; an office with nothing to tell may be absent. */
  of(contentId: ContentId): ReadonlyMap<string, Tally> {
    const known = this.#offices.get(contentId);
    if (known !== undefined) return known;
    const offices = new Map<string, Sum>();
    const progress = this.#sources.progressOf(contentId);
    for (const device of this.#sources.devices()) {
      this.#count(contentId, offices, [device, progress.get(device.deviceId)], 1);
    }
    this.#offices.set(contentId, offices);
    return offices;
  }

  /** What one device adds to the tallies of its office. */
  device(contentId: ContentId, device: DeviceRow): Tally {
    const office = new Map<string, Sum>();
    const row = this.#sources.progressOf(contentId).get(device.deviceId);
    this.#count(contentId, office, [device, row], 1);
    return office.get(device.office) ?? NO_TALLY;
  }

  /** A device has reported about a content. */
  onProgress(device: DeviceRow, before: ProgressRow | undefined, after: ProgressRow): void {
    const offices = this.#offices.get(after.contentId);
    if (offices === undefined) return;
    const change: readonly [Counted, Counted] = [
      [device, before],
      [device, after],
    ];
    this.#replace(after.contentId, offices, change);
  }

  /** A device is new, has moved, or is something else than before. */
  onDevice(before: DeviceRow | undefined, after: DeviceRow): void {
    for (const [contentId, offices] of this.#offices) {
      const row = this.#sources.progressOf(contentId).get(after.deviceId);
      const was: Counted | undefined = before === undefined ? undefined : [before, row];
      this.#replace(contentId, offices, [was, [after, row]]);
    }
  }

  /** What deployments mean for a content has changed; for all of them where none is named. */
  forget(contentId?: ContentId): void {
    if (contentId === undefined) this.#offices.clear();
    else this.#offices.delete(contentId);
  }

  /** Takes back what a device added, and adds what it adds now. */
  #replace(
    contentId: ContentId,
    offices: Map<string, Sum>,
    [before, after]: readonly [Counted | undefined, Counted],
  ): void {
    if (before !== undefined) {
      // From a sum that stands still nothing can be taken back: it is made anew.
      if (isFull(offices.get(before[0].office))) {
        this.forget(contentId);
        return;
      }
      this.#count(contentId, offices, before, -1);
    }
    this.#count(contentId, offices, after, 1);
  }

  #count(
    contentId: ContentId,
    offices: Map<string, Sum>,
    [device, row]: Counted,
    sign: 1 | -1,
  ): void {
    const wanted = device.retiredAtMs === undefined && this.#sources.brings(contentId, device);
    if (!wanted && row === undefined) return;
    let sum = offices.get(device.office);
    if (sum === undefined) {
      sum = { ...NO_TALLY };
      offices.set(device.office, sum);
    }
    if (wanted) {
      sum.wanted += sign;
      const standing = STANDING[row?.state ?? "waiting"];
      if (standing !== undefined) sum[standing] += sign;
    }
    if (row === undefined) return;
    for (const field of BYTES) {
      const bytes = row.base[field] + row.current[field];
      // Most devices have none of most kinds.
      if (bytes !== 0) sum[field] = Math.max(0, add(sum[field], sign * bytes));
    }
  }
}

/** Adds tallies. */
export function addTallies(a: Tally, b: Tally): Tally {
  const sum: Sum = { ...a };
  for (const field of COUNTS) sum[field] += b[field];
  for (const field of BYTES) sum[field] = add(sum[field], b[field]);
  return sum;
}

/** A device and what is known of it about a content. */
type Counted = readonly [DeviceRow, ProgressRow | undefined];

const COUNTS = ["wanted", "complete", "fetching", "failed"] as const;

const BYTES = Object.keys(NO_BYTES) as readonly (keyof Counters)[];

/** As what a wanted device counts; one that waits is what is left of the wanted ones. */
const STANDING: Readonly<Record<ContentState, "complete" | "fetching" | "failed" | undefined>> = {
  waiting: undefined,
  downloading: "fetching",
  checking: "fetching",
  complete: "complete",
  failed: "failed",
};

function isFull(tally: Tally = NO_TALLY): boolean {
  return BYTES.some((field) => tally[field] >= Number.MAX_SAFE_INTEGER);
}
