import type { PieceSource } from "../wire/messages.ts";

/** Over what pieces came from a source; `none` where nothing was sent, or nobody knows. */
export type SourceProtocol = "foreground" | "background" | "https" | "http" | "file" | "none";

/** Over what pieces come from a source: a device's protocol follows from whose office it is in. */
export function protocolOf({ kind, location = "" }: PieceSource): SourceProtocol {
  switch (kind) {
    case "office-device":
      return "foreground";
    case "far-device":
      return "background";
    case "origin":
      if (/^https:/i.test(location)) return "https";
      return /^http:/i.test(location) ? "http" : "file";
    case "own-cache":
    case "unknown":
      return "none";
  }
}
