import type { ContentId } from "../../base/ids.ts";
import type { KeptBecause } from "../../swarm/cache-policy.ts";
import { pieceOf, type StoredContent } from "./stored-content.ts";

/** A content in the cache, for the operator. */
export type CacheEntry = {
  readonly contentId: ContentId;
  readonly name: string;
  readonly version: string;
  readonly sizeBytes: number;
  /** What of it lies on the disk. */
  readonly heldBytes: number;
  readonly usedAtMs: number;
  readonly pinned: boolean;
  /** It has been handed over. */
  readonly delivered: boolean;
  /** Why the cache does not let go of it; `undefined` where it may. */
  readonly keptBecause: KeptBecause | undefined;
};

/** Describes a content of the cache. */
export function cacheEntry(
  content: StoredContent,
  keptBecause: KeptBecause | undefined,
): CacheEntry {
  const { contentId, manifest, held, usedAtMs, pinned, delivered } = content;
  let heldBytes = 0;
  for (const piece of manifest.pieces.keys()) {
    if (held.has(piece)) heldBytes += pieceOf(content, piece)?.sizeBytes ?? 0;
  }
  const { name, version, sizeBytes } = manifest;
  const facts = { contentId, name, version, sizeBytes, heldBytes };
  return { ...facts, usedAtMs, pinned, delivered, keptBecause };
}
