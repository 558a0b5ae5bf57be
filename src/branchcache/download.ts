import { toHex } from "../base/hex.ts";
import { unreachable } from "../base/invariant.ts";
import { type Due, type Machine, NEVER } from "../base/machine.ts";
import { isBlock } from "./block-check.ts";
import { openBlock } from "./block-cipher.ts";
import { type ByteRange, blockLength, type Segment } from "./content-information.ts";
import type { BranchCacheCrypto } from "./crypto.ts";
import { SEGMENTS_PER_PROBE } from "./discovery-decoder.ts";
import {
  type Block,
  firstRun,
  lengthOf,
  type Open,
  startOf,
  wantedBlocks,
} from "./download-blocks.ts";
import {
  type DownloadInput,
  type DownloadOutput,
  type DownloadPlan,
  LIST_FROM_BLOCKS,
  OPEN_BLOCKS_MAX,
  PEERS_MAX,
  REQUEST_US,
  SERVER_US,
  SERVER_WAITING_MAX,
  WAITING_MAX,
  WAITING_PER_PEER,
} from "./download-types.ts";
import { type Holdings, type Place, placeText } from "./holdings.ts";
import { Offer, Peer } from "./offers.ts";
import { decodeResponse } from "./retrieval-decoder.ts";
import { encodeRequest } from "./retrieval-message.ts";
import { indexesOf, rangesOf } from "./retrieval-server.ts";

type Request =
  | ({ readonly kind: "own" } & Block)
  | ({ readonly kind: "block"; readonly offer: Offer; readonly dueUs: number } & Block)
  | { readonly kind: "list"; readonly open: Open; readonly offer: Offer; readonly dueUs: number }
  | {
      readonly kind: "segments";
      readonly opens: readonly Open[];
      readonly peer: Peer;
      readonly dueUs: number;
    }
  | { readonly kind: "range"; readonly blocks: readonly Block[]; readonly dueUs: number };

/**
 * Fetches the blocks of a content from wherever they are: from our own cache, from a hosted
 * cache, from peers of the subnet, and what nobody has from the server (RR14 to RR18).
 *
 * Whatever a peer says or keeps silent about costs a block a moment and never the download: each block
 * falls back for itself, and nothing leaves here that has not been checked.
 */
export class Download implements Machine<DownloadInput, DownloadOutput[]> {
  readonly #crypto: BranchCacheCrypto;
  readonly #own: Holdings;
  readonly #plan: DownloadPlan;
  readonly #segments: readonly Segment[];
  readonly #range: ByteRange;
  readonly #peers = new Map<string, Peer>();
  readonly #hosted: Peer | undefined;
  #nextSegment = 0;
  readonly #open = new Set<Open>();
  readonly #questions = new Map<number, readonly Open[]>();
  readonly #requests = new Map<number, Request>();
  #waitingForPeers = 0;
  #waitingForServer = 0;
  /** Segments that we thought we had ourselves. */
  readonly #lost = new Set<Open>();
  #numbers = 0;
  #ended = false;

  /** @param segments - Whose listed blocks lead to their ids: see `isConsistent`. */
  constructor(
    crypto: BranchCacheCrypto,
    own: Holdings,
    what: {
      readonly segments: readonly Segment[];
      readonly range: ByteRange;
      readonly plan: DownloadPlan;
    },
  ) {
    this.#crypto = crypto;
    this.#own = own;
    this.#plan = what.plan;
    this.#segments = what.segments;
    this.#range = what.range;
    if (what.plan.hosted !== undefined) this.#hosted = new Peer(what.plan.hosted, "hosted");
  }

