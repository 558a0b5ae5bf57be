import { closeSync, constants, mkdirSync, openSync, rmSync } from "node:fs";
import { join } from "node:path";
import { equalBytes } from "../base/bytes.ts";
import { blockCount, blockLength } from "../branchcache/content-information.ts";
import { AES_BLOCK_BYTES } from "../branchcache/crypto.ts";
import type { HeldSegment, Holdings, StoredBlock } from "../branchcache/holdings.ts";
import type { OfferedShape } from "../branchcache/hosted-cache-types.ts";
import { digest, SCHEME_V1, SCHEME_V2 } from "../branchcache/scheme.ts";
import { branchCacheCrypto } from "./node-crypto.ts";
import { ReadFiles } from "./read-files.ts";
import { type BlockRow, type SegmentRow, StoreIndex } from "./store-index.ts";
import { writeAllSync } from "./write-all.ts";

/** How much a cache may hold, and for how long. */
export type StoreLimits = {
  /** Above this the oldest segments go. */
  readonly bytesMax: number;
  /** Older segments go, counted from the first cache that had them; `Infinity`: never. */
  readonly ageMsMax: number;
};

/** What is told of how a segment was had. */
export type Provenance = {
  readonly others?: { readonly any: number; readonly complete: number };
  /** How old it was already, in milliseconds. */
  readonly ageMs?: number;
};

type Entry = SegmentRow & { readonly blocks: Map<number, BlockRow> };

/**
 * Segments of BranchCache on disk: a file for each, and an index of what stands in it.
 *
 * A block with known hashes is hashed again whenever it is read: what has rotted, or was not
 * whole when the power went, is let go of and never given to anybody.
 */
export class BlockStore implements Holdings {
  readonly #folder: string;
  readonly #index: StoreIndex;
  readonly #limits: StoreLimits;
  readonly #files = new ReadFiles();
  /** In the order in which they were first had: the oldest first. */
  readonly #segments = new Map<string, Entry>();
  #bytes = 0;
  #evicted = 0;

  /** Opens the cache in `folder`, and makes it where there is none. */
  constructor(folder: string, limits: StoreLimits) {
    this.#folder = join(folder, "segments");
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    this.#index = new StoreIndex(join(folder, "segments.db"));
    this.#limits = limits;
    for (const { row, blocks } of this.#index.load()) {
      const entry = { ...row, blocks };
      this.#segments.set(row.segmentId, entry);
      for (const block of blocks.values()) this.#bytes += block.lengthBytes;
    }
    this.tidy();
  }

  /** How many bytes of blocks there are. */
  get bytes(): number {
    return this.#bytes;
  }

  get segments(): number {
    return this.#segments.size;
  }

  /** How many segments were let go of for their age or for room, since the start. */
  get evicted(): number {
    return this.#evicted;
  }

