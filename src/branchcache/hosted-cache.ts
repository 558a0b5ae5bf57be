import { fromHex, toHex } from "../base/hex.ts";
import { unreachable } from "../base/invariant.ts";
import { type Due, type Machine, NEVER } from "../base/machine.ts";
import { SECOND } from "../base/units.ts";
import { isBlock, isConsistent } from "./block-check.ts";
import { openBlock } from "./block-cipher.ts";
import { blockCount, blockLength, type Segment, segmentsOf } from "./content-information.ts";
import { AES_BLOCK_BYTES, type BranchCacheCrypto } from "./crypto.ts";
import type { Holdings, Place, StoredBlock } from "./holdings.ts";
import {
  decodeHostedCacheRequestV1,
  decodeHostedCacheRequestV2,
  encodeHostedCacheAnswer,
  type HostedCacheAnswer,
  type HostedCacheRequestV1,
  type HostedCacheRequestV2,
} from "./hosted-cache-message.ts";
import {
  type HostedCacheInput,
  type HostedCacheLimits,
  type HostedCacheOutput,
  type OfferedShape,
  PULL_FAILURES_MAX,
  PULL_US,
  PULLS_MAX,
  PULLS_PER_HOST,
  REFRESH_US,
} from "./hosted-cache-types.ts";
import { decodeResponse } from "./retrieval-decoder.ts";
import { encodeRequest } from "./retrieval-message.ts";

/** A segment that a client has offered and that is being fetched from it. */
type Job = {
  readonly shape: OfferedShape;
  /** With everything that checks its blocks; absent where the offer brought no keys. */
  readonly segment?: Segment;
  readonly place: Place;
  readonly pending: number[];
  replaces: boolean;
  waiting: number;
  failures: number;
};

/** A client that has offered segments. */
type Host = {
  /** In the order in which they were offered. */
  readonly jobs: Set<Job>;
  pulls: number;
  /** How many blocks did not come, one after another. */
  silences: number;
};

type Pull = { readonly job: Job; readonly blockIndex: number; readonly dueUs: number };

type Intake = { readonly sinceUs: number; bytes: number };

/**
 * Takes offers of segments, and fetches from those who offer (HC6 to HC10).
 *
 * An offer of version 1.0 brings keys, so its blocks are checked before they are kept. A batched offer
 * brings none: its blocks are kept as they come, encrypted, and passed on so; whoever gets them
 * has the hashes to check them with.
 */
export class HostedCache implements Machine<HostedCacheInput, HostedCacheOutput[]> {
  readonly #crypto: BranchCacheCrypto;
  readonly #holdings: Holdings;
  readonly #limits: HostedCacheLimits;
  /** By segment id. */
  readonly #jobs = new Map<string, Job>();
  readonly #hosts = new Map<string, Host>();
  readonly #pulls = new Map<number, Pull>();
  readonly #intakes = new Map<string, Intake>();
  #numbers = 0;

  constructor(crypto: BranchCacheCrypto, holdings: Holdings, limits: HostedCacheLimits) {
    this.#crypto = crypto;
    this.#holdings = holdings;
    this.#limits = limits;
  }

  /** How many offered segments have not been fetched yet. */
  get waiting(): number {
    return this.#jobs.size;
  }

  step(nowUs: number, input: HostedCacheInput, outbox: HostedCacheOutput[]): void {
    switch (input.kind) {
      case "offer":
        this.#onOffer(nowUs, input, outbox);
        break;
      case "answer":
        this.#onAnswer(input.request, input.bytes, outbox);
        break;
      case "timer":
        for (const [request, { dueUs }] of [...this.#pulls]) {
          if (dueUs > nowUs) continue;
          outbox.push({ kind: "abandon", request });
          this.#onAnswer(request, undefined, outbox);
        }
        break;
      default:
        unreachable(input);
    }
    this.#goOn(nowUs, outbox);
  }

  due(): Due {
    const [first] = this.#pulls.values();
    return first === undefined ? NEVER : { atUs: first.dueUs, reason: "pull" };
  }

  #onOffer(
    nowUs: number,
    offer: Extract<HostedCacheInput, { readonly kind: "offer" }>,
    outbox: HostedCacheOutput[],
  ): void {
    const { exchange, bytes, host } = offer;
    const request =
      offer.version === 1 ? decodeHostedCacheRequestV1(bytes) : decodeHostedCacheRequestV2(bytes);
    const answer = request.ok ? this.#take(nowUs, request.value, host) : undefined;
    if (answer === undefined) outbox.push({ kind: "refuse", exchange });
    else outbox.push({ kind: "respond", exchange, bytes: encodeHostedCacheAnswer(answer) });
  }

