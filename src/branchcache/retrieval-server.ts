import { toHex } from "../base/hex.ts";
import { unreachable } from "../base/invariant.ts";
import { type Due, type Machine, NEVER } from "../base/machine.ts";
import { SECOND } from "../base/units.ts";
import { sealBlock } from "./block-cipher.ts";
import { blockLength } from "./content-information.ts";
import type { BranchCacheCrypto } from "./crypto.ts";
import type { Holdings, StoredBlock } from "./holdings.ts";
import { decodeRequest } from "./retrieval-decoder.ts";
import {
  type BlockCipher,
  encodeResponse,
  type IndexRange,
  REQUEST_TYPES,
  type RetrievalRequest,
  type RetrievalResponse,
} from "./retrieval-message.ts";
import { encodeSegmentAges } from "./segment-ages.ts";

/** What the server is told. An exchange is one request and its answer. */
export type RetrievalServerInput =
  | { readonly kind: "request"; readonly exchange: number; readonly bytes: Uint8Array }
  | {
      readonly kind: "block-read";
      readonly exchange: number;
      /** Absent where it is not there any more, or not sound. */
      readonly block?: StoredBlock;
    }
  | { readonly kind: "gone"; readonly exchange: number }
  | { readonly kind: "timer" };

/** What the server has done. */
export type RetrievalServerOutput =
  | {
      readonly kind: "respond";
      readonly exchange: number;
      readonly bytes: Uint8Array;
      /** How many bytes of a segment are in it. */
      readonly blockBytes: number;
    }
  /** To be answered with status 400 and nothing else. */
  | { readonly kind: "refuse"; readonly exchange: number }
  | {
      readonly kind: "read-block";
      readonly exchange: number;
      readonly segmentId: string;
      readonly blockIndex: number;
    };

/** How long a block may take to be read before the exchange is given up (MS-PCCRR 3.2.2). */
export const UPLOAD_US: number = 15 * SECOND;

/** The limits of a server of blocks. */
export type RetrievalServerLimits = {
  /** How many exchanges may wait for blocks; others are told that there is none (RR11). */
  readonly exchangesMax: number;
};

type Waiting = {
  readonly segmentId: Uint8Array;
  readonly blockIndex: number;
  readonly nextBlockIndex: number;
  readonly cipher: BlockCipher;
  readonly dueUs: number;
};

/**
 * Answers requests for blocks from what a cache holds (RR10 to RR13).
 *
 * Memory: one small record for each exchange that waits for its block, and no block longer than
 * the step that answers with it.
 */
export class RetrievalServer implements Machine<RetrievalServerInput, RetrievalServerOutput[]> {
  readonly #crypto: BranchCacheCrypto;
  readonly #holdings: Holdings;
  readonly #limits: RetrievalServerLimits;
  // In the order in which they came, and so in which their time is up.
  readonly #waiting = new Map<number, Waiting>();

  constructor(crypto: BranchCacheCrypto, holdings: Holdings, limits: RetrievalServerLimits) {
    this.#crypto = crypto;
    this.#holdings = holdings;
    this.#limits = limits;
  }

  step(nowUs: number, input: RetrievalServerInput, outbox: RetrievalServerOutput[]): void {
    switch (input.kind) {
      case "request":
        this.#onRequest(nowUs, input, outbox);
        break;
      case "block-read":
        this.#onBlock(input, outbox);
        break;
      case "gone":
        this.#waiting.delete(input.exchange);
        break;
      case "timer":
        this.#onTimer(nowUs, outbox);
        break;
      default:
        unreachable(input);
    }
  }

  due(): Due {
    const [first] = this.#waiting.values();
    return first === undefined ? NEVER : { atUs: first.dueUs, reason: "upload" };
  }

