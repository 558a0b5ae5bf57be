import { SECOND } from "../base/units.ts";
import type { Segment } from "./content-information.ts";
import type { Place } from "./holdings.ts";

/** Where a block came from. */
export type BlockSource = "own" | "peer" | "hosted" | "server";

/** What a download is told. A request is answered once, or never. */
export type DownloadInput =
  | { readonly kind: "start" }
  | {
      readonly kind: "found";
      readonly question: number;
      readonly place: Place;
      readonly segments: readonly { readonly index: number; readonly isComplete: boolean }[];
    }
  | { readonly kind: "ended"; readonly question: number }
  | {
      readonly kind: "answer";
      readonly request: number;
      /** A peer's response, a block of our own, or a part of the server's file; absent: none came. */
      readonly bytes?: Uint8Array;
    }
  | { readonly kind: "timer" };

/** What a download wants done. */
export type DownloadOutput =
  | {
      readonly kind: "ask";
      readonly question: number;
      readonly version: 1 | 2;
      readonly segmentIds: readonly Uint8Array[];
    }
  | {
      readonly kind: "read-own";
      readonly request: number;
      readonly segmentId: string;
      readonly blockIndex: number;
    }
  | {
      readonly kind: "post";
      readonly request: number;
      readonly place: Place;
      readonly bytes: Uint8Array;
    }
  | {
      readonly kind: "fetch";
      readonly request: number;
      readonly startBytes: number;
      readonly endBytes: number;
    }
  /** The answer is of no use any more. */
  | { readonly kind: "abandon"; readonly request: number }
  | {
      /** A verified block, once for each. */
      readonly kind: "block";
      readonly segment: Segment;
      readonly blockIndex: number;
      readonly bytes: Uint8Array;
      readonly source: BlockSource;
      /** How many others said that they have the segment. */
      readonly others: { readonly any: number; readonly complete: number };
    }
  | { readonly kind: "bad-block"; readonly place: Place }
  | { readonly kind: "done" }
  | { readonly kind: "failed"; readonly why: DownloadFailure };

/**
 * Why a download cannot go on: the server does not give what nobody else has, or its file is
 * no longer the one that its content information describes.
 */
export type DownloadFailure = "server-failed" | "content-changed";

/** How a download goes about it. */
export type DownloadPlan = {
  /** Whether the subnet is asked. */
  readonly discovers: boolean;
  /** A hosted cache that is asked first of all. */
  readonly hosted?: Place;
};

/** How long a peer may take for one message (MS-PCCRR 3.1.2). */
export const REQUEST_US: number = 2 * SECOND;

/** How long the server may be silent about a range. */
export const SERVER_US: number = 60 * SECOND;

/** How many requests for blocks wait at a time, at all peers (RR14). */
export const WAITING_MAX = 32;

/** How many of them at one peer: enough to keep it at work. */
export const WAITING_PER_PEER = 8;

/** How many peers one download uses (MS-PCCRR 3.1.1). */
export const PEERS_MAX = 16;

/** From so many wanted blocks on a peer is asked for its list first (MS-CCROD 3.1; RR16). */
export const LIST_FROM_BLOCKS = 4;

/** How many blocks are looked for at a time: what lies behind them waits. */
export const OPEN_BLOCKS_MAX = 1_024;

/** How much is asked of the server at once. */
export const SERVER_RANGE_BYTES: number = 1 << 20;

/** How many ranges the server is asked for at a time. */
export const SERVER_WAITING_MAX = 2;
