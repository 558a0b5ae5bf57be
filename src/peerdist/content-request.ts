import type { IncomingMessage } from "node:http";
import type { ByteRange } from "../branchcache/content-information.ts";
import { type Negotiated, negotiate } from "../branchcache/http-negotiation.ts";

/** Reads the path of a request; `undefined` where it leads nowhere below `prefix`. */
export function readPath(target: string, prefix: string): readonly string[] | undefined {
  const [path = ""] = target.split("?", 1);
  if (!path.startsWith(prefix)) return undefined;
  try {
    const parts = path.slice(prefix.length).split("/").map(decodeURIComponent);
    const isSound = parts.every(
      (part) => part !== "" && part !== "." && part !== ".." && !/[/\\\0]/.test(part),
    );
    return isSound ? parts : undefined;
  } catch {
    // A percent sign without its digits.
    return undefined;
  }
}

/** What the headers of a request say about content information. */
export function negotiated(request: IncomingMessage): Negotiated {
  const { headers } = request;
  return negotiate({
    acceptEncoding: textOf(headers["accept-encoding"]),
    peerDist: textOf(headers["x-p2p-peerdist"]),
    peerDistEx: textOf(headers["x-p2p-peerdistex"]),
  });
}

/** The part that a request asks for (RFC 9110, 14.2). */
export type AskedRange = ByteRange | "whole" | "unsatisfiable";

/**
 * Reads `Range` and `If-Range`. Several ranges are answered with the whole file, as is allowed.
 *
 * @param etag - Of the file as it is.
 */
export function askedRange(request: IncomingMessage, sizeBytes: number, etag: string): AskedRange {
  const { range, "if-range": condition } = request.headers;
  if (range === undefined || (condition !== undefined && condition !== etag)) return "whole";
  const [, first, last] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(range.trim()) ?? [];
  if (first === undefined || last === undefined || (first === "" && last === "")) return "whole";
  if (first === "") {
    const length = Math.min(Number(last), sizeBytes);
    return length === 0 ? "unsatisfiable" : { startBytes: sizeBytes - length, endBytes: sizeBytes };
  }
  const startBytes = Number(first);
  const endBytes = last === "" ? sizeBytes : Math.min(sizeBytes, Number(last) + 1);
  if (last !== "" && Number(last) < startBytes) return "whole";
  return startBytes < sizeBytes ? { startBytes, endBytes } : "unsatisfiable";
}

function textOf(value: string | readonly string[] | undefined): string | undefined {
  return value === undefined || typeof value === "string" ? value : value.join(",");
}