  step(nowUs: number, input: DownloadInput, outbox: DownloadOutput[]): void {
    if (this.#ended) return;
    switch (input.kind) {
      case "start":
      case "timer":
        this.#expire(nowUs, outbox);
        break;
      case "found":
        this.#onFound(input);
        break;
      case "ended":
        for (const open of this.#questions.get(input.question) ?? []) open.asking -= 1;
        this.#questions.delete(input.question);
        break;
      case "answer":
        this.#onAnswer(input.request, input.bytes, outbox);
        break;
      default:
        unreachable(input);
    }
    if (!this.#ended) this.#goOn(nowUs, outbox);
  }

  due(): Due {
    let atUs = Number.POSITIVE_INFINITY;
    for (const request of this.#requests.values()) {
      if (request.kind !== "own") atUs = Math.min(atUs, request.dueUs);
    }
    return Number.isFinite(atUs) ? { atUs, reason: "request" } : NEVER;
  }

  #onFound(found: Extract<DownloadInput, { readonly kind: "found" }>): void {
    const opens = this.#questions.get(found.question);
    if (opens === undefined) return;
    const peer = this.#peerAt(found.place);
    if (peer === undefined) return;
    for (const { index, isComplete } of found.segments) {
      const offers = opens[index]?.offers;
      if (offers === undefined || offers.some((offer) => offer.peer === peer)) continue;
      offers.push(new Offer(peer, isComplete));
    }
  }

  #peerAt(place: Place): Peer | undefined {
    const key = placeText(place);
    const known = this.#peers.get(key);
    if (known !== undefined || this.#peers.size >= PEERS_MAX) return known;
    const made = new Peer(place, "peer");
    this.#peers.set(key, made);
    return made;
  }

  #onAnswer(number: number, bytes: Uint8Array | undefined, outbox: DownloadOutput[]): void {
    const request = this.#requests.get(number);
    // An answer that came too late, or to nothing.
    if (request === undefined) return;
    this.#requests.delete(number);
    switch (request.kind) {
      case "own":
        this.#onOwn(request, bytes, outbox);
        break;
      case "range":
        this.#waitingForServer -= 1;
        this.#onRange(request.blocks, bytes, outbox);
        break;
      case "block":
        this.#endWaiting(request.offer.peer);
        this.#onBlock(request, bytes, outbox);
        break;
      case "list":
        this.#endWaiting(request.offer.peer);
        this.#onList(request, bytes);
        break;
      case "segments":
        this.#endWaiting(request.peer);
        this.#onSegments(request, bytes);
        break;
      default:
        unreachable(request);
    }
  }

  #onOwn({ open, blockIndex }: Block, bytes: Uint8Array | undefined, outbox: DownloadOutput[]) {
    if (bytes !== undefined && isBlock(this.#crypto, open.segment, blockIndex, bytes)) {
      this.#deliver({ open, blockIndex }, bytes, "own", outbox);
      return;
    }
    // What has been lost or has rotted is fetched like everything else.
    open.unreadable.add(blockIndex);
    open.pending.add(blockIndex);
    if (!open.wasAsked) this.#lost.add(open);
  }

  #onBlock(
    request: Extract<Request, { readonly kind: "block" }>,
    bytes: Uint8Array | undefined,
    outbox: DownloadOutput[],
  ): void {
    const { open, blockIndex, offer } = request;
    const { peer } = offer;
    const response = bytes === undefined ? undefined : decodeResponse(bytes);
    const message = response?.ok === true ? response.value.message : undefined;
    if (response?.ok !== true || message?.kind !== "block") {
      peer.strike();
      this.#again(request);
      return;
    }
    peer.strikes = 0;
    if (message.block.length === 0) {
      this.#again(request);
      return;
    }
    const sealed = { cipher: response.value.cipher, block: message.block, iv: message.iv };
    const lengthBytes = blockLength(open.segment, blockIndex);
    const block = openBlock(this.#crypto, sealed, open.segment.secret, lengthBytes);
    const isTheOne = message.blockIndex === blockIndex && toHex(message.segmentId) === open.id;
    if (isTheOne && block !== undefined && isBlock(this.#crypto, open.segment, blockIndex, block)) {
      this.#deliver({ open, blockIndex }, block, peer.kind, outbox);
      return;
    }
    // Who sends what is not the block is not asked again; a hosted cache may only have been told so.
    if (peer.kind === "peer") peer.isDropped = true;
    outbox.push({ kind: "bad-block", place: peer.place });
    this.#again(request);
  }

  #again({ open, blockIndex, offer }: Extract<Request, { readonly kind: "block" }>): void {
    offer.exclude(blockIndex);
    open.pending.add(blockIndex);
  }

  #onList(
    { open, offer }: Extract<Request, { readonly kind: "list" }>,
    bytes: Uint8Array | undefined,
  ): void {
    const response = bytes === undefined ? undefined : decodeResponse(bytes);
    const message = response?.ok === true ? response.value.message : undefined;
    const isAnswer = message?.kind === "block-list" && toHex(message.segmentId) === open.id;
    if (isAnswer) offer.peer.strikes = 0;
    else offer.peer.strike();
    offer.endList(isAnswer ? message.ranges : []);
  }