  holdingOf(segmentId: string): HeldSegment | undefined {
    const entry = this.#segments.get(segmentId);
    if (entry === undefined || this.#isTooOld(entry)) return undefined;
    return {
      version: entry.version,
      lengthBytes: entry.lengthBytes,
      blockSizeBytes: entry.blockSizeBytes,
      blockCount: blockCount(entry),
      heldBlocks: entry.blocks.size,
      // The age is by the system's clock: it must outlast a restart.
      ageUs: () => 1_000 * Math.max(0, Date.now() - entry.bornAtMs),
      has: (blockIndex) => entry.blocks.has(blockIndex),
      isVerified: entry.keys !== undefined,
      others: entry.others,
    };
  }

  /** Keeps a block. The caller has checked it where its hash is known. */
  put(
    shape: OfferedShape,
    blockIndex: number,
    block: StoredBlock,
    { others = { any: 0, complete: 0 }, ageMs = 0 }: Provenance = {},
  ): void {
    let entry = this.#segments.get(shape.segmentId);
    if (entry === undefined || (entry.keys === undefined) !== (shape.keys === undefined)) {
      this.drop(shape.segmentId);
      const row = { ...shape, bornAtMs: Date.now() - ageMs, others };
      entry = { ...row, blocks: new Map() };
      this.#index.addSegment(row);
      this.#segments.set(shape.segmentId, entry);
    }
    if (entry.blocks.has(blockIndex)) return;
    this.#write(entry, blockIndex, block.bytes);
    const row: BlockRow =
      block.kind === "plain"
        ? { lengthBytes: block.bytes.length }
        : { lengthBytes: block.bytes.length, cipher: block.cipher, iv: block.iv.slice() };
    entry.blocks.set(blockIndex, row);
    this.#index.addBlock(shape.segmentId, blockIndex, row);
    this.#bytes += row.lengthBytes;
    if (this.#bytes > this.#limits.bytesMax) this.tidy(entry);
  }

  /** Reads a block; `undefined` where it is not there, or not what it was. */
  async read(segmentId: string, blockIndex: number): Promise<StoredBlock | undefined> {
    const entry = this.#segments.get(segmentId);
    const row = entry?.blocks.get(blockIndex);
    if (entry === undefined || row === undefined) return undefined;
    const bytes = await this.#readBytes(entry, blockIndex, row.lengthBytes);
    if (bytes !== undefined && entry.keys === undefined) {
      const { cipher = "aes-128", iv = new Uint8Array(0) } = row;
      return { kind: "sealed", cipher, iv, bytes };
    }
    if (bytes !== undefined && isSound(entry, blockIndex, bytes)) {
      return { kind: "plain", bytes, secret: entry.keys?.secret ?? new Uint8Array(0) };
    }
    if (this.#segments.get(segmentId) === entry) this.#dropBlock(entry, blockIndex);
    return undefined;
  }

  /** Lets go of a segment. */
  drop(segmentId: string): void {
    const entry = this.#segments.get(segmentId);
    if (entry === undefined) return;
    for (const { lengthBytes } of entry.blocks.values()) this.#bytes -= lengthBytes;
    this.#segments.delete(segmentId);
    this.#index.removeSegment(segmentId);
    this.#files.forget(this.#path(segmentId));
    rmSync(this.#path(segmentId), { force: true });
  }

  /** Lets go of what is too old, and of the oldest while there is too much. */
  tidy(spared?: Entry): void {
    for (const entry of [...this.#segments.values()]) {
      const isOver = this.#bytes > this.#limits.bytesMax;
      if (entry === spared || (!isOver && !this.#isTooOld(entry))) continue;
      this.drop(entry.segmentId);
      this.#evicted += 1;
    }
  }

  close(): void {
    this.#files.close();
    this.#index.close();
  }

  #isTooOld({ bornAtMs }: Entry): boolean {
    return Date.now() - bornAtMs > this.#limits.ageMsMax;
  }

  #dropBlock(entry: Entry, blockIndex: number): void {
    const row = entry.blocks.get(blockIndex);
    if (row === undefined) return;
    entry.blocks.delete(blockIndex);
    this.#bytes -= row.lengthBytes;
    this.#index.removeBlock(entry.segmentId, blockIndex);
  }

  /** At once and not later: what waits to be written would be memory that others fill. */
  #write(entry: Entry, blockIndex: number, bytes: Uint8Array): void {
    const path = this.#path(entry.segmentId);
    const isFirst = entry.blocks.size === 0;
    if (isFirst) mkdirSync(join(this.#folder, entry.segmentId.slice(0, 2)), { recursive: true });
    // Made anew where somebody has removed it: the blocks that were in it are missed when read.
    const file = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
    try {
      writeAllSync(file, bytes, placeOf(entry, blockIndex));
    } finally {
      closeSync(file);
    }
  }

  async #readBytes(
    entry: Entry,
    blockIndex: number,
    lengthBytes: number,
  ): Promise<Uint8Array | undefined> {
    const path = this.#path(entry.segmentId);
    return await this.#files.read(path, placeOf(entry, blockIndex), lengthBytes);
  }

  #path(segmentId: string): string {
    return join(this.#folder, segmentId.slice(0, 2), segmentId);
  }
}

/** Blocks have room for their padding, whether they are padded or not. */
function placeOf({ blockSizeBytes }: Entry, blockIndex: number): number {
  return blockIndex * (blockSizeBytes + AES_BLOCK_BYTES);
}

function isSound(entry: Entry, blockIndex: number, bytes: Uint8Array): boolean {
  const scheme = entry.version === 1 ? SCHEME_V1 : SCHEME_V2;
  const at = blockIndex * scheme.digestBytes;
  const wanted = entry.keys?.blockHashes.subarray(at, at + scheme.digestBytes);
  if (wanted === undefined || bytes.length !== blockLength(entry, blockIndex)) return false;
  return equalBytes(digest(branchCacheCrypto, scheme, bytes), wanted);
}
