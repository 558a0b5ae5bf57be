import { BLOCKS_PER_SEGMENT, SEGMENT_V2_BYTES_MAX } from "./limits.ts";

/** The most bytes of a request (MS-PCCRR 2.2.1.2). */
export const REQUEST_BYTES_MAX = 98_304;

/** The most bytes of a response's message; the field before it is not counted (2.2.2). */
export const RESPONSE_BYTES_MAX = 393_216;

/** How many ranges of blocks a request names at most; blocks in turn there and away make as many. */
export const RANGES_MAX: number = BLOCKS_PER_SEGMENT / 2;

/** The longest segment id, of SHA-512 in version 1. */
export const ANY_SEGMENT_ID_BYTES_MAX = 64;

/** The longest block as it travels: one of version 2, and its padding. */
export const SEALED_BLOCK_BYTES_MAX: number = SEGMENT_V2_BYTES_MAX + 16;

/** Where retrieval requests are posted to, with the slash; the case of letters does not matter. */
export const RETRIEVAL_PATH = "/116B50EB-ECE2-41ac-8429-9F9E963361B7/";
