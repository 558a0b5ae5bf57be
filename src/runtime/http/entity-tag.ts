import { hash } from "node:crypto";
import { RequestRefused } from "./problem.ts";

/** The entity tag (RFC 9110) of what an operation answers: the same for the same answer. */
export function entityTag(value: unknown): string {
  return tagOfText(JSON.stringify(value));
}

/**
 * The entity tag of an answer that has been written already.
 *
 * @param revision - Of what is shown, where it has one: of a thing that shows how far it is, the tag
 * changes all the time, and the revision when somebody has changed the thing.
 */
export function tagOfText(text: string, revision?: number): string {
  const digest = hash("sha256", text, "base64url").slice(0, 22);
  return revision === undefined ? `"${digest}"` : `"${revision}.${digest}"`;
}

/** Whether a header, `If-Match` or `If-None-Match`, names a tag. */
export function namesTag(header: string, tag: string): boolean {
  if (header.trim() === "*") return true;
  return header.split(",").some((one) => one.trim().replace(/^W\//, "") === tag);
}

/**
 * Refuses a change of something that is not any more what the caller saw.
 *
 * It must be called in the same turn of the event loop as the change.
 *
 * @param current - What GET of the same path answers now.
 * @throws RequestRefused `changed-meanwhile`.
 */
export function requireMatch(ifMatch: string | undefined, current: () => unknown): void {
  if (ifMatch === undefined || namesTag(ifMatch, entityTag(current()))) return;
  throw changedMeanwhile();
}

/**
 * The same for something that has revisions: tags count by their revision alone, so that what goes on
 * by itself is no change. `"7"` is a tag of revision 7 too.
 */
export function requireRevision(ifMatch: string | undefined, revision: number): void {
  const isIt = (tag: string): boolean => /^(?:W\/)?"(\d+)[."]/.exec(tag)?.[1] === String(revision);
  const tags = ifMatch?.split(",").map((tag) => tag.trim()) ?? ["*"];
  if (tags.includes("*") || tags.some(isIt)) return;
  throw changedMeanwhile();
}

function changedMeanwhile(): RequestRefused {
  const detail = "It has been changed since you read it: read it again, and decide anew.";
  return new RequestRefused(412, "changed-meanwhile", detail);
}
