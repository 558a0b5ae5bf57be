import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { blockLength } from "../branchcache/content-information.ts";
import { HostedCache } from "../branchcache/hosted-cache.ts";
import {
  HOSTED_CACHE_PATH_V1,
  HOSTED_CACHE_PATH_V2,
  OFFER_BYTES_MAX,
} from "../branchcache/hosted-cache-message.ts";
import {
  HOSTED_CACHE_LIMITS,
  type HostedCacheInput,
  type HostedCacheOutput,
} from "../branchcache/hosted-cache-types.ts";
import { Driver } from "../runtime/driver.ts";
import { BlockService } from "./block-service.ts";
import { BlockStore } from "./block-store.ts";
import { untilAborted } from "./content-server.ts";
import { Counters } from "./counters.ts";
import { answerNothing, Exchanges, isPostTo, readBody } from "./exchanges.ts";
import { closeHttp, listenHttp } from "./listening.ts";
import type { EventLog } from "./log.ts";
import { branchCacheCrypto } from "./node-crypto.ts";
import { Posting } from "./posting.ts";
import type { HostedCacheSettings } from "./settings.ts";
import { storeLimits } from "./store-limits.ts";
import { readTls } from "./tls-files.ts";

/** What a hosted cache counts: the first three under the names that Windows has for them. */
export const HOSTED_CACHE_COUNTERS = [
  "Retrieval: Bytes served",
  "Retrieval: Bytes from server",
  "Hosted Cache: Segment offers queue size",
  "Offers",
  "Blocks taken",
] as const;

/** How many clients may be served at a time (MS-PCCRR 3.2.1). */
const EXCHANGES_MAX = 1_024;

/** Runs a hosted cache until the signal aborts. */
export async function runHostedCache(
  settings: HostedCacheSettings,
  { signal, log }: { readonly signal: AbortSignal; readonly log: EventLog },
): Promise<void> {
  const tls = await readTls(settings.tls);
  const store = new BlockStore(settings.data, storeLimits(settings.data, settings.cache));
  const counters = new Counters(settings.data, HOSTED_CACHE_COUNTERS);
  const blocks = new BlockService(store, {
    exchangesMax: EXCHANGES_MAX,
    onServed: (bytes) => counters.add("Retrieval: Bytes served", bytes),
  });
  const offers = new Offers(store, counters);
  const { address, port, tlsPort } = settings.network;
  const server = createServer((request, response) => {
    const isTaken = blocks.handle(request, response) || offers.handle(request, response, 2);
    if (!isTaken) answerNothing(response, 404);
  });
  // Clients keep connections for the next block; Windows closes them itself.
  server.keepAliveTimeout = 30_000;
  await listenHttp(server, { address, port, setting: "network.port" });
  const tlsServer =
    tls === undefined
      ? undefined
      : createTlsServer(tls, (request, response) => {
          if (!offers.handle(request, response, 1)) answerNothing(response, 404);
        });
  if (tlsServer !== undefined) {
    await listenHttp(tlsServer, { address, port: tlsPort, setting: "network.tls_port" });
  }
  log.info({ address, port, segments: store.segments }, "hosted-cache-listening");
  const tidying = setInterval(() => store.tidy(), TIDY_MS);
  await untilAborted(signal);
  clearInterval(tidying);
  offers.stop();
  blocks.stop();
  await closeHttp(server);
  if (tlsServer !== undefined) await closeHttp(tlsServer);
  await counters.close();
  store.close();
}

/** How often what has become too old is let go of, in milliseconds. */
const TIDY_MS = 60_000;

/** Takes offers over HTTP and fetches what was offered: the machine with its sockets. */
class Offers {
  readonly #store: BlockStore;
  readonly #counters: Counters<(typeof HOSTED_CACHE_COUNTERS)[number]>;
  readonly #machine: HostedCache;
  readonly #exchanges = new Exchanges();
  readonly #posting = new Posting();
  readonly #outbox: HostedCacheOutput[] = [];
  readonly #driver: Driver<HostedCacheInput, HostedCacheOutput[]>;
  #waiting = 0;

  constructor(store: BlockStore, counters: Counters<(typeof HOSTED_CACHE_COUNTERS)[number]>) {
    this.#store = store;
    this.#counters = counters;
    this.#machine = new HostedCache(branchCacheCrypto, store, HOSTED_CACHE_LIMITS);
    const time = { timer: { kind: "timer" } as const };
    this.#driver = new Driver(this.#machine, this.#outbox, time, () => this.#drain());
    this.#driver.start();
  }

  handle(request: IncomingMessage, response: ServerResponse, version: 1 | 2): boolean {
    const path = version === 1 ? HOSTED_CACHE_PATH_V1 : HOSTED_CACHE_PATH_V2;
    if (!isPostTo(request, path)) return false;
    void this.#take(request, response, version);
    return true;
  }

  stop(): void {
    this.#driver.stop();
    this.#posting.close();
  }

  async #take(request: IncomingMessage, response: ServerResponse, version: 1 | 2): Promise<void> {
    const host = request.socket.remoteAddress;
    const bytes = await readBody(request, OFFER_BYTES_MAX);
    if (bytes === undefined || host === undefined) {
      answerNothing(response, 400);
      return;
    }
    const exchange = this.#exchanges.begin(response, () => {});
    this.#counters.add("Offers", 1);
    // A socket for both families shows IPv4 in a form of IPv6.
    const plain = host.replace(/^::ffff:(?=[0-9.]+$)/, "");
    this.#driver.input({ kind: "offer", exchange, version, bytes, host: plain });
  }

  #drain(): void {
    for (const output of this.#outbox.splice(0)) this.#apply(output);
    const { waiting } = this.#machine;
    this.#counters.add("Hosted Cache: Segment offers queue size", waiting - this.#waiting);
    this.#waiting = waiting;
  }

  #apply(output: HostedCacheOutput): void {
    switch (output.kind) {
      case "respond":
        this.#exchanges.respond(output.exchange, output.bytes);
        break;
      case "refuse":
        this.#exchanges.refuse(output.exchange);
        break;
      case "post":
        this.#posting.post(output.request, output, (bytes) => {
          const answer = bytes === undefined ? {} : { bytes };
          this.#driver.input({ kind: "answer", request: output.request, ...answer });
        });
        break;
      case "abandon":
        this.#posting.abandon(output.request);
        break;
      default:
        this.#keep(output);
    }
  }

  #keep(output: Extract<HostedCacheOutput, { readonly kind: "store" }>): void {
    const { segment, blockIndex, block, replaces } = output;
    try {
      if (replaces) this.#store.drop(segment.segmentId);
      this.#store.put(segment, blockIndex, block);
      this.#counters.add("Blocks taken", 1);
      this.#counters.add("Retrieval: Bytes from server", blockLength(segment, blockIndex));
    } catch {
      // The disk is full: what is there goes on being served.
    }
  }
}
