import type { Place } from "./holdings.ts";
import type { IndexRange } from "./retrieval-message.ts";

/** Somebody who may have segments, for as long as one download lasts. */
export class Peer {
  readonly place: Place;
  readonly kind: "peer" | "hosted";
  /** Requests that wait for an answer. */
  waiting = 0;
  /** How often it kept us waiting; somebody who answers begins anew. */
  strikes = 0;
  isDropped = false;

  constructor(place: Place, kind: "peer" | "hosted") {
    this.place = place;
    this.kind = kind;
  }

  /** Counts an answer that did not come; the third one is the last (MS-PCCRR 3.1.1; RR15). */
  strike(): void {
    this.strikes += 1;
    if (this.strikes >= STRIKES_MAX) this.isDropped = true;
  }
}

/** How often a peer may keep us waiting. */
export const STRIKES_MAX = 3;

/** What one peer has of one segment, as far as it is known. */
export class Offer {
  readonly peer: Peer;
  /** `unknown`: it may be asked for any block. */
  #state: "unknown" | "listing" | "listed" | "complete" = "unknown";
  readonly #blocks = new Set<number>();
  readonly #excluded = new Set<number>();

  constructor(peer: Peer, isComplete: boolean) {
    this.peer = peer;
    if (isComplete) this.#state = "complete";
  }

  /** Whether its list has been asked for and not come. */
  get isListing(): boolean {
    return this.#state === "listing";
  }

  /** Whether a list of its blocks would say anything new. */
  get isUnknown(): boolean {
    return this.#state === "unknown";
  }

  get isComplete(): boolean {
    return this.#state === "complete";
  }

  beginList(): void {
    this.#state = "listing";
  }

  /** Takes the list; nothing where none came. */
  endList(ranges: readonly IndexRange[]): void {
    this.#state = "listed";
    for (const { index, count } of ranges) {
      for (let block = index; block < index + count; block += 1) this.#blocks.add(block);
    }
  }

  /** It does not have this block, or keeps us waiting for it. */
  exclude(blockIndex: number): void {
    this.#excluded.add(blockIndex);
  }

  /** Whether the block may still come from here, now or later. */
  mayHave(blockIndex: number): boolean {
    if (this.peer.isDropped || this.#excluded.has(blockIndex)) return false;
    return this.#state !== "listed" || this.#blocks.has(blockIndex);
  }
}
