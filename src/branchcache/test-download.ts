import { toHex } from "../base/hex.ts";
import type { BranchCacheCrypto } from "./crypto.ts";
import { Download } from "./download.ts";
import type { BlockSource, DownloadInput, DownloadOutput } from "./download-types.ts";
import { type Holdings, type Place, placeText } from "./holdings.ts";
import { RetrievalServer } from "./retrieval-server.ts";
import { TestCache, type TestContent } from "./test-world.ts";

/** How a peer behaves in a trial. */
export type TestPeer = {
  readonly place: Place;
  readonly cache: TestCache;
  readonly kind: "peer" | "hosted";
  /** What it answers, with this done to it; `undefined` answers never. */
  readonly answer?: (bytes: Uint8Array) => Uint8Array | undefined;
};

/** What came of a trial. */
export type TrialResult = {
  /** Bytes by where they came from. */
  readonly bytes: Readonly<Record<BlockSource, number>>;
  readonly content: Uint8Array;
  readonly end: DownloadOutput["kind"] | undefined;
  readonly blocks: number;
  /** Ranges asked of the server. */
  readonly ranges: readonly { readonly startBytes: number; readonly endBytes: number }[];
  readonly waitingMax: number;
  readonly seconds: number;
};

/** Runs a download among peers in memory, with a clock of its own, until it ends. */
export function runDownload(
  crypto: BranchCacheCrypto,
  world: {
    readonly content: TestContent;
    readonly peers: readonly TestPeer[];
    readonly own?: Holdings & { get(id: string, block: number): { bytes: Uint8Array } | undefined };
    readonly server?: (startBytes: number, endBytes: number) => Uint8Array | undefined;
  },
): TrialResult {
  return new Trial(crypto, world).run();
}

class Trial {
  readonly #crypto: BranchCacheCrypto;
  readonly #world: Parameters<typeof runDownload>[1];
  readonly #download: Download;
  readonly #queue: { readonly atUs: number; readonly input: DownloadInput }[] = [];
  readonly #waiting = new Map<number, string>();
  readonly #content: Uint8Array;
  readonly #bytes = { own: 0, peer: 0, hosted: 0, server: 0 };
  readonly #ranges: { startBytes: number; endBytes: number }[] = [];
  #blocks = 0;
  #waitingMax = 0;
  #nowUs = 0;
  #end: DownloadOutput["kind"] | undefined;

