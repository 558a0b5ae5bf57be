import type { ContentId, DeviceId } from "../base/ids.ts";
import type { DeploymentRow, DeviceRow, ProgressRow } from "./state.ts";

/** For how many devices a deployment is, and how many of them have all of it. */
export type Reached = { readonly devices: number; readonly verified: number };

/** What is counted with. */
export type ReachSources = {
  /** The devices whose identity is good. */
  readonly devices: () => Iterable<DeviceRow>;
  readonly deployment: (deploymentId: string) => DeploymentRow | undefined;
  /** Whether a deployment is a rule for a device. */
  readonly isFor: (deploymentId: string, device: DeviceRow) => boolean;
  readonly progressOf: (contentId: ContentId) => ReadonlyMap<DeviceId, ProgressRow>;
};

type Counted = { readonly contentId: ContentId; devices: number; verified: number };

/**
 * How far each deployment has come, without going through all devices each time: counted when it is
 * first asked for, and kept right by each report and each device that changes.
 */
export class Reach {
  readonly #sources: ReachSources;
  readonly #counted = new Map<string, Counted>();

  constructor(sources: ReachSources) {
    this.#sources = sources;
  }

  /** Nothing is reached by a deployment that there is not. */
  of(deploymentId: string): Reached {
    const known = this.#counted.get(deploymentId);
    if (known !== undefined) return known;
    const row = this.#sources.deployment(deploymentId);
    if (row === undefined) return { devices: 0, verified: 0 };
    const counted: Counted = { contentId: row.contentId, devices: 0, verified: 0 };
    for (const device of this.#sources.devices()) this.#count(deploymentId, counted, device, 1);
    this.#counted.set(deploymentId, counted);
    return counted;
  }

  /** A device has reported about a content. */
  onProgress(device: DeviceRow, before: ProgressRow | undefined, after: ProgressRow): void {
    const gained = Number(isComplete(after)) - Number(isComplete(before));
    if (gained === 0 || device.retiredAtMs !== undefined) return;
    for (const [deploymentId, counted] of this.#counted) {
      if (counted.contentId !== after.contentId) continue;
      if (this.#sources.isFor(deploymentId, device)) counted.verified += gained;
    }
  }

  /** A device is new, has moved, or is something else than before. */
  onDevice(before: DeviceRow | undefined, after: DeviceRow): void {
    for (const [deploymentId, counted] of this.#counted) {
      if (before !== undefined) this.#count(deploymentId, counted, before, -1);
      this.#count(deploymentId, counted, after, 1);
    }
  }

  /** Whom a deployment is for has changed; that of all where none is named. */
  forget(deploymentId?: string): void {
    if (deploymentId === undefined) this.#counted.clear();
    else this.#counted.delete(deploymentId);
  }

  #count(deploymentId: string, counted: Counted, device: DeviceRow, sign: 1 | -1): void {
    if (device.retiredAtMs !== undefined || !this.#sources.isFor(deploymentId, device)) return;
    counted.devices += sign;
    const row = this.#sources.progressOf(counted.contentId).get(device.deviceId);
    if (isComplete(row)) counted.verified += sign;
  }
}

function isComplete(row: ProgressRow | undefined): boolean {
  return row?.state === "complete";
}
