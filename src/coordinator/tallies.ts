import type { ContentId, DeviceId } from "../base/ids.ts";
import {
  add,
  type Counters,
  type DeviceRow,
  NO_BYTES,
  type ProgressRow,
  totalOf,
} from "./state.ts";

/** How many devices stand how with a content. Each device counts once. */
export type Standings = {
  /** Devices that a deployment brings the content to, now or later. */
  readonly wanted: number;
  /** Of the wanted ones, by how far they are; the rest waits. */
  readonly complete: number;
  readonly fetching: number;
  readonly failed: number;
  /** All devices that have the whole content, wanted there or not, but for its publisher. */
  readonly holders: number;
};

/** What is known of the devices of one office, or of one device, about one content. */
export type Tally = Standings & Counters;

/** A tally in which nothing has been counted. */
export const NO_TALLY: Tally = {
  wanted: 0,
  complete: 0,
  fetching: 0,
  failed: 0,
  holders: 0,
  ...NO_BYTES,
};

/** What tallies are made from. */
export type TallySources = {
  readonly devices: () => Iterable<DeviceRow>;
  readonly progressOf: (contentId: ContentId) => ReadonlyMap<DeviceId, ProgressRow>;
  /** Whether a deployment brings a content to a device, now or later. */
  readonly brings: (contentId: ContentId, device: DeviceRow) => boolean;
  readonly publisherOf: (contentId: ContentId) => DeviceId | undefined;
};

/**
 * How the devices of every office stand with every content, ready to be asked again and again.
 *
 * The tallies of a content are made when they are first asked for; from then on each report and each
 * device that moves changes what it has to. What concerns many devices at once, a deployment or the
 * topology, has them made anew.
 */
export class Tallies {
  readonly #sources: TallySources;
  readonly #offices = new Map<ContentId, Map<string, Tally>>();

  constructor(sources: TallySources) {
    this.#sources = sources;
  }

  /** The tallies of a content by office; an office with nothing to tell may be absent. */
  of(contentId: ContentId): ReadonlyMap<string, Tally> {
    const known = this.#offices.get(contentId);
    if (known !== undefined) return known;
    const offices = new Map<string, Tally>();
    const progress = this.#sources.progressOf(contentId);
    for (const device of this.#sources.devices()) {
      const tally = this.device(contentId, device, progress.get(device.deviceId));
      if (tally !== NO_TALLY) change(offices, device.office, tally, 1);
    }
    this.#offices.set(contentId, offices);
    return offices;
  }

  /** What one device adds to the tallies of its office; {@link NO_TALLY} itself where that is nothing. */
  device(contentId: ContentId, device: DeviceRow, row: ProgressRow | undefined): Tally {
    const retired = device.retiredAtMs !== undefined;
    const wanted = !retired && this.#sources.brings(contentId, device);
    if (!wanted && row === undefined) return NO_TALLY;
    const state = row?.state ?? "waiting";
    const complete = state === "complete";
    const publisher = this.#sources.publisherOf(contentId) === device.deviceId;
    return {
      wanted: wanted ? 1 : 0,
      complete: wanted && complete ? 1 : 0,
      fetching: wanted && (state === "downloading" || state === "checking") ? 1 : 0,
      failed: wanted && state === "failed" ? 1 : 0,
      holders: complete && !retired && !publisher ? 1 : 0,
      ...(row === undefined ? NO_BYTES : totalOf(row)),
    };
  }

  /** A device has reported about a content. */
  onProgress(device: DeviceRow, before: ProgressRow | undefined, after: ProgressRow): void {
    const offices = this.#offices.get(after.contentId);
    if (offices === undefined) return;
    this.#replace(after.contentId, offices, [
      [device, before],
      [device, after],
    ]);
  }

  /** A device is new, has moved, or is something else than before. */
  onDevice(before: DeviceRow | undefined, after: DeviceRow): void {
    for (const [contentId, offices] of this.#offices) {
      const row = this.#sources.progressOf(contentId).get(after.deviceId);
      this.#replace(contentId, offices, [
        before === undefined ? undefined : [before, row],
        [after, row],
      ]);
    }
  }

  /** Takes back what a device added, and adds what it adds now. */
  #replace(
    contentId: ContentId,
    offices: Map<string, Tally>,
    [before, after]: readonly [Added | undefined, Added],
  ): void {
    if (before !== undefined) {
      const [device, row] = before;
      // From a sum that stands still nothing can be taken back: it is made anew.
      if (isFull(offices.get(device.office))) {
        this.forget(contentId);
        return;
      }
      change(offices, device.office, this.device(contentId, device, row), -1);
    }
    const [device, row] = after;
    change(offices, device.office, this.device(contentId, device, row), 1);
  }

  /** What deployments mean for a content has changed; for all of them where none is named. */
  forget(contentId?: ContentId): void {
    if (contentId === undefined) this.#offices.clear();
    else this.#offices.delete(contentId);
  }
}

/** Adds tallies. */
export function addTallies(a: Tally, b: Tally): Tally {
  return summed(a, b, 1);
}

/** A device and what is known of it about a content. */
type Added = readonly [DeviceRow, ProgressRow | undefined];

function isFull(tally: Tally = NO_TALLY): boolean {
  return Object.values(tally).includes(Number.MAX_SAFE_INTEGER);
}

/** Adds to the tally of an office, or takes from it what was added before. */
function change(offices: Map<string, Tally>, office: string, tally: Tally, sign: 1 | -1): void {
  if (tally === NO_TALLY) return;
  offices.set(office, summed(offices.get(office) ?? NO_TALLY, tally, sign));
}

function summed(a: Tally, b: Tally, sign: 1 | -1): Tally {
  // What a device reports may be anything: beyond what is counted exactly a sum stands still.
  const bytes = (x: number, y: number) => Math.max(0, add(x, sign * y));
  return {
    wanted: a.wanted + sign * b.wanted,
    complete: a.complete + sign * b.complete,
    fetching: a.fetching + sign * b.fetching,
    failed: a.failed + sign * b.failed,
    holders: a.holders + sign * b.holders,
    wanInBytes: bytes(a.wanInBytes, b.wanInBytes),
    lanInBytes: bytes(a.lanInBytes, b.lanInBytes),
    wanOutBytes: bytes(a.wanOutBytes, b.wanOutBytes),
    lanOutBytes: bytes(a.lanOutBytes, b.lanOutBytes),
    originInBytes: bytes(a.originInBytes, b.originInBytes),
    cacheInBytes: bytes(a.cacheInBytes, b.cacheInBytes),
    hostedInBytes: bytes(a.hostedInBytes, b.hostedInBytes),
  };
}