  constructor(crypto: BranchCacheCrypto, world: Parameters<typeof runDownload>[1]) {
    this.#crypto = crypto;
    this.#world = world;
    this.#content = new Uint8Array(world.content.bytes.length);
    const hosted = world.peers.find(({ kind }) => kind === "hosted");
    this.#download = new Download(crypto, world.own ?? new TestCache(), {
      segments: world.content.segments,
      range: { startBytes: 0, endBytes: world.content.bytes.length },
      plan: {
        discovers: world.peers.some(({ kind }) => kind === "peer"),
        ...(hosted === undefined ? {} : { hosted: hosted.place }),
      },
    });
  }

  run(): TrialResult {
    this.#step({ kind: "start" });
    for (let turn = 0; turn < 1_000_000 && this.#end === undefined; turn += 1) {
      const next = this.#queue.shift();
      const dueUs = this.#download.due().atUs;
      if (next !== undefined && next.atUs <= dueUs) {
        this.#nowUs = Math.max(this.#nowUs, next.atUs);
        this.#step(next.input);
        continue;
      }
      if (next !== undefined) this.#queue.unshift(next);
      if (!Number.isFinite(dueUs)) break;
      this.#nowUs = dueUs;
      this.#step({ kind: "timer" });
    }
    return {
      bytes: this.#bytes,
      content: this.#content,
      end: this.#end,
      blocks: this.#blocks,
      ranges: this.#ranges,
      waitingMax: this.#waitingMax,
      seconds: this.#nowUs / 1_000_000,
    };
  }

  #step(input: DownloadInput): void {
    if (input.kind === "answer") this.#waiting.delete(input.request);
    const outbox: DownloadOutput[] = [];
    this.#download.step(this.#nowUs, input, outbox);
    for (const output of outbox) this.#apply(output);
    this.#waitingMax = Math.max(this.#waitingMax, this.#waiting.size);
  }

  #apply(output: DownloadOutput): void {
    switch (output.kind) {
      case "ask":
        this.#ask(output);
        break;
      case "read-own": {
        const bytes = this.#world.own?.get(output.segmentId, output.blockIndex)?.bytes;
        this.#answer(output.request, bytes, 10);
        break;
      }
      case "post":
        this.#post(output);
        break;
      case "fetch": {
        const { startBytes, endBytes } = output;
        this.#ranges.push({ startBytes, endBytes });
        const server = this.#world.server ?? ((a, b) => this.#world.content.bytes.subarray(a, b));
        this.#answer(output.request, server(startBytes, endBytes), 5_000);
        break;
      }
      case "abandon":
        this.#waiting.delete(output.request);
        break;
      case "block": {
        const { segment, blockIndex, bytes, source } = output;
        this.#content.set(bytes, segment.offsetBytes + blockIndex * segment.blockSizeBytes);
        this.#bytes[source] += bytes.length;
        this.#blocks += 1;
        break;
      }
      case "bad-block":
        break;
      default:
        this.#end = output.kind;
    }
  }

  #ask({ question, segmentIds }: Extract<DownloadOutput, { readonly kind: "ask" }>): void {
    for (const { place, cache, kind } of this.#world.peers) {
      const segments = segmentIds.flatMap((id, index) => {
        const held = cache.holdingOf(toHex(id));
        if (held === undefined) return [];
        return [{ index, isComplete: held.version === 2 }];
      });
      if (kind === "hosted" || segments.length === 0) continue;
      this.#later({ kind: "found", question, place, segments }, 20_000);
    }
    this.#later({ kind: "ended", question }, 300_000);
  }

  #post({ request, place, bytes }: Extract<DownloadOutput, { readonly kind: "post" }>): void {
    this.#waiting.set(request, placeText(place));
    const peer = this.#world.peers.find((one) => placeText(one.place) === placeText(place));
    if (peer === undefined) return;
    const answered = serve(this.#crypto, peer.cache, bytes);
    if (answered === undefined) {
      this.#answer(request, undefined, 1_000);
      return;
    }
    const answer = peer.answer === undefined ? answered : peer.answer(answered);
    if (answer !== undefined) this.#answer(request, answer, 1_000);
  }

  #answer(request: number, bytes: Uint8Array | undefined, afterUs: number): void {
    const input: DownloadInput = { kind: "answer", request, ...(bytes && { bytes }) };
    this.#later(input, afterUs);
  }

  #later(input: DownloadInput, afterUs: number): void {
    const atUs = this.#nowUs + afterUs;
    const index = this.#queue.findIndex((one) => one.atUs > atUs);
    this.#queue.splice(index < 0 ? this.#queue.length : index, 0, { atUs, input });
  }
}

/** What a server with this cache answers. */
export function serve(
  crypto: BranchCacheCrypto,
  cache: TestCache,
  bytes: Uint8Array,
): Uint8Array | undefined {
  const server = new RetrievalServer(crypto, cache, { exchangesMax: 64 });
  const outbox: Parameters<RetrievalServer["step"]>[2] = [];
  server.step(0, { kind: "request", exchange: 1, bytes }, outbox);
  const [first] = outbox.splice(0);
  if (first?.kind === "read-block") {
    const block = cache.get(first.segmentId, first.blockIndex);
    server.step(0, { kind: "block-read", exchange: 1, ...(block && { block }) }, outbox);
  } else if (first !== undefined) outbox.push(first);
  const [answer] = outbox;
  return answer?.kind === "respond" ? answer.bytes : undefined;
}
