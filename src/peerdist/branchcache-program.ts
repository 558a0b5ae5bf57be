import type { Segment } from "../branchcache/content-information.ts";
import { BlockStore } from "./block-store.ts";
import { untilAborted } from "./content-server.ts";
import { Counters } from "./counters.ts";
import { type GetResult, getFile } from "./get.ts";
import type { EventLog } from "./log.ts";
import { offerSegments } from "./offering.ts";
import { PeerServing } from "./peer-program.ts";
import type { PeerSettings } from "./settings.ts";
import { storeLimits } from "./store-limits.ts";

/** What a peer counts, under the names that Windows has for it. */
export const PEER_COUNTERS = [
  "Retrieval: Bytes from cache",
  "Retrieval: Bytes from server",
  "Retrieval: Bytes served",
  "Discovery: Probes answered",
] as const;

type PeerCounters = Counters<(typeof PEER_COUNTERS)[number]>;

/** Serves a cache to the subnet until the signal aborts. */
export async function runPeer(
  settings: PeerSettings,
  { signal, log }: { readonly signal: AbortSignal; readonly log: EventLog },
): Promise<void> {
  const store = new BlockStore(settings.data, storeLimits(settings.data, settings.cache));
  const counters: PeerCounters = new Counters(settings.data, PEER_COUNTERS);
  try {
    const serving = await PeerServing.start(store, settings, toldTo(counters));
    log.info({ port: settings.network.port, segments: store.segments }, "peer-listening");
    const tidying = setInterval(() => store.tidy(), TIDY_MS);
    await untilAborted(signal);
    clearInterval(tidying);
    await serving.stop();
  } finally {
    await counters.close();
    store.close();
  }
}

/** What a download did, and what became of its offer to the hosted cache. */
export type DownloadReport = GetResult & {
  readonly offeredSegments: number;
  /** Of these bytes the hosted cache, or peers, fetched while we were there. */
  readonly servedBytes: number;
};

/**
 * Fetches a file, and offers what is new to the hosted cache, if there is one.
 *
 * @param onGot - Told once the file is there and, where there is reason to, others are served.
 * @param stay - Serve on until the signal aborts. Otherwise until the hosted cache, to which
 * something was offered, has been silent for some seconds.
 */
export async function download(
  settings: PeerSettings,
  what: { readonly url: URL; readonly file: string; readonly stay: boolean },
  { signal, onGot }: { readonly signal: AbortSignal; onGot(result: GetResult): void },
): Promise<DownloadReport> {
  const store = new BlockStore(settings.data, storeLimits(settings.data, settings.cache));
  const counters: PeerCounters = new Counters(settings.data, PEER_COUNTERS);
  const { discovery, network, hosted } = settings;
  const hostedPlace =
    hosted.host === undefined ? undefined : { host: hosted.host, port: hosted.port };
  try {
    const asked = discovery.enabled
      ? { discovery: { port: discovery.port, address: network.address } }
      : {};
    const got = await getFile(
      { ...what, ...asked, store, hosted: hostedPlace, localAddress: network.address },
      signal,
    );
    const { own, peer, hosted: fromHosted, server } = got.result.bytes;
    counters.add("Retrieval: Bytes from cache", own + peer + fromHosted);
    counters.add("Retrieval: Bytes from server", server);
    const offeredSegments = await serveOn(settings, { store, counters, ...what }, got.toOffer, {
      signal,
      hosted: hostedPlace,
      onServing: () => onGot(got.result),
    });
    return {
      ...got.result,
      offeredSegments,
      servedBytes: counters.all["Retrieval: Bytes served"],
    };
  } finally {
    await counters.close();
    store.close();
  }
}

async function serveOn(
  settings: PeerSettings,
  what: { readonly store: BlockStore; readonly counters: PeerCounters; readonly stay: boolean },
  toOffer: readonly Segment[],
  {
    signal,
    hosted,
    onServing,
  }: {
    readonly signal: AbortSignal;
    readonly hosted: { readonly host: string; readonly port: number } | undefined;
    onServing(): void;
  },
): Promise<number> {
  const { store, counters, stay } = what;
  const offers = hosted === undefined ? [] : toOffer;
  if (offers.length === 0 && !stay) return 0;
  const serving = await PeerServing.start(store, settings, toldTo(counters));
  try {
    onServing();
    const offered =
      hosted === undefined || offers.length === 0
        ? 0
        : await offerSegments(hosted, offers, settings.network);
    if (stay) await untilAborted(signal);
    else if (offered > 0) await untilSilent(counters, signal);
    return offered;
  } finally {
    await serving.stop();
  }
}

const TIDY_MS = 60_000;

/** How long a hosted cache may be silent before it has all it wants, in milliseconds. */
const SILENT_MS = 2_000;

async function untilSilent(counters: PeerCounters, signal: AbortSignal): Promise<void> {
  for (let before = -1; !signal.aborted; ) {
    const served = counters.all["Retrieval: Bytes served"];
    if (served === before) return;
    before = served;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, SILENT_MS);
      signal.addEventListener("abort", () => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}

function toldTo(counters: PeerCounters) {
  return {
    onServed: (bytes: number) => counters.add("Retrieval: Bytes served", bytes),
    onAnswered: () => counters.add("Discovery: Probes answered", 1),
  };
}
