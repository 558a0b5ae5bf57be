import { type ContentEntry, isToFetch } from "./content-entry.ts";
import { type Core, PENDING_BYTES_MAX, UNHEARD_US } from "./core.ts";
import type { Link, Pending } from "./link.ts";
import { classOf } from "./permits.ts";

// Within a class of urgency what is first in order is asked for first, and that is all. Between
// classes the more urgent goes before what has been asked for already.

/**
 * Whether a request stands in the way of something more urgent: another device is sending that over
 * the same line, or the same peer has been asked for it later, or could be asked if there were room.
 * Peers answer in the order in which they are asked.
 */
export function isInTheWay(core: Core, nowUs: number, link: Link, pending: Pending): boolean {
  const entry = core.contents.get(pending.contentId);
  if (entry === undefined || pending.target !== "piece") return false;
  const acrossLine = !core.view.sameOffice(link.deviceId);
  if (acrossLine && waitsForUrgent(core, nowUs, link, entry)) return true;
  return keepsWaiting(core, link, { entry, requestId: pending.requestId });
}

function keepsWaiting(
  core: Core,
  link: Link,
  { entry, requestId }: { readonly entry: ContentEntry; readonly requestId: number },
): boolean {
  let isBehind = false;
  for (const pending of link.pending.values()) {
    if (isBehind && isMoreUrgent(core.contents.get(pending.contentId), entry)) return true;
    isBehind ||= pending.requestId === requestId;
  }
  if (link.pendingBytes < PENDING_BYTES_MAX) return false;
  for (const other of core.contents.values()) {
    if (!isMoreUrgent(other, entry) || !core.sources.mayAsk(link, other)) continue;
    if (offersUnasked(link, other)) return true;
  }
  return false;
}

/**
 * Whether a content leaves the line to a more urgent one that another device is sending over it. Where
 * that brings nothing the line is idle, and what is less urgent has it.
 */
export function waitsForUrgent(
  core: Core,
  nowUs: number,
  link: Link,
  entry: ContentEntry,
): boolean {
  if (!core.prioritiesDiffer) return false;
  for (const other of core.links.values()) {
    const brings = other !== link && nowUs - other.progressAtUs < UNHEARD_US;
    if (!brings || core.view.sameOffice(other.deviceId)) continue;
    if (owesMoreUrgent(core, other, entry)) return true;
  }
  return false;
}

function owesMoreUrgent(core: Core, link: Link, entry: ContentEntry): boolean {
  for (const { contentId } of link.pending.values()) {
    if (isMoreUrgent(core.contents.get(contentId), entry)) return true;
  }
  return false;
}

function isMoreUrgent(one: ContentEntry | undefined, other: ContentEntry): boolean {
  return one !== undefined && isToFetch(one) && classOf(one.priority) < classOf(other.priority);
}

function offersUnasked(link: Link, { contentId, known }: ContentEntry): boolean {
  const offered = link.asked.get(contentId)?.offered;
  if (known === undefined || offered === undefined) return false;
  for (let piece = 0; piece < offered.size; piece += 1) {
    if (offered.has(piece) && known.picker.isMissing(piece)) return true;
  }
  return false;
}
