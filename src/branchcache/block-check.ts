import { equalBytes } from "../base/bytes.ts";
import {
  blockCount,
  blockHash,
  blockLength,
  listedBlocks,
  type Segment,
} from "./content-information.ts";
import type { BranchCacheCrypto } from "./crypto.ts";
import { digest } from "./scheme.ts";

/** Whether bytes are a segment's block (CI14). */
export function isBlock(
  crypto: BranchCacheCrypto,
  segment: Segment,
  blockIndex: number,
  bytes: Uint8Array,
): boolean {
  if (bytes.length !== blockLength(segment, blockIndex)) return false;
  const wanted = blockHash(segment, blockIndex);
  const isListed = wanted.length === segment.scheme.digestBytes;
  return isListed && equalBytes(digest(crypto, segment.scheme, bytes), wanted);
}

/** Whether the block hashes of a wholly listed segment are those of its id (CI14). */
export function isConsistent(crypto: BranchCacheCrypto, segment: Segment): boolean {
  if (segment.version === 2 || listedBlocks(segment) < blockCount(segment)) return true;
  return equalBytes(digest(crypto, segment.scheme, segment.blockHashes), segment.hashOfData);
}
