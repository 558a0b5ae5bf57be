import { mkdirSync } from "node:fs";
import { toHex } from "../../src/base/hex.ts";
import { sealBlock } from "../../src/branchcache/block-cipher.ts";
import { informationOf } from "../../src/branchcache/content-hashes.ts";
import {
  blockCount,
  blockLength,
  type Segment,
  segmentsOf,
} from "../../src/branchcache/content-information.ts";
import { HashBuilderV1 } from "../../src/branchcache/hash-builder-v1.ts";
import { HashBuilderV2 } from "../../src/branchcache/hash-builder-v2.ts";
import type { StoredBlock } from "../../src/branchcache/holdings.ts";
import { BlockStore } from "../../src/peerdist/block-store.ts";
import { branchCacheCrypto as crypto } from "../../src/peerdist/node-crypto.ts";
import { OperatorError } from "../../src/runtime/operator-error.ts";

/**
 * Fills the data folder of a hosted cache with a content: with its keys in version 1, as offers of
 * version 1.0 bring them, and encrypted without them in version 2.
 */
export function fillHostedCache(
  folder: string,
  version: 1 | 2,
  content: Uint8Array,
): readonly Segment[] {
  const builder = version === 1 ? new HashBuilderV1(crypto) : new HashBuilderV2(crypto);
  builder.push(content);
  const information = informationOf(crypto, builder.finish(), crypto.randomBytes(32));
  if (information === undefined) throw new OperatorError("bench-empty", "An empty package.");
  const segments = segmentsOf(crypto, information);
  mkdirSync(folder, { mode: 0o700 });
  const store = new BlockStore(folder, { bytesMax: Infinity, ageMsMax: Infinity });
  for (const segment of segments) {
    for (let index = 0; index < blockCount(segment); index += 1) {
      const at = segment.offsetBytes + index * segment.blockSizeBytes;
      const bytes = content.subarray(at, at + blockLength(segment, index));
      store.put(shapeOf(segment), index, stored(segment, bytes));
    }
  }
  store.close();
  return segments;
}

function shapeOf(segment: Segment) {
  const { version, lengthBytes, blockSizeBytes, secret, hashOfData, blockHashes } = segment;
  const shape = { version, segmentId: toHex(segment.id), lengthBytes, blockSizeBytes };
  return version === 1 ? { ...shape, keys: { secret, hashOfData, blockHashes } } : shape;
}

function stored(segment: Segment, bytes: Uint8Array): StoredBlock {
  if (segment.version === 1) return { kind: "plain", bytes, secret: segment.secret };
  const { cipher, block, iv } = sealBlock(crypto, "aes-128", segment.secret, bytes);
  return { kind: "sealed", cipher, bytes: block, iv };
}
