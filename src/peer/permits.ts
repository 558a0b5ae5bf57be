import type { ContentId } from "../base/ids.ts";
import { type DeploymentEntry, PRIORITY_STEP } from "../wire/messages.ts";

/** Why nothing of a content is fetched now that is to be had: an operator, or the hour. */
export type Hold = "none" | "paused" | "closed";

/** What all deployments of a content together say to this device now. */
export type Permit = {
  readonly priority: number;
  readonly hold: Hold;
  readonly attempt: number;
  readonly runAction: boolean;
};

/**
 * What a device may fetch at a time. Of several deployments of one content those that let it be
 * fetched count before those that do not, and of these the more urgent.
 *
 * @param wallMs - The server's wall clock; `undefined`: unknown, and every window is closed.
 */
export function permitsOf(
  entries: readonly DeploymentEntry[],
  wallMs: number | undefined,
): ReadonlyMap<ContentId, Permit> {
  const permits = new Map<ContentId, Permit>();
  for (const entry of entries) {
    const { contentId, priority, attempt = 0, runAction = false } = entry;
    const one = { priority, hold: holdOf(entry, wallMs), attempt, runAction };
    const known = permits.get(contentId);
    permits.set(contentId, known === undefined ? one : merged(known, one));
  }
  return permits;
}

/** When something opens or closes next; never, where nothing does. */
export function nextChangeMs(entries: readonly DeploymentEntry[], wallMs: number): number {
  let nextMs = Number.POSITIVE_INFINITY;
  for (const { open = [] } of entries) {
    for (const { fromMs, toMs } of open) {
      if (fromMs > wallMs) nextMs = Math.min(nextMs, fromMs);
      if (toMs > wallMs) nextMs = Math.min(nextMs, toMs);
    }
  }
  return nextMs;
}

/** How urgent a priority is, whatever its place among equals. */
export function classOf(priority: number): number {
  return Math.floor(priority / PRIORITY_STEP);
}

function holdOf({ paused, open }: DeploymentEntry, wallMs: number | undefined): Hold {
  if (paused === true) return "paused";
  if (open === undefined) return "none";
  const isOpen = open.some(
    ({ fromMs, toMs }) => wallMs !== undefined && fromMs <= wallMs && wallMs < toMs,
  );
  return isOpen ? "none" : "closed";
}

function merged(one: Permit, other: Permit): Permit {
  const rank = ({ hold }: Permit): number => (hold === "none" ? 0 : 1);
  const second = rank(other) - rank(one) || other.priority - one.priority;
  const { priority, hold } = second < 0 ? other : one;
  return {
    priority,
    hold,
    attempt: Math.max(one.attempt, other.attempt),
    runAction: one.runAction || other.runAction,
  };
}
