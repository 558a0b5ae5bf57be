import { MIB } from "../base/units.ts";
import { DATAGRAM_BYTES_INITIAL } from "../wire/datagram.ts";
import { BufferPool } from "./buffer-pool.ts";

/**
 * The memory of fragments that wait for the rest of their record: across a line every datagram
 * needs some, for a few milliseconds.
 */
export const FRAGMENTS: BufferPool = new BufferPool({
  // The payload of any datagram that a line takes.
  bufferBytes: 1_472,
  arrayBytesMin: DATAGRAM_BYTES_INITIAL / 2,
  keptBytesMax: 4 * MIB,
});
