import { type DistributionParts, distributionOfContent, isInScope } from "./distribution.ts";
import { holdersByOffice } from "./ledger-view.ts";
import { add, type ContentRow, type Counters, type DeviceRow, NO_BYTES, totalOf } from "./state.ts";

/** Where the bytes of contents came from (row A5), and what they would have cost without peers. */
export type Statistics = Counters & {
  /** How many devices have the whole content, its publisher not counted; of several contents each. */
  readonly holders: number;
  /** What would have crossed lines, had every holder fetched a copy of its own. */
  readonly unicastBytes: number;
  /** What did cross them, with what came from origins. */
  readonly lineBytes: number;
};

/** Statistics of nothing. */
export const NO_STATISTICS: Statistics = {
  ...NO_BYTES,
  holders: 0,
  unicastBytes: 0,
  lineBytes: 0,
};

/** The statistics of a content in an office with those below it, or everywhere. */
export function statisticsOfContent(
  parts: DistributionParts,
  office: string | undefined,
  content: ContentRow,
): Statistics {
  const { roster, rollout } = parts;
  const { contentId, sizeBytes } = content;
  const scope = office === undefined ? {} : { office };
  const {
    wanted: _,
    complete: __,
    fetching: ___,
    failed: ____,
    ...counters
  } = distributionOfContent(parts, scope, content);
  let [holders, copies, lineBytes] = [0, 0, 0];
  for (const [name, count] of rollout.holderCounts.of(contentId)) {
    if (isInScope(parts, office, name)) holders += count;
  }
  // Nothing lies above the Central Office: its devices would have crossed no line.
  const hasLine = (name: string): boolean => roster.offices.get(name)?.parent !== undefined;
  for (const [name, count] of holdersByOffice(parts, contentId)) {
    if (hasLine(name) && isInScope(parts, office, name)) copies += count;
  }
  for (const row of rollout.ledger.rows(contentId)) {
    if (!hasLine(row.office) || !isInScope(parts, office, row.office)) continue;
    lineBytes = add(lineBytes, add(row.wanBytes, row.originBytes));
  }
  return { ...counters, holders, unicastBytes: add(0, copies * sizeBytes), lineBytes };
}

/** The statistics of a content on one device, of which the line is that of its office. */
export function statisticsOfDevice(
  parts: DistributionParts,
  content: ContentRow,
  device: DeviceRow,
): Statistics {
  const { roster, rollout } = parts;
  const { deviceId } = device;
  const row = rollout.progressOf(content.contentId).get(deviceId);
  const counters = row === undefined ? NO_BYTES : totalOf(row);
  const holds = row?.state === "complete" && content.publishedBy !== deviceId;
  const hasLine = roster.offices.get(device.office)?.parent !== undefined;
  return {
    ...counters,
    holders: holds ? 1 : 0,
    unicastBytes: holds && hasLine ? content.sizeBytes : 0,
    lineBytes: hasLine ? add(counters.wanInBytes, counters.originInBytes) : 0,
  };
}

/** Adds statistics. */
export function addStatistics(a: Statistics, b: Statistics): Statistics {
  const sum = { ...a };
  for (const field of FIELDS) sum[field] = add(sum[field], b[field]);
  return sum;
}

const FIELDS = Object.keys(NO_STATISTICS) as readonly (keyof Statistics)[];
