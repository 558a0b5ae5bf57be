import type { DeviceId } from "../base/ids.ts";
import { GIB } from "../base/units.ts";

/**
 * What of a machine decides how well it serves an office (row B8).
 *
 * Structurally equal to `Facts` of the wire, which this folder may not import.
 */
export type CandidateFacts = {
  readonly freeBytes: number;
  /** What the cache may still take of `freeBytes`. */
  readonly usableBytes: number;
  /** An administrator prefers it. */
  readonly preferred: boolean;
  /** A desktop or a server, not a laptop. */
  readonly desktop: boolean;
  readonly serverOs: boolean;
  readonly uptimeS: number;
};

/** Of a device that has said nothing of itself: it comes after all others. */
export const NO_FACTS: CandidateFacts = {
  freeBytes: 0,
  usableBytes: 0,
  preferred: false,
  desktop: false,
  serverOs: false,
  uptimeS: 0,
};

/** A device that may become rendezvous point of its office. */
export type Candidate = { readonly deviceId: DeviceId; readonly facts: CandidateFacts };

/** The class that the largest disks share: 1 TiB of free space and more. */
export const SPACE_CLASS_MAX = 10;

/** Puts candidates in the order of row B8, the best first; the same order for everyone. */
export function rankCandidates<C extends Candidate>(candidates: readonly C[]): C[] {
  return [...candidates].sort(compareCandidates);
}

/** What decides between two candidates; `deviceId` where they are alike in all that is of use. */
export type Criterion = keyof CandidateFacts | "deviceId";

/**
 * Compares by row B8: free space (as a class), preferred, desktop, server OS, uptime, usable
 * space; then by device id, so that no two devices are equal. Negative where `a` is better.
 */
export function compareCandidates(a: Candidate, b: Candidate): number {
  for (const { compare } of CRITERIA) {
    const order = compare(a, b);
    if (order !== 0) return order;
  }
  return 0;
}

/** The first criterion that tells two candidates apart; `undefined` for one and the same. */
export function decidingCriterion(a: Candidate, b: Candidate): Criterion | undefined {
  return CRITERIA.find(({ compare }) => compare(a, b) !== 0)?.criterion;
}

/** The criteria, the first to decide first; each negative where `a` is better. */
const CRITERIA: readonly {
  readonly criterion: Criterion;
  readonly compare: (a: Candidate, b: Candidate) => number;
}[] = [
  {
    criterion: "freeBytes",
    compare: (a, b) => spaceClass(b.facts.freeBytes) - spaceClass(a.facts.freeBytes),
  },
  {
    criterion: "preferred",
    compare: (a, b) => Number(b.facts.preferred) - Number(a.facts.preferred),
  },
  { criterion: "desktop", compare: (a, b) => Number(b.facts.desktop) - Number(a.facts.desktop) },
  {
    criterion: "serverOs",
    compare: (a, b) => Number(b.facts.serverOs) - Number(a.facts.serverOs),
  },
  { criterion: "uptimeS", compare: (a, b) => b.facts.uptimeS - a.facts.uptimeS },
  { criterion: "usableBytes", compare: (a, b) => b.facts.usableBytes - a.facts.usableBytes },
  { criterion: "deviceId", compare: (a, b) => compareText(a.deviceId, b.deviceId) },
];

/**
 * The class of an amount of free space: floor(log2(GiB)), 0 below 1 GiB, at most
 * {@link SPACE_CLASS_MAX}. By raw bytes the first criterion would always decide, and the download
 * itself would change the winner.
 */
export function spaceClass(freeBytes: number): number {
  let spaceClass = 0;
  for (let bytes = 2 * GIB; bytes <= freeBytes && spaceClass < SPACE_CLASS_MAX; bytes *= 2) {
    spaceClass += 1;
  }
  return spaceClass;
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
