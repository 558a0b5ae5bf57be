import { describe, expect, test } from "vitest";
import { toHex } from "../base/hex.ts";
import { branchCacheCrypto as crypto } from "../peerdist/node-crypto.ts";
import { blockCount, type Segment } from "./content-information.ts";
import { HostedCache } from "./hosted-cache.ts";
import { encodeBatchedOffer, encodeHostedCacheRequestV1 } from "./hosted-cache-message.ts";
import {
  HOSTED_CACHE_LIMITS,
  type HostedCacheInput,
  type HostedCacheLimits,
  type HostedCacheOutput,
  PULL_US,
  PULLS_PER_HOST,
} from "./hosted-cache-types.ts";
import { runDownload, serve } from "./test-download.ts";
import { TestCache, type TestContent, testContent } from "./test-world.ts";

const TAG = new Uint8Array(16);
const OK = Uint8Array.of(0, 0, 0, 1, 0);
const INTERESTED = Uint8Array.of(0, 0, 0, 1, 1);

describe.each([
  { version: 1, content: testContent(crypto, 1, 20 * 65_536 + 3) },
  { version: 2, content: testContent(crypto, 2, 20 * 65_536 + 3) },
] as const)("a batched offer of version $version", ({ content }) => {
  test("HC6, HC7: is fetched and passed on as it came, and who has the keys can read it", () => {
    const world = newWorld();
    world.clients.set("10.0.0.5", filled(content));

    expect(world.offer(batch(content.segments), "10.0.0.5")).toEqual(OK);
    world.run();

    const isChecked = world.cache.holdingOf(toHex(content.segments[0]?.id ?? TAG))?.isVerified;
    expect(isChecked).toBe(false);
    expectAllFrom(world, content);
  });

  test("HC8: what could not be checked and was wrong is fetched anew when it is offered again later", () => {
    const world = newWorld();
    const wrong = { ...content, bytes: content.bytes.map((byte) => byte ^ 1) };
    world.clients.set("10.0.0.5", filled(wrong));
    world.clients.set("10.0.0.6", filled(content));
    world.offer(batch(content.segments), "10.0.0.5");
    world.run();
    world.offer(batch(content.segments), "10.0.0.6");
    expect(world.posts).toBe(blocksOf(content));
    world.cache.ageUs = 61_000_000;
    world.offer(batch(content.segments), "10.0.0.6");
    world.cache.ageUs = 0;
    world.run();

    expectAllFrom(world, content);
  });
});

/** A download of all of the content takes every byte from the hosted cache. */
function expectAllFrom(
  world: ReturnType<typeof newWorld>,
  content: ReturnType<typeof testContent>,
): void {
  const place = { host: "10.0.0.9", port: 80 };
  const hosted = { place, cache: world.cache, kind: "hosted" } as const;
  const result = runDownload(crypto, { content, peers: [hosted] });
  expect(result).toMatchObject({
    end: "done",
    bytes: { hosted: content.bytes.length, server: 0 },
  });
}

describe("offers of version 1.0", () => {
  const content = testContent(crypto, 1, 20 * 65_536 + 3);
  const [segment] = content.segments;
  if (segment === undefined) throw new Error("no segment");
  const initial = encodeHostedCacheRequestV1({
    kind: "initial-offer",
    port: 80,
    segmentId: segment.id,
  });
  const info = segmentInfo(segment);

  test("HC6, HC7: interest is shown, and with the keys blocks are checked before they are kept", () => {
    const world = newWorld();
    world.clients.set("10.0.0.5", filled(content));

    expect(world.offer(initial, "10.0.0.5", 1)).toEqual(INTERESTED);
    expect(world.offer(info, "10.0.0.5", 1)).toEqual(OK);
    world.run();
    expect(world.cache.holdingOf(toHex(segment.id))).toMatchObject({
      isVerified: true,
      heldBlocks: 21,
    });
    expect(world.offer(initial, "10.0.0.5", 1)).toEqual(OK);
  });

  test("HC7: blocks that are not what the keys say are not kept", () => {
    const world = newWorld();
    world.clients.set("10.0.0.5", filled({ ...content, bytes: content.bytes.map((b) => b ^ 1) }));
    world.offer(info, "10.0.0.5", 1);
    world.run();

    expect(world.cache.holdingOf(toHex(segment.id))).toBeUndefined();
    expect(world.hostedCache.waiting).toBe(0);
  });

  test("HC7: keys that do not lead to the id are refused", () => {
    const wrong = segmentInfo({ ...segment, blockHashes: segment.blockHashes.map((b) => b ^ 1) });

    expect(newWorld().offer(wrong, "10.0.0.5", 1)).toBeUndefined();
  });

  test("HC8: what was taken unchecked gives way to what can be checked", () => {
    const world = newWorld();
    world.clients.set("10.0.0.5", filled({ ...content, bytes: content.bytes.map((b) => b ^ 1) }));
    world.clients.set("10.0.0.6", filled(content));
    world.offer(batch(content.segments), "10.0.0.5");
    world.run();
    world.offer(info, "10.0.0.6", 1);
    world.run();

    expect(world.cache.holdingOf(toHex(segment.id))?.isVerified).toBe(true);
    expect(world.cache.get(toHex(segment.id), 0)?.bytes).toEqual(content.bytes.subarray(0, 65_536));
  });
});

