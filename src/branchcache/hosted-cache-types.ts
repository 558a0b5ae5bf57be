import { GIB, SECOND } from "../base/units.ts";
import type { Place, StoredBlock } from "./holdings.ts";

/** What a hosted cache is told. */
export type HostedCacheInput =
  | {
      readonly kind: "offer";
      readonly exchange: number;
      /** By which address it came: 1 over TLS. */
      readonly version: 1 | 2;
      readonly bytes: Uint8Array;
      /** The address that the client has. */
      readonly host: string;
    }
  | { readonly kind: "answer"; readonly request: number; readonly bytes?: Uint8Array }
  | { readonly kind: "timer" };

/** What a hosted cache wants done. */
export type HostedCacheOutput =
  | { readonly kind: "respond"; readonly exchange: number; readonly bytes: Uint8Array }
  | { readonly kind: "refuse"; readonly exchange: number }
  | {
      readonly kind: "post";
      readonly request: number;
      readonly place: Place;
      readonly bytes: Uint8Array;
    }
  | { readonly kind: "abandon"; readonly request: number }
  | {
      readonly kind: "store";
      readonly segment: OfferedShape;
      readonly blockIndex: number;
      readonly block: StoredBlock;
      /** What was held of the segment is let go of first. */
      readonly replaces: boolean;
    };

/** What a cache must know of a segment to keep its blocks. */
export type OfferedShape = {
  readonly version: 1 | 2;
  readonly segmentId: string;
  readonly lengthBytes: number;
  readonly blockSizeBytes: number;
  /** Present where the offer brought them, or the cache read the content itself. */
  readonly keys?: {
    readonly secret: Uint8Array;
    readonly hashOfData: Uint8Array;
    readonly blockHashes: Uint8Array;
  };
};

/** The bounds of a hosted cache (HC9). */
export type HostedCacheLimits = {
  /** How many offered segments wait at a time. */
  readonly jobsMax: number;
  /** How many of them from one host. */
  readonly jobsPerHost: number;
  /** How much one host may bring in an hour that nobody can check. */
  readonly uncheckedBytesPerHost: number;
};

/** What a hosted cache has unless it is told otherwise. */
export const HOSTED_CACHE_LIMITS: HostedCacheLimits = {
  jobsMax: 65_536,
  jobsPerHost: 16_384,
  uncheckedBytesPerHost: 16 * GIB,
};

/** How many blocks are fetched at a time, and how many from one host. */
export const PULLS_MAX = 32;
export const PULLS_PER_HOST = 8;

/** How long a client may take for a block that it has offered. */
export const PULL_US: number = 5 * SECOND;

/** How often a client may fail to bring blocks of a segment. */
export const PULL_FAILURES_MAX = 3;

/** What could not be checked is fetched anew when it is offered again after this time. */
export const REFRESH_US: number = 60 * SECOND;
