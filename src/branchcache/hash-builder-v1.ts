import { concat } from "../base/bytes.ts";
import type { ContentHashesV1 } from "./content-hashes.ts";
import type { BranchCacheCrypto } from "./crypto.ts";
import { BLOCK_BYTES, BLOCKS_PER_SEGMENT } from "./limits.ts";
import { digest, SCHEME_V1 } from "./scheme.ts";

/** Hashes a content for version 1 in one pass, however it is cut into chunks (CI2, CI11). */
export class HashBuilderV1 {
  readonly #crypto: BranchCacheCrypto;
  readonly #rest = new Uint8Array(BLOCK_BYTES);
  #restBytes = 0;
  readonly #blocks: Uint8Array[] = [];
  readonly #segments: ContentHashesV1["segments"][number][] = [];
  #segmentBytes = 0;
  #lengthBytes = 0;

  constructor(crypto: BranchCacheCrypto) {
    this.#crypto = crypto;
  }

  /** Takes the next bytes of the content; keeps none of them. */
  push(chunk: Uint8Array): void {
    let at = 0;
    if (this.#restBytes > 0) {
      at = Math.min(chunk.length, BLOCK_BYTES - this.#restBytes);
      this.#keep(chunk.subarray(0, at));
      if (this.#restBytes === BLOCK_BYTES) this.#endRest();
    }
    for (; at + BLOCK_BYTES <= chunk.length; at += BLOCK_BYTES) {
      this.#addBlock(chunk.subarray(at, at + BLOCK_BYTES));
    }
    this.#keep(chunk.subarray(at));
  }

  /** The hashes of all that was pushed. Nothing may be pushed afterwards. */
  finish(): ContentHashesV1 {
    if (this.#restBytes > 0) this.#endRest();
    if (this.#blocks.length > 0) this.#endSegment();
    return { version: 1, lengthBytes: this.#lengthBytes, segments: this.#segments };
  }

  #keep(bytes: Uint8Array): void {
    this.#rest.set(bytes, this.#restBytes);
    this.#restBytes += bytes.length;
  }

  #endRest(): void {
    this.#addBlock(this.#rest.subarray(0, this.#restBytes));
    this.#restBytes = 0;
  }

  #addBlock(block: Uint8Array): void {
    this.#blocks.push(digest(this.#crypto, SCHEME_V1, block));
    this.#segmentBytes += block.length;
    if (this.#blocks.length === BLOCKS_PER_SEGMENT) this.#endSegment();
  }

  #endSegment(): void {
    const blockHashes = concat(this.#blocks.splice(0));
    const hashOfData = digest(this.#crypto, SCHEME_V1, blockHashes);
    this.#segments.push({ lengthBytes: this.#segmentBytes, hashOfData, blockHashes });
    this.#lengthBytes += this.#segmentBytes;
    this.#segmentBytes = 0;
  }
}
