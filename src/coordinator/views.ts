import { PRODUCT_VERSION } from "../base/constants.ts";
import type { DeviceId } from "../base/ids.ts";
import type { OfficeType } from "../topology/office.ts";
import type { ContentState } from "../wire/messages.ts";
import type { Parts } from "./commands.ts";
import type { Standing } from "./deployments.ts";
import {
  type ContentRow,
  type Counters,
  type DeploymentRow,
  type DeviceRow,
  type LedgerRow,
  NO_BYTES,
  type ProgressRow,
  totalOf,
} from "./state.ts";
import { judgeVersion, type VersionVerdict } from "./version-window.ts";

/** A device as an operator sees it. */
export type DeviceStanding = DeviceRow & {
  readonly present: boolean;
  /** How its version stands to the server's; `unknown` until it has said it. */
  readonly version: VersionVerdict | "unknown";
};

/** A deployment in a list. */
export type DeploymentSummary = DeploymentRow & {
  readonly content: ContentRow;
  readonly devices: number;
  readonly verified: number;
  /** Since when transfers into it have waited because others use its line; absent where not. */
  readonly lineBusySinceMs?: number;
};

/** Where one device stands with a deployment. */
export type DeviceProgress = Counters & {
  readonly deviceId: DeviceId;
  readonly hostName: string;
  readonly office: string;
  readonly present: boolean;
  readonly state: ContentState;
  /** Whether it may be fetched now, and why not. */
  readonly standing: Standing;
  readonly pieces: number;
  readonly piecesHeld: number;
  readonly heldBytes: number;
  readonly rvp: boolean;
  readonly problem: string;
  /** Since when its pieces have been held back because others use the line; absent where not. */
  readonly lineBusySinceMs?: number;
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
  readonly originBytes: number;
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

/** A device as an operator sees it. */
export function deviceStanding({ roster }: Parts, device: DeviceRow): DeviceStanding {
  const present = roster.isPresent(device.deviceId);
  return { ...device, present, version: versionOf(device.productVersion) };
}

/** A deployment in a list; `undefined` where its content is unknown. */
export function summaryOf(
  { publications, rollout }: Parts,
  row: DeploymentRow,
): DeploymentSummary | undefined {
  const content = publications.content(row.contentId);
  if (content === undefined) return undefined;
  const { devices, verified } = rollout.reach.of(row.deploymentId);
  return { ...row, content, devices, verified };
}

/** Everything that is known of one deployment; `undefined` where there is none of this id. */
export function standingOf(
  parts: Parts,
  deploymentId: string,
  wallMs: number,
): DeploymentStanding | undefined {
  const { publications, rollout, roster, deployments } = parts;
  const row = deployments.get(deploymentId);
  const content = row === undefined ? undefined : publications.content(row.contentId);
  if (row === undefined || content === undefined) return undefined;
  const progress = rollout.progressOf(row.contentId);
  const progressOf = (device: DeviceRow): DeviceProgress => ({
    ...deviceProgress(parts, device, progress.get(device.deviceId), content),
    standing: deployments.standing(deploymentId, device, wallMs),
  });
  const devices = rollout.targetsOf(deploymentId).map(progressOf);
  // The ledger counts every byte: also those of devices that the deployment is not for.
  const targets = new Set(devices.map(({ deviceId }) => deviceId));
  const others = roster
    .devices()
    .filter(({ deviceId }) => progress.has(deviceId) && !targets.has(deviceId))
    .map(progressOf);
  return { ...row, content, devices, offices: officesOf(parts, content, devices, others) };
}

/** How a version stands to the server's own. */
function versionOf(productVersion: string): DeviceStanding["version"] {
  return productVersion === "" ? "unknown" : judgeVersion(PRODUCT_VERSION, productVersion);
}

function deviceProgress(
  { roster }: Parts,
  device: DeviceRow,
  progress: ProgressRow | undefined,
  content: ContentRow,
): Omit<DeviceProgress, "standing"> {
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
    ...lineBusy(progress),
  };
}

/** Offices that the deployment is for, or that have moved bytes for it, in topology order. */
function officesOf(
  { roster, rollout }: Parts,
  content: ContentRow,
  targets: readonly DeviceProgress[],
  others: readonly DeviceProgress[],
): readonly OfficeProgress[] {
  const names = new Set(roster.offices.specs().map(({ name }) => name));
  const charged = new Map<string, LedgerRow>();
  for (const row of rollout.ledger.rows(content.contentId)) charged.set(row.office, row);
  for (const { office } of [...targets, ...others]) names.add(office);
  for (const name of charged.keys()) names.add(name);
  return [...names].flatMap((name) => {
    const mine = targets.filter(({ office }) => office === name);
    const all = [...mine, ...others.filter(({ office }) => office === name)];
    const office = roster.offices.get(name);
    const row = charged.get(name);
    if (all.length === 0 && row === undefined) return [];
    const wanBytes = row?.wanBytes ?? 0;
    return [
      {
        office: name,
        type: office?.type ?? "default",
        ...(office?.parent === undefined ? {} : { parent: office.parent }),
        rvp: rvpOf(all),
        wanBytes,
        lanBytes: row?.lanBytes ?? 0,
        originBytes: row?.originBytes ?? 0,
        copies: content.sizeBytes === 0 ? 0 : wanBytes / content.sizeBytes,
        devices: mine.length,
        verified: mine.filter(({ state }) => state === "complete").length,
        ...lineBusy(all.find(({ rvp, present }) => rvp && present)),
      },
    ];
  });
}

/** Since when a device waits for its line, where it does. */
export function lineBusy(device: { readonly lineBusySinceMs?: number } | undefined): {
  readonly lineBusySinceMs?: number;
} {
  const lineBusySinceMs = device?.lineBusySinceMs;
  return lineBusySinceMs === undefined ? {} : { lineBusySinceMs };
}

/** One that is present, where several say that they fetch for the office. */
function rvpOf(devices: readonly DeviceProgress[]): string {
  const claimants = devices.filter(({ rvp }) => rvp);
  return (claimants.find(({ present }) => present) ?? claimants[0])?.hostName ?? "";
}