  /** What is answered; `undefined` where the request contradicts itself. */
  #take(
    nowUs: number,
    request: HostedCacheRequestV1 | HostedCacheRequestV2,
    host: string,
  ): HostedCacheAnswer | undefined {
    const place = { host, port: request.port };
    switch (request.kind) {
      case "initial-offer":
        return this.#isWhole(toHex(request.segmentId)) ? "ok" : "interested";
      case "segment-info": {
        const [segment] = segmentsOf(this.#crypto, request.information);
        if (segment === undefined || !isConsistent(this.#crypto, segment)) return undefined;
        this.#addChecked(segment, place);
        return "ok";
      }
      case "batched-offer":
        for (const { segmentId, ...offered } of request.segments) {
          this.#addUnchecked(nowUs, { ...offered, segmentId: toHex(segmentId) }, place);
        }
        return "ok";
      default:
        return unreachable(request);
    }
  }

  #isWhole(segmentId: string): boolean {
    const held = this.#holdings.holdingOf(segmentId);
    return held !== undefined && held.heldBlocks === held.blockCount && held.isVerified;
  }

  #addChecked(segment: Segment, place: Place): void {
    const segmentId = toHex(segment.id);
    const { version, lengthBytes, blockSizeBytes, secret, hashOfData, blockHashes } = segment;
    const held = this.#holdings.holdingOf(segmentId);
    // What was taken unchecked gives way to what can be checked (HC8).
    const replaces = held?.isVerified === false;
    const listed = blockHashes.length / segment.scheme.digestBytes;
    const pending = range(listed).filter((index) => replaces || held?.has(index) !== true);
    const keys = { secret, hashOfData, blockHashes };
    const shape = { version, segmentId, lengthBytes, blockSizeBytes, keys };
    this.#add({ shape, segment, place, pending, replaces, waiting: 0, failures: 0 });
  }

  #addUnchecked(nowUs: number, shape: OfferedShape, place: Place): void {
    const held = this.#holdings.holdingOf(shape.segmentId);
    const isWhole = held !== undefined && held.heldBlocks === held.blockCount;
    const isFresh = held?.isVerified === true || (held?.ageUs(nowUs) ?? 0) < REFRESH_US;
    if (isWhole && isFresh) return;
    if (!this.#mayBring(nowUs, place.host, shape.lengthBytes)) return;
    const pending = range(blockCount(shape)).filter(
      (index) => isWhole || held?.has(index) !== true,
    );
    this.#add({ shape, place, pending, replaces: isWhole, waiting: 0, failures: 0 });
  }

  #add(job: Job): void {
    const { segmentId } = job.shape;
    const { host } = job.place;
    const of = this.#hosts.get(host) ?? { jobs: new Set(), pulls: 0, silences: 0 };
    const isFull =
      this.#jobs.size >= this.#limits.jobsMax || of.jobs.size >= this.#limits.jobsPerHost;
    if (isFull || job.pending.length === 0 || this.#jobs.has(segmentId)) return;
    this.#jobs.set(segmentId, job);
    this.#hosts.set(host, of);
    of.jobs.add(job);
  }

  /** Counts what a host brings that nobody here can check, by the hour (HC9). */
  #mayBring(nowUs: number, host: string, bytes: number): boolean {
    let intake = this.#intakes.get(host);
    if (intake === undefined || nowUs - intake.sinceUs >= HOUR_US) {
      this.#intakes.delete(host);
      intake = { sinceUs: nowUs, bytes: 0 };
      this.#intakes.set(host, intake);
      const [oldest] = this.#intakes.keys();
      if (this.#intakes.size > INTAKES_MAX && oldest !== undefined) this.#intakes.delete(oldest);
    }
    if (intake.bytes + bytes > this.#limits.uncheckedBytesPerHost) return false;
    intake.bytes += bytes;
    return true;
  }

  #onAnswer(request: number, bytes: Uint8Array | undefined, outbox: HostedCacheOutput[]): void {
    const pull = this.#pulls.get(request);
    if (pull === undefined) return;
    this.#pulls.delete(request);
    const { job, blockIndex } = pull;
    const host = this.#hosts.get(job.place.host);
    job.waiting -= 1;
    if (host !== undefined) {
      host.pulls -= 1;
      host.silences = bytes === undefined ? host.silences + 1 : 0;
    }
    const block = bytes === undefined ? undefined : this.#blockOf(job, blockIndex, bytes);
    if (block === undefined) job.failures += 1;
    else {
      const { replaces, shape } = job;
      outbox.push({ kind: "store", segment: shape, blockIndex, block, replaces });
      job.replaces = false;
    }
    if (job.failures >= PULL_FAILURES_MAX) job.pending.length = 0;
    this.#settle(job, host);
  }

  /** Lets go of what is done, and of all that a client has offered who is gone. */
  #settle(job: Job, host: Host | undefined): void {
    const isGone = host !== undefined && host.silences >= SILENCES_MAX;
    for (const one of isGone ? [...host.jobs] : [job]) {
      if (isGone) one.pending.length = 0;
      if (one.pending.length === 0 && one.waiting === 0) this.#endJob(one);
    }
  }

  /** The block in a response, checked where that is possible. */
  #blockOf(job: Job, blockIndex: number, bytes: Uint8Array): StoredBlock | undefined {
    const response = decodeResponse(bytes);
    if (!response.ok || response.value.message.kind !== "block") return undefined;
    const { cipher, message } = response.value;
    const isTheOne =
      message.blockIndex === blockIndex && toHex(message.segmentId) === job.shape.segmentId;
    const lengthBytes = blockLength(job.shape, blockIndex);
    if (!isTheOne || message.block.length === 0) return undefined;
    const { segment } = job;
    if (segment !== undefined) {
      const sealed = { cipher, block: message.block, iv: message.iv };
      const block = openBlock(this.#crypto, sealed, segment.secret, lengthBytes);
      if (block === undefined || !isBlock(this.#crypto, segment, blockIndex, block)) {
        return undefined;
      }
      return { kind: "plain", bytes: block, secret: segment.secret };
    }
    const { length } = message.block;
    const isPossible = length >= lengthBytes && length <= lengthBytes + AES_BLOCK_BYTES;
    const isSealed = cipher !== "none" && message.iv.length === AES_BLOCK_BYTES;
    if (!isPossible || !isSealed || length % AES_BLOCK_BYTES !== 0) return undefined;
    return { kind: "sealed", cipher, bytes: message.block, iv: message.iv };
  }

  #endJob(job: Job): void {
    const host = this.#hosts.get(job.place.host);
    this.#jobs.delete(job.shape.segmentId);
    host?.jobs.delete(job);
    if (host?.jobs.size === 0) this.#hosts.delete(job.place.host);
  }

  /** Fetches as much at a time as is allowed, of each client the oldest offer first. */
  #goOn(nowUs: number, outbox: HostedCacheOutput[]): void {
    for (const host of this.#hosts.values()) {
      for (const job of host.jobs) {
        while (job.pending.length > 0 && host.pulls < PULLS_PER_HOST) {
          if (this.#pulls.size >= PULLS_MAX) return;
          this.#pull(nowUs, host, job, outbox);
        }
        if (host.pulls >= PULLS_PER_HOST) break;
      }
    }
  }

  #pull(nowUs: number, host: Host, job: Job, outbox: HostedCacheOutput[]): void {
    const { place, shape } = job;
    const blockIndex = job.pending.shift() ?? 0;
    this.#numbers += 1;
    const request = this.#numbers;
    job.waiting += 1;
    host.pulls += 1;
    this.#pulls.set(request, { job, blockIndex, dueUs: nowUs + PULL_US });
    const segmentId = fromHex(shape.segmentId) ?? new Uint8Array(0);
    const bytes = encodeRequest({
      cipher: "aes-128",
      message: { kind: "get-blocks", segmentId, ranges: [{ index: blockIndex, count: 1 }] },
    });
    outbox.push({ kind: "post", request, place, bytes });
  }
}

const HOUR_US: number = 3_600 * SECOND;

/** How many blocks in a row a client may fail to answer for before it counts as gone. */
const SILENCES_MAX = 8;

/** How many hosts are remembered with what they brought. */
const INTAKES_MAX = 4_096;

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}