  #onSegments(
    { opens, peer }: Extract<Request, { readonly kind: "segments" }>,
    bytes: Uint8Array | undefined,
  ): void {
    const response = bytes === undefined ? undefined : decodeResponse(bytes);
    const message = response?.ok === true ? response.value.message : undefined;
    if (message?.kind !== "segment-list") peer.strike();
    const ranges = message?.kind === "segment-list" ? message.ranges : [];
    const there = new Set(ranges.flatMap(indexesOf));
    for (const [index, open] of opens.entries()) {
      open.asking -= 1;
      // Whether a segment of version 1 is there as a whole is for its list to say.
      if (there.has(index)) open.offers.push(new Offer(peer, open.segment.version === 2));
    }
  }

  #onRange(
    blocks: readonly Block[],
    bytes: Uint8Array | undefined,
    outbox: DownloadOutput[],
  ): void {
    if (bytes === undefined) {
      this.#fail("server-failed", outbox);
      return;
    }
    let at = 0;
    for (const { open, blockIndex } of blocks) {
      const lengthBytes = blockLength(open.segment, blockIndex);
      const block = bytes.subarray(at, at + lengthBytes);
      at += lengthBytes;
      if (!isBlock(this.#crypto, open.segment, blockIndex, block)) {
        this.#fail("content-changed", outbox);
        return;
      }
      this.#deliver({ open, blockIndex }, block, "server", outbox);
    }
  }

  #deliver(
    { open, blockIndex }: Block,
    bytes: Uint8Array,
    source: "own" | "peer" | "hosted" | "server",
    outbox: DownloadOutput[],
  ): void {
    const peers = open.offers.filter(({ peer }) => peer.kind === "peer");
    const complete = peers.filter(({ isComplete }) => isComplete).length;
    const others = { any: peers.length, complete };
    outbox.push({ kind: "block", segment: open.segment, blockIndex, bytes, source, others });
  }

  #fail(why: "server-failed" | "content-changed", outbox: DownloadOutput[]): void {
    this.#end(outbox);
    outbox.push({ kind: "failed", why });
  }

  #end(outbox: DownloadOutput[]): void {
    this.#ended = true;
    for (const request of this.#requests.keys()) outbox.push({ kind: "abandon", request });
    this.#requests.clear();
    this.#open.clear();
    this.#questions.clear();
  }

  #endWaiting(peer: Peer): void {
    peer.waiting -= 1;
    this.#waitingForPeers -= 1;
  }

  /** Takes for failed what has not been answered in time (RR15). */
  #expire(nowUs: number, outbox: DownloadOutput[]): void {
    for (const [number, request] of [...this.#requests]) {
      if (request.kind === "own" || request.dueUs > nowUs) continue;
      outbox.push({ kind: "abandon", request: number });
      this.#onAnswer(number, undefined, outbox);
    }
  }

  /** Asks for whatever can be asked for now. All that decides who is asked is here. */
  #goOn(nowUs: number, outbox: DownloadOutput[]): void {
    this.#openSegments(nowUs, outbox);
    let toFetch: Block[] = [];
    for (const open of this.#open) {
      for (const blockIndex of open.pending) {
        const wants = this.#place({ open, blockIndex }, nowUs, outbox);
        if (wants !== "server") continue;
        toFetch.push({ open, blockIndex });
      }
    }
    while (toFetch.length > 0 && this.#waitingForServer < SERVER_WAITING_MAX) {
      const run = firstRun(toFetch);
      toFetch = toFetch.slice(run.length);
      this.#fetch(run, nowUs, outbox);
    }
    this.#close(outbox);
  }

  /** Asks for one block, where somebody may have it who is not too busy. */
  #place(block: Block, nowUs: number, outbox: DownloadOutput[]): "asked" | "later" | "server" {
    const { open, blockIndex } = block;
    const isOwn = this.#own.holdingOf(open.id)?.has(blockIndex) === true;
    if (isOwn && !open.unreadable.has(blockIndex)) {
      this.#readOwn(block, outbox);
      return "asked";
    }
    const offers = open.offers.filter((offer) => offer.mayHave(blockIndex));
    if (offers.length === 0) return open.asking > 0 ? "later" : "server";
    if (this.#waitingForPeers >= WAITING_MAX) return "later";
    const free = offers.filter(
      (offer) => !offer.isListing && offer.peer.waiting < WAITING_PER_PEER,
    );
    const offer = free.reduce<Offer | undefined>(
      (best, one) => (best === undefined || isBetter(one, best) ? one : best),
      undefined,
    );
    if (offer === undefined) return "later";
    if (offer.isUnknown && open.segment.version === 1 && open.pending.size >= LIST_FROM_BLOCKS) {
      this.#list(open, offer, nowUs, outbox);
      return "later";
    }
    this.#get(block, offer, nowUs, outbox);
    return "asked";
  }

  #readOwn({ open, blockIndex }: Block, outbox: DownloadOutput[]): void {
    open.pending.delete(blockIndex);
    const request = this.#number();
    this.#requests.set(request, { kind: "own", open, blockIndex });
    outbox.push({ kind: "read-own", request, segmentId: open.id, blockIndex });
  }

  #get({ open, blockIndex }: Block, offer: Offer, nowUs: number, outbox: DownloadOutput[]): void {
    open.pending.delete(blockIndex);
    const request = this.#number();
    const dueUs = nowUs + REQUEST_US;
    this.#requests.set(request, { kind: "block", open, blockIndex, offer, dueUs });
    const bytes = encodeRequest({
      cipher: "aes-128",
      message: {
        kind: "get-blocks",
        segmentId: open.segment.id,
        ranges: [{ index: blockIndex, count: 1 }],
      },
    });
    this.#post(request, offer.peer, bytes, outbox);
  }

  #list(open: Open, offer: Offer, nowUs: number, outbox: DownloadOutput[]): void {
    offer.beginList();
    const request = this.#number();
    this.#requests.set(request, { kind: "list", open, offer, dueUs: nowUs + REQUEST_US });
    const ranges = rangesOf([...open.pending].sort((a, b) => a - b));
    const message = { kind: "get-block-list", segmentId: open.segment.id, ranges } as const;
    this.#post(request, offer.peer, encodeRequest({ cipher: "none", message }), outbox);
  }

  #post(request: number, peer: Peer, bytes: Uint8Array, outbox: DownloadOutput[]): void {
    peer.waiting += 1;
    this.#waitingForPeers += 1;
    outbox.push({ kind: "post", request, place: peer.place, bytes });
  }

  #fetch(run: readonly Block[], nowUs: number, outbox: DownloadOutput[]): void {
    for (const { open, blockIndex } of run) open.pending.delete(blockIndex);
    const request = this.#number();
    this.#waitingForServer += 1;
    this.#requests.set(request, { kind: "range", blocks: run, dueUs: nowUs + SERVER_US });
    const startBytes = startOf(run[0]);
    const endBytes = startBytes + run.reduce((total, block) => total + lengthOf(block), 0);
    outbox.push({ kind: "fetch", request, startBytes, endBytes });
  }

  /** Opens as many segments as may be looked for, and asks who has them. */
  #openSegments(nowUs: number, outbox: DownloadOutput[]): void {
    let blocks = 0;
    for (const open of this.#open) blocks += open.pending.size;
    const opened: Open[] = [];
    const most = SEGMENTS_PER_PROBE - this.#lost.size;
    while (blocks < OPEN_BLOCKS_MAX && opened.length < most) {
      const segment = this.#segments[this.#nextSegment];
      if (segment === undefined) break;
      this.#nextSegment += 1;
      const pending = new Set(wantedBlocks(segment, this.#range));
      const open: Open = {
        segment,
        id: toHex(segment.id),
        pending,
        unreadable: new Set(),
        offers: [],
        asking: 0,
        wasAsked: false,
      };
      this.#open.add(open);
      opened.push(open);
      blocks += pending.size;
    }
    const unknown = opened.filter(({ id, pending }) => {
      const held = this.#own.holdingOf(id);
      return [...pending].some((index) => held?.has(index) !== true);
    });
    const asked = [...this.#lost, ...unknown].slice(0, SEGMENTS_PER_PROBE);
    for (const open of asked) this.#lost.delete(open);
    if (asked.length > 0) this.#ask(asked, nowUs, outbox);
  }

  #ask(opens: readonly Open[], nowUs: number, outbox: DownloadOutput[]): void {
    const segmentIds = opens.map(({ segment }) => segment.id);
    for (const open of opens) open.wasAsked = true;
    const hosted = this.#hosted;
    if (hosted !== undefined && !hosted.isDropped) {
      for (const open of opens) open.asking += 1;
      const request = this.#number();
      const dueUs = nowUs + REQUEST_US;
      this.#requests.set(request, { kind: "segments", opens, peer: hosted, dueUs });
      const message = {
        kind: "get-segment-list",
        requestId: this.#crypto.randomBytes(16),
        segmentIds,
        blob: new Uint8Array(0),
      } as const;
      this.#post(request, hosted, encodeRequest({ cipher: "none", message }), outbox);
    }
    if (!this.#plan.discovers) return;
    for (const open of opens) open.asking += 1;
    const question = this.#number();
    this.#questions.set(question, opens);
    const version = opens[0]?.segment.version ?? 1;
    outbox.push({ kind: "ask", question, version, segmentIds });
  }

  /** Lets go of segments of which everything has been delivered, and notices the end. */
  #close(outbox: DownloadOutput[]): void {
    const busy = new Set<Open>();
    for (const request of this.#requests.values()) {
      if (request.kind === "own" || request.kind === "block") busy.add(request.open);
      if (request.kind === "range") for (const { open } of request.blocks) busy.add(open);
    }
    for (const open of this.#open) {
      if (open.pending.size === 0 && !busy.has(open)) this.#open.delete(open);
    }
    if (this.#open.size > 0 || this.#nextSegment < this.#segments.length) return;
    this.#end(outbox);
    outbox.push({ kind: "done" });
  }

  #number(): number {
    this.#numbers += 1;
    return this.#numbers;
  }
}

/** The hosted cache before peers, and of these who has least to do. */
function isBetter(one: Offer, other: Offer): boolean {
  if (one.peer.kind !== other.peer.kind) return one.peer.kind === "hosted";
  return one.peer.waiting < other.peer.waiting;
}
