import { toHex } from "../base/hex.ts";
import type { ByteRange, Segment } from "../branchcache/content-information.ts";
import { Download } from "../branchcache/download.ts";
import type {
  BlockSource,
  DownloadFailure,
  DownloadInput,
  DownloadOutput,
} from "../branchcache/download-types.ts";
import { type Place, placeText } from "../branchcache/holdings.ts";
import { Driver } from "../runtime/driver.ts";
import { Asking } from "./asking.ts";
import type { BlockStore } from "./block-store.ts";
import { branchCacheCrypto } from "./node-crypto.ts";
import { Posting } from "./posting.ts";
import { askForRange } from "./web-client.ts";

/** What a download is to do. */
export type FetchOptions = {
  readonly url: URL;
  readonly segments: readonly Segment[];
  readonly range: ByteRange;
  /** Where blocks are kept, and looked for first. */
  readonly store: BlockStore;
  readonly hosted?: Place | undefined;
  /** The address to send from. */
  readonly localAddress?: string | undefined;
  /** Absent: the subnet is not asked. */
  readonly discovery?: { readonly port: number; readonly address?: string | undefined } | undefined;
  /** Told each block, once. */
  onBlock(offsetBytes: number, bytes: Uint8Array, source: BlockSource): void;
};

/** What came of it. */
export type FetchResult = {
  readonly failure?: DownloadFailure;
  /** Blocks that were not what they should be, and who sent them. */
  readonly badBlocks: number;
  readonly peers: number;
  /** Segments with the blocks that came from the server. */
  readonly fromServer: ReadonlyMap<Segment, number>;
};

/** Fetches segments: the machine `Download` with its sockets. */
export async function fetchSegments(
  options: FetchOptions,
  signal: AbortSignal,
): Promise<FetchResult> {
  const fetching = new Fetching(options, signal);
  return await fetching.run();
}

class Fetching {
  readonly #options: FetchOptions;
  readonly #signal: AbortSignal;
  readonly #posting: Posting;
  readonly #outbox: DownloadOutput[] = [];
  readonly #driver: Driver<DownloadInput, DownloadOutput[]>;
  readonly #ranges = new Map<number, AbortController>();
  readonly #fromServer = new Map<Segment, number>();
  /** Peers that were asked for something. */
  readonly #places = new Set<string>();
  readonly #hosted: string | undefined;
  #asking: Asking | undefined;
  #badBlocks = 0;
  #end: (failure: DownloadFailure | undefined) => void = () => {};
  #fail: (error: unknown) => void = () => {};

  constructor(options: FetchOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    const { segments, range, hosted, discovery } = options;
    this.#posting = new Posting(options.localAddress);
    this.#hosted = hosted === undefined ? undefined : placeText(hosted);
    const machine = new Download(branchCacheCrypto, options.store, {
      segments,
      range,
      plan: { discovers: discovery !== undefined, ...(hosted && { hosted }) },
    });
    this.#driver = new Driver(machine, this.#outbox, { timer: { kind: "timer" } as const }, () =>
      this.#drain(),
    );
  }

  async run(): Promise<FetchResult> {
    const { discovery } = this.#options;
    if (discovery !== undefined) {
      this.#asking = await Asking.start(discovery, (output) => this.#driver.input(output));
    }
    const abort = (): void => this.#fail(this.#signal.reason);
    try {
      const failure = await new Promise<DownloadFailure | undefined>((resolve, reject) => {
        this.#end = resolve;
        this.#fail = reject;
        this.#signal.throwIfAborted();
        this.#signal.addEventListener("abort", abort, { once: true });
        this.#driver.input({ kind: "start" });
      });
      const counts = { badBlocks: this.#badBlocks, peers: this.#places.size };
      return { ...counts, fromServer: this.#fromServer, ...(failure && { failure }) };
    } finally {
      this.#signal.removeEventListener("abort", abort);
      this.#driver.stop();
      this.#posting.close();
      this.#asking?.stop();
      for (const controller of this.#ranges.values()) controller.abort();
    }
  }

  #drain(): void {
    for (const output of this.#outbox.splice(0)) {
      try {
        this.#apply(output);
      } catch (error) {
        // The disk is full, or has gone.
        this.#fail(error);
      }
    }
  }

  #apply(output: DownloadOutput): void {
    switch (output.kind) {
      case "ask":
        this.#asking?.ask(output);
        break;
      case "post": {
        const place = this.#asking?.reachable(output.place) ?? output.place;
        const text = placeText(place);
        if (text !== this.#hosted) this.#places.add(text);
        this.#posting.post(output.request, { place, bytes: output.bytes }, (bytes) =>
          this.#answer(output.request, bytes),
        );
        break;
      }
      case "read-own":
        void this.#readOwn(output);
        break;
      case "fetch":
        void this.#fetch(output);
        break;
      case "abandon":
        this.#posting.abandon(output.request);
        this.#ranges.get(output.request)?.abort();
        break;
      case "block":
        this.#keep(output);
        break;
      case "bad-block":
        this.#badBlocks += 1;
        break;
      case "done":
        this.#end(undefined);
        break;
      default:
        this.#end(output.why);
    }
  }

  #answer(request: number, bytes: Uint8Array | undefined): void {
    this.#driver.input({ kind: "answer", request, ...(bytes && { bytes }) });
  }

  async #readOwn({
    request,
    segmentId,
    blockIndex,
  }: Extract<DownloadOutput, { readonly kind: "read-own" }>): Promise<void> {
    const block = await this.#options.store.read(segmentId, blockIndex);
    this.#answer(request, block?.kind === "plain" ? block.bytes : undefined);
  }

  async #fetch({
    request,
    startBytes,
    endBytes,
  }: Extract<DownloadOutput, { readonly kind: "fetch" }>): Promise<void> {
    const controller = new AbortController();
    this.#ranges.set(request, controller);
    const range = { startBytes, endBytes };
    const bytes = await askForRange(this.#options.url, range, controller.signal);
    this.#ranges.delete(request);
    this.#answer(request, bytes);
  }

  #keep(output: Extract<DownloadOutput, { readonly kind: "block" }>): void {
    const { segment, blockIndex, bytes, source, others } = output;
    const { store, onBlock } = this.#options;
    onBlock(segment.offsetBytes + blockIndex * segment.blockSizeBytes, bytes, source);
    if (source === "server") {
      this.#fromServer.set(segment, (this.#fromServer.get(segment) ?? 0) + 1);
    }
    if (source === "own") return;
    const { version, lengthBytes, blockSizeBytes, secret, hashOfData, blockHashes } = segment;
    const keys = { secret, hashOfData, blockHashes };
    const segmentId = toHex(segment.id);
    const shape = { version, segmentId, lengthBytes, blockSizeBytes, keys };
    try {
      store.put(shape, blockIndex, { kind: "plain", bytes, secret }, { others });
    } catch {
      // The cache's disk is full. What is wanted is the file, and that is written already.
    }
  }
}