  #onRequest(
    nowUs: number,
    { exchange, bytes }: { readonly exchange: number; readonly bytes: Uint8Array },
    outbox: RetrievalServerOutput[],
  ): void {
    const request = decodeRequest(bytes);
    if (!request.ok) {
      // Who speaks another version is told ours, unless that was the question (RR10).
      const type = ((bytes[6] ?? 0) << 8) | (bytes[7] ?? 0);
      const isOther = request.error === "unknown-version" && type !== REQUEST_TYPES.negotiate;
      if (isOther) this.#respond(exchange, OUR_VERSIONS, outbox);
      else outbox.push({ kind: "refuse", exchange });
      return;
    }
    const { message, cipher } = request.value;
    switch (message.kind) {
      case "negotiate":
        this.#respond(exchange, OUR_VERSIONS, outbox);
        break;
      case "get-block-list":
        this.#respond(exchange, this.#blockList(message), outbox);
        break;
      case "get-segment-list":
        this.#respond(exchange, this.#segmentList(nowUs, message), outbox);
        break;
      case "get-blocks":
        this.#onGetBlock(nowUs, { exchange, message, cipher }, outbox);
        break;
      default:
        unreachable(message);
    }
  }

  #onGetBlock(
    nowUs: number,
    asked: {
      readonly exchange: number;
      readonly message: Extract<RetrievalRequest, { readonly kind: "get-blocks" }>;
      readonly cipher: BlockCipher;
    },
    outbox: RetrievalServerOutput[],
  ): void {
    const { exchange, message, cipher } = asked;
    const { segmentId, ranges } = message;
    // One block is asked for; of more, the first is meant (RR12).
    const blockIndex = Math.min(...ranges.map(({ index }) => index));
    const id = toHex(segmentId);
    const held = this.#holdings.holdingOf(id);
    const nextBlockIndex = this.#nextBlock(id, blockIndex);
    const isBusy = this.#waiting.size >= this.#limits.exchangesMax;
    if (held?.has(blockIndex) !== true || isBusy) {
      this.#respond(exchange, noBlock({ segmentId, blockIndex, nextBlockIndex }), outbox);
      return;
    }
    this.#waiting.set(exchange, {
      segmentId: segmentId.slice(),
      blockIndex,
      nextBlockIndex,
      cipher,
      dueUs: nowUs + UPLOAD_US,
    });
    outbox.push({ kind: "read-block", exchange, segmentId: id, blockIndex });
  }

  #onBlock(
    { exchange, block }: { readonly exchange: number; readonly block?: StoredBlock },
    outbox: RetrievalServerOutput[],
  ): void {
    const asked = this.#waiting.get(exchange);
    // Whoever asked has gone, or waited for too long.
    if (asked === undefined) return;
    this.#waiting.delete(exchange);
    if (block === undefined) {
      this.#respond(exchange, noBlock(asked), outbox);
      return;
    }
    const sealed =
      block.kind === "sealed"
        ? { cipher: block.cipher, block: block.bytes, iv: block.iv }
        : sealBlock(this.#crypto, preferred(asked.cipher), block.secret, block.bytes);
    const { segmentId, blockIndex, nextBlockIndex } = asked;
    const bytes = encodeResponse({
      cipher: sealed.cipher,
      message: {
        kind: "block",
        segmentId,
        blockIndex,
        nextBlockIndex,
        block: sealed.block,
        iv: sealed.iv,
      },
    });
    // What is passed on as it came has its padding, which is no part of the segment.
    const held = this.#holdings.holdingOf(toHex(segmentId));
    const blockBytes = held === undefined ? block.bytes.length : blockLength(held, blockIndex);
    outbox.push({ kind: "respond", exchange, bytes, blockBytes });
  }

  #onTimer(nowUs: number, outbox: RetrievalServerOutput[]): void {
    for (const [exchange, { dueUs }] of this.#waiting) {
      if (dueUs > nowUs) return;
      this.#waiting.delete(exchange);
      outbox.push({ kind: "refuse", exchange });
    }
  }

  #blockList(
    message: Extract<RetrievalRequest, { readonly kind: "get-block-list" }>,
  ): RetrievalResponse {
    const { segmentId, ranges } = message;
    const id = toHex(segmentId);
    const held = this.#holdings.holdingOf(id);
    const asked = new Set(ranges.flatMap(indexesOf));
    const there = [...asked].filter((index) => held?.has(index) === true).sort((a, b) => a - b);
    const nextBlockIndex = this.#nextBlock(id, Math.max(...asked));
    return { kind: "block-list", segmentId, ranges: rangesOf(there), nextBlockIndex };
  }

  #segmentList(
    nowUs: number,
    message: Extract<RetrievalRequest, { readonly kind: "get-segment-list" }>,
  ): RetrievalResponse {
    const held = message.segmentIds.flatMap((id, index) => {
      const holding = this.#holdings.holdingOf(toHex(id));
      return holding === undefined ? [] : [{ index, ageUs: holding.ageUs(nowUs) }];
    });
    return {
      kind: "segment-list",
      requestId: message.requestId,
      // There are at most as many ranges as every second segment makes.
      ranges: rangesOf(held.map(({ index }) => index)).slice(0, SEGMENT_RANGES_MAX),
      blob: encodeSegmentAges(held),
    };
  }

  #nextBlock(segmentId: string, after: number): number {
    const held = this.#holdings.holdingOf(segmentId);
    const count = held?.blockCount ?? 0;
    for (let index = after + 1; index < count; index += 1) {
      if (held?.has(index) === true) return index;
    }
    return 0;
  }

  #respond(exchange: number, message: RetrievalResponse, outbox: RetrievalServerOutput[]): void {
    const bytes = encodeResponse({ cipher: "none", message });
    outbox.push({ kind: "respond", exchange, bytes, blockBytes: 0 });
  }
}

/** Joins indexes that lie one behind the other. @param indexes - Ascending, none twice. */
export function rangesOf(indexes: readonly number[]): readonly IndexRange[] {
  const ranges: { index: number; count: number }[] = [];
  for (const index of indexes) {
    const last = ranges.at(-1);
    if (last !== undefined && last.index + last.count === index) last.count += 1;
    else ranges.push({ index, count: 1 });
  }
  return ranges;
}

/** The indexes that a range stands for. */
export function indexesOf({ index, count }: IndexRange): readonly number[] {
  return Array.from({ length: count }, (_, offset) => index + offset);
}

const OUR_VERSIONS: RetrievalResponse = {
  kind: "negotiated",
  least: { major: 1, minor: 0 },
  most: { major: 2, minor: 0 },
};

const SEGMENT_RANGES_MAX = 256;

const NO_BYTES: Uint8Array = new Uint8Array(0);

/** What says that a block is not there (RR11). */
function noBlock(asked: {
  readonly segmentId: Uint8Array;
  readonly blockIndex: number;
  readonly nextBlockIndex: number;
}): RetrievalResponse {
  const { segmentId, blockIndex, nextBlockIndex } = asked;
  return { kind: "block", segmentId, blockIndex, nextBlockIndex, block: NO_BYTES, iv: NO_BYTES };
}

/** Blocks never travel in the clear, whatever is preferred (RR13). */
function preferred(cipher: BlockCipher): BlockCipher {
  return cipher === "none" ? "aes-128" : cipher;
}
