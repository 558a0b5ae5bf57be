import { hash } from "node:crypto";
import { RequestRefused } from "./problem.ts";

/** The entity tag (RFC 9110) of what an operation answers: the same for the same answer. */
export function entityTag(value: unknown): string {
  return tagOfText(JSON.stringify(value));
}

/** The entity tag of an answer that has been written already. */
export function tagOfText(text: string): string {
  return `"${hash("sha256", text, "base64url").slice(0, 22)}"`;
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
  const detail = "It has been changed since you read it: read it again, and decide anew.";
  throw new RequestRefused(412, "changed-meanwhile", detail);
}
