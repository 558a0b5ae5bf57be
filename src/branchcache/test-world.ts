import { toHex } from "../base/hex.ts";
import { type ContentHashes, informationOf } from "./content-hashes.ts";
import { blockCount, blockLength, type Segment, segmentsOf } from "./content-information.ts";
import type { BranchCacheCrypto } from "./crypto.ts";
import { HashBuilderV1 } from "./hash-builder-v1.ts";
import { HashBuilderV2 } from "./hash-builder-v2.ts";
import type { HeldSegment, Holdings, StoredBlock } from "./holdings.ts";

/** A content with its segments, for tests. */
export type TestContent = { readonly bytes: Uint8Array; readonly segments: readonly Segment[] };

/** Makes a content of `lengthBytes` and its segments of a version. */
export function testContent(
  crypto: BranchCacheCrypto,
  version: 1 | 2,
  lengthBytes: number,
): TestContent {
  const zeros = new Uint8Array(Math.ceil(lengthBytes / 16) * 16);
  const key = new Uint8Array(16).fill(version);
  const bytes = crypto.encryptCbc(key, new Uint8Array(16), zeros).subarray(0, lengthBytes);
  const builder = version === 1 ? new HashBuilderV1(crypto) : new HashBuilderV2(crypto);
  builder.push(bytes);
  const hashes: ContentHashes = builder.finish();
  const information = informationOf(crypto, hashes, new Uint8Array(32).fill(9));
  if (information === undefined) throw new Error("an empty content has no segments");
  return { bytes, segments: segmentsOf(crypto, information) };
}

/** A cache in memory. */
export class TestCache implements Holdings {
  readonly #segments = new Map<string, Map<number, StoredBlock>>();
  readonly #shapes = new Map<
    string,
    Pick<HeldSegment, "version" | "lengthBytes" | "blockSizeBytes" | "blockCount" | "isVerified">
  >();
  /** What is said of others, and how old everything is. */
  others = { any: 0, complete: 0 };
  ageUs = 0;

  holdingOf(segmentId: string): HeldSegment | undefined {
    const blocks = this.#segments.get(segmentId);
    const shape = this.#shapes.get(segmentId);
    if (blocks === undefined || shape === undefined) return undefined;
    return {
      ...shape,
      heldBlocks: blocks.size,
      ageUs: () => this.ageUs,
      has: (index) => blocks.has(index),
      others: this.others,
    };
  }

  /** Puts blocks of a content into the cache: those for which `which` says so. */
  fill(content: TestContent, which: (segmentIndex: number, blockIndex: number) => boolean): void {
    for (const [segmentIndex, segment] of content.segments.entries()) {
      for (let index = 0; index < blockCount(segment); index += 1) {
        if (!which(segmentIndex, index)) continue;
        const at = segment.offsetBytes + index * segment.blockSizeBytes;
        const bytes = content.bytes.subarray(at, at + blockLength(segment, index));
        this.put(
          toHex(segment.id),
          index,
          { kind: "plain", bytes, secret: segment.secret },
          segment,
        );
      }
    }
  }

  put(
    segmentId: string,
    blockIndex: number,
    block: StoredBlock,
    shape: {
      readonly version: 1 | 2;
      readonly lengthBytes: number;
      readonly blockSizeBytes: number;
    },
  ): void {
    const blocks = this.#segments.get(segmentId) ?? new Map<number, StoredBlock>();
    blocks.set(blockIndex, block);
    this.#segments.set(segmentId, blocks);
    this.#shapes.set(segmentId, {
      blockCount: blockCount(shape),
      version: shape.version,
      lengthBytes: shape.lengthBytes,
      blockSizeBytes: shape.blockSizeBytes,
      isVerified: block.kind === "plain",
    });
  }

  clear(segmentId: string): void {
    this.#segments.delete(segmentId);
  }

  get(segmentId: string, blockIndex: number): StoredBlock | undefined {
    return this.#segments.get(segmentId)?.get(blockIndex);
  }
}
