import type { DeviceId } from "../base/ids.ts";
import type { OfficeType } from "../topology/office.ts";
import type { ContentState } from "../wire/messages.ts";
import type { Parts } from "./commands.ts";
import {
  add,
  type ContentRow,
  type Counters,
  type DeploymentRow,
  type DeviceRow,
  type ProgressRow,
  totalOf,
} from "./state.ts";

/** A device as an operator sees it. */
export type DeviceStanding = DeviceRow & { readonly present: boolean };

/** A deployment in a list. */
export type DeploymentSummary = DeploymentRow & {
  readonly content: ContentRow;
  readonly devices: number;
  readonly verified: number;
};

/** Where one device stands with a deployment. */
export type DeviceProgress = Counters & {
  readonly deviceId: DeviceId;
  readonly hostName: string;
  readonly office: string;
  readonly present: boolean;
  readonly state: ContentState;
  readonly pieces: number;
  readonly piecesHeld: number;
  readonly heldBytes: number;
  readonly rvp: boolean;
  readonly problem: string;
};

/** Where one office stands with a deployment. */
export type OfficeProgress = {
  readonly office: string;
  readonly type: OfficeType;
  readonly parent?: string;
  /** Host name of the device that fetches for the office; empty where none does. */
  readonly rvp: string;
  readonly wanBytes: number;
  readonly lanBytes: number;
  /** `wanBytes` over the size of the content (row D3). */
  readonly copies: number;
  /** How many of its devices the deployment is for. */
  readonly devices: number;
  readonly verified: number;
};

/** A deployment with everything that is known of it. */
export type DeploymentStanding = DeploymentRow & {
  readonly content: ContentRow;
  readonly devices: readonly DeviceProgress[];
  readonly offices: readonly OfficeProgress[];
};

/** All deployments, the newest first. */
export function summarise({ publications, rollout }: Parts): readonly DeploymentSummary[] {
  return rollout
    .deployments()
    .flatMap((row) => {
      const content = publications.content(row.contentId);
      if (content === undefined) return [];
      const progress = rollout.progressOf(row.contentId);
      const targets = rollout.targetsOf(row.deploymentId);
      const verified = targets.filter(({ deviceId }) => isComplete(progress.get(deviceId)));
      return [{ ...row, content, devices: targets.length, verified: verified.length }];
    })
    .reverse();
}

/** Everything that is known of one deployment; `undefined` where there is none of this id. */
export function standingOf(parts: Parts, deploymentId: string): DeploymentStanding | undefined {
  const { publications, rollout, roster } = parts;
  const row = rollout.deployment(deploymentId);
  const content = row === undefined ? undefined : publications.content(row.contentId);
  if (row === undefined || content === undefined) return undefined;
  const progress = rollout.progressOf(row.contentId);
  const devices = rollout
    .targetsOf(deploymentId)
    .map((device) => deviceProgress(parts, device, progress.get(device.deviceId), content));
  // The ledger counts every byte: also those of devices that the deployment is not for.
  const targets = new Set(devices.map(({ deviceId }) => deviceId));
  const others = roster
    .devices()
    .filter(({ deviceId }) => progress.has(deviceId) && !targets.has(deviceId))
    .map((device) => deviceProgress(parts, device, progress.get(device.deviceId), content));
  return { ...row, content, devices, offices: officesOf(parts, content, devices, others) };
}

function isComplete(progress: ProgressRow | undefined): boolean {
  return progress?.state === "complete";
}

function deviceProgress(
  { roster }: Parts,
  device: DeviceRow,
  progress: ProgressRow | undefined,
  content: ContentRow,
): DeviceProgress {
  const { deviceId, hostName, office } = device;
  const counters = progress === undefined ? NO_BYTES : totalOf(progress);
  return {
    deviceId,
    hostName,
    office,
    present: roster.isPresent(deviceId),
    state: progress?.state ?? "waiting",
    pieces: content.pieces,
    piecesHeld: Math.min(progress?.piecesHeld ?? 0, content.pieces),
    heldBytes: Math.min(progress?.heldBytes ?? 0, content.sizeBytes),
    ...counters,
    rvp: progress?.rvp ?? false,
    problem: progress?.problem ?? "",
  };
}

const NO_BYTES: Counters = { wanInBytes: 0, lanInBytes: 0, wanOutBytes: 0, lanOutBytes: 0 };

/** Offices that the deployment is for, or that have moved bytes for it, in topology order. */
function officesOf(
  { roster }: Parts,
  content: ContentRow,
  targets: readonly DeviceProgress[],
  others: readonly DeviceProgress[],
): readonly OfficeProgress[] {
  const names = new Set(roster.offices.specs().map(({ name }) => name));
  for (const { office } of [...targets, ...others]) names.add(office);
  return [...names].flatMap((name) => {
    const mine = targets.filter(({ office }) => office === name);
    const all = [...mine, ...others.filter(({ office }) => office === name)];
    const office = roster.offices.get(name);
    if (all.length === 0) return [];
    const wanBytes = all.reduce((sum, { wanInBytes }) => add(sum, wanInBytes), 0);
    return [
      {
        office: name,
        type: office?.type ?? "default",
        ...(office?.parent === undefined ? {} : { parent: office.parent }),
        rvp: rvpOf(all),
        wanBytes,
        lanBytes: all.reduce((sum, { lanInBytes }) => add(sum, lanInBytes), 0),
        copies: content.sizeBytes === 0 ? 0 : wanBytes / content.sizeBytes,
        devices: mine.length,
        verified: mine.filter(({ state }) => state === "complete").length,
      },
    ];
  });
}

/** One that is present, where several say that they fetch for the office. */
function rvpOf(devices: readonly DeviceProgress[]): string {
  const claimants = devices.filter(({ rvp }) => rvp);
  return (claimants.find(({ present }) => present) ?? claimants[0])?.hostName ?? "";
}
