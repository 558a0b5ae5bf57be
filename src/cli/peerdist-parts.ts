import type { DownloadReport } from "../peerdist/branchcache-program.ts";
import type { GetResult } from "../peerdist/get.ts";
import type * as ServerKeyFile from "../peerdist/server-key-file.ts";
import type {
  ContentServerSettings,
  HostedCacheSettings,
  PeerSettings,
} from "../peerdist/settings.ts";
import { createLog } from "./parts.ts";

// What the commands take from the programs of BranchCache, loaded when a command needs it.

/** Serves a folder with content information until the signal aborts. */
export async function runTheContentServer(
  settings: ContentServerSettings,
  signal: AbortSignal,
): Promise<void> {
  const { runContentServer } = await import("../peerdist/content-server.ts");
  await runContentServer(settings, { signal, log: await createLog("info") });
}

/** Runs a hosted cache until the signal aborts. */
export async function runTheHostedCache(
  settings: HostedCacheSettings,
  signal: AbortSignal,
): Promise<void> {
  const { runHostedCache } = await import("../peerdist/hosted-cache-program.ts");
  await runHostedCache(settings, { signal, log: await createLog("info") });
}

/** Serves a cache to the subnet until the signal aborts. */
export async function runThePeer(settings: PeerSettings, signal: AbortSignal): Promise<void> {
  const { runPeer } = await import("../peerdist/branchcache-program.ts");
  await runPeer(settings, { signal, log: await createLog("info") });
}

/** Fetches a file from wherever it is. */
export async function downloadByBranchCache(
  settings: PeerSettings,
  what: { readonly url: URL; readonly file: string; readonly stay: boolean },
  on: { readonly signal: AbortSignal; onGot(result: GetResult): void },
): Promise<DownloadReport> {
  const { download } = await import("../peerdist/branchcache-program.ts");
  return await download(settings, what, on);
}

/** The counts that a program with this data folder wrote last. */
export async function programCounters(folder: string): Promise<Readonly<Record<string, number>>> {
  const { readCounters } = await import("../peerdist/counters.ts");
  return await readCounters(folder);
}

/** The functions for the secret key of a content server. */
export async function serverKeys(): Promise<
  Pick<typeof ServerKeyFile, "exportKey" | "importKey" | "setPassphrase">
> {
  const { exportKey, importKey, setPassphrase } = await import("../peerdist/server-key-file.ts");
  return { exportKey, importKey, setPassphrase };
}
