import type { Logger } from "pino";
import type { PeerEvent } from "../peer/contract.ts";

/** How loud each event is: WARN may wake someone. */
const LEVELS: Readonly<Record<PeerEvent["kind"], "debug" | "info" | "warn">> = {
  "server-connected": "info",
  "server-lost": "warn",
  "peer-connected": "debug",
  "peer-lost": "info",
  "peer-refused": "info",
  "peer-misbehaved": "warn",
  "device-discovered": "debug",
  "office-assigned": "info",
  "rvp-changed": "info",
  "content-started": "info",
  "content-finished": "info",
  "content-failed": "warn",
  "piece-mismatched": "warn",
  "certificate-issued": "info",
  "content-published": "info",
  "publication-refused": "warn",
  "identity-cloned": "warn",
  "identity-issued": "info",
  "source-shunned": "warn",
  "content-evicted": "info",
  "profile-taken": "info",
};

/** Writes what happened to the log: the event's name and its fields. */
export function logEvent(log: Logger, event: PeerEvent): void {
  const { kind, ...fields } = event;
  // A certificate is no secret, and nothing that a person would read.
  const silent = kind === "certificate-issued" || kind === "identity-issued";
  log[LEVELS[kind]](silent ? {} : fields, kind);
}
