import { KIB, MIB } from "../base/units.ts";

/** The most a segment of version 1 holds; all but the last hold exactly this (MS-PCCRC 2.1). */
export const SEGMENT_V1_BYTES: number = 32 * MIB;

/** A block of version 1; only the last of a segment may be shorter. */
export const BLOCK_BYTES: number = 64 * KIB;

/** How many blocks a segment of version 1 has at most. */
export const BLOCKS_PER_SEGMENT: number = SEGMENT_V1_BYTES / BLOCK_BYTES;

/** The most a segment of version 2 holds, which is one block (MS-PCCRC 2.4). */
export const SEGMENT_V2_BYTES_MAX: number = 128 * KIB;

/** The length of the ids by which Windows finds segments. */
export const SEGMENT_ID_BYTES = 32;

/**
 * The most bytes of content information that are taken from anybody: enough for version 2 of some
 * 60 GiB in segments of 64 KiB, and for version 1 of twice as much.
 */
export const CONTENT_INFORMATION_BYTES_MAX: number = 64 * MIB;