describe("HC9: bounds", () => {
  const content = testContent(crypto, 2, 2 * 1_048_576);

  test("one host has so many segments waiting, and so many blocks on their way", () => {
    const world = newWorld({ ...HOSTED_CACHE_LIMITS, jobsPerHost: 5 });
    world.offer(batch(content.segments), "10.0.0.5");

    expect(world.hostedCache.waiting).toBe(5);
    expect(world.posts).toBe(5);
    const wide = newWorld();
    wide.offer(batch(content.segments), "10.0.0.5");
    expect(wide.posts).toBe(PULLS_PER_HOST);
  });

  test("all hosts together have so many segments waiting", () => {
    const world = newWorld({ ...HOSTED_CACHE_LIMITS, jobsMax: 7 });
    world.offer(batch(content.segments), "10.0.0.5");

    expect(world.hostedCache.waiting).toBe(7);
  });

  test("one host brings so much in an hour that nobody can check", () => {
    const world = newWorld({ ...HOSTED_CACHE_LIMITS, uncheckedBytesPerHost: 1_048_576 });
    world.clients.set("10.0.0.5", filled(content));
    world.offer(batch(content.segments), "10.0.0.5");
    world.run();

    const held = content.segments.filter(
      ({ id }) => world.cache.holdingOf(toHex(id)) !== undefined,
    );
    const bytes = held.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
    expect(bytes).toBeGreaterThan(900_000);
    expect(bytes).toBeLessThanOrEqual(1_048_576);
  });

  test("HC10: a client that offers and is gone is given up, and others are not held up", () => {
    const world = newWorld();
    world.offer(batch(content.segments), "10.0.0.5");
    const other = testContent(crypto, 1, 65_536);
    world.clients.set("10.0.0.6", filled(other));
    world.offer(batch(other.segments), "10.0.0.6");
    world.run();

    expect(world.cache.holdingOf(toHex(other.segments[0]?.id ?? TAG))?.heldBlocks).toBe(1);
    expect(world.hostedCache.waiting).toBe(0);
    expect(world.posts).toBeLessThan(2 * PULLS_PER_HOST + 2);
  });
});

/** A hosted cache with its clients in memory, and a clock of its own. */
class World {
  readonly cache = new TestCache();
  readonly clients = new Map<string, TestCache>();
  readonly hostedCache: HostedCache;
  posts = 0;
  readonly #queue: HostedCacheInput[] = [];
  #nowUs = 0;
  #answered: Uint8Array | undefined;

  constructor(limits: HostedCacheLimits) {
    this.hostedCache = new HostedCache(crypto, this.cache, limits);
  }

  /** What is answered; `undefined` where the offer is refused. */
  offer(bytes: Uint8Array, host: string, version: 1 | 2 = 2): Uint8Array | undefined {
    this.#answered = undefined;
    this.#step({ kind: "offer", exchange: 1, version, bytes, host });
    return this.#answered;
  }

  /** Lets everything happen that is under way. */
  run(): void {
    for (let turn = 0; turn < 10_000; turn += 1) {
      const input = this.#queue.shift();
      if (input === undefined && !Number.isFinite(this.hostedCache.due().atUs)) return;
      if (input === undefined) this.#nowUs += PULL_US;
      this.#step(input ?? { kind: "timer" });
    }
  }

  #step(input: HostedCacheInput): void {
    const outbox: HostedCacheOutput[] = [];
    this.hostedCache.step(this.#nowUs, input, outbox);
    for (const output of outbox) this.#apply(output);
  }

  #apply(output: HostedCacheOutput): void {
    if (output.kind === "respond") this.#answered = output.bytes;
    if (output.kind === "store") {
      if (output.replaces) this.cache.clear(output.segment.segmentId);
      this.cache.put(output.segment.segmentId, output.blockIndex, output.block, output.segment);
    }
    if (output.kind !== "post") return;
    this.posts += 1;
    const client = this.clients.get(output.place.host);
    const bytes = client === undefined ? undefined : serve(crypto, client, output.bytes);
    if (bytes !== undefined) this.#queue.push({ kind: "answer", request: output.request, bytes });
  }
}

function newWorld(limits: HostedCacheLimits = HOSTED_CACHE_LIMITS): World {
  return new World(limits);
}

function filled(content: TestContent): TestCache {
  const cache = new TestCache();
  cache.fill(content, () => true);
  return cache;
}

function batch(segments: readonly Segment[]): Uint8Array {
  return encodeBatchedOffer({
    kind: "batched-offer",
    port: 80,
    segments: segments.map(({ version, blockSizeBytes, lengthBytes, id }) => ({
      version,
      blockSizeBytes,
      lengthBytes,
      contentTag: TAG,
      segmentId: id,
    })),
  });
}

function segmentInfo(segment: Segment): Uint8Array {
  return encodeHostedCacheRequestV1({
    kind: "segment-info",
    port: 80,
    contentTag: TAG,
    information: {
      version: 1,
      hash: "sha256",
      offsetInFirstSegmentBytes: 0,
      readBytesInLastSegment: segment.lengthBytes,
      segments: [segment],
    },
  });
}

function blocksOf({ segments }: TestContent): number {
  return segments.reduce((sum, segment) => sum + blockCount(segment), 0);
}
