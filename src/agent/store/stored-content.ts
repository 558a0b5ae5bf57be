import { join } from "node:path";
import type { Bitset } from "../../base/bitset.ts";
import type { ContentId } from "../../base/ids.ts";
import type { Manifest, ManifestPiece } from "../../content/manifest.ts";
import type { StorageInput } from "../../effects/storage.ts";

/** A content of the store. What is `held`, `finished` and `delivered` is what the index says. */
export type StoredContent = {
  readonly contentId: ContentId;
  readonly manifest: Manifest;
  /** The manifest as it travels. */
  readonly signed: Uint8Array;
  /** Holds `content`, the complete transfer with each piece at its offset, and `manifest`. */
  readonly folder: string;
  readonly held: Bitset;
  /** How much of the content is not held: the disk must still have room for it. */
  missingBytes: number;
  finished: boolean;
  delivered: boolean;
  pinned: boolean;
  /** Nothing of it is on disk but its manifest: the cache let go of it once it was delivered. */
  evicted: boolean;
  /** When it was last fetched, served or read, on the wall clock. */
  usedAtMs: number;
  /** The hour of `usedAtMs` that the index has. */
  indexedHour: number;
  /** When it was last used since the store was opened; -Infinity before. */
  activeAtMs: number;
  /** Reads and other work under way. */
  users: number;
  /** On its way out: nothing is written to it, read from it or reported of it any more. */
  removed: boolean;
};

/** An hour, in milliseconds: the grain in which the index knows when a content was used. */
export const HOUR_MS = 3_600_000;

/** Where the store tells what it did. */
export type StorageReport = (input: StorageInput) => void;

/** The file with the complete transfer. */
export function blobPath(content: Pick<StoredContent, "folder">): string {
  return join(content.folder, "content");
}

/** The file with the signed manifest. */
export function manifestPath(content: Pick<StoredContent, "folder">): string {
  return join(content.folder, "manifest");
}

/** How the file must be opened: once finished it is read-only, as whoever has a link to it wants. */
export function openFlags(content: StoredContent): "r" | "r+" {
  return content.finished ? "r" : "r+";
}

/** Notes that the index holds a piece. */
export function hold(content: StoredContent, piece: number): void {
  if (content.held.add(piece)) content.missingBytes -= pieceOf(content, piece)?.sizeBytes ?? 0;
}

/** Notes that the index does not hold a piece any more. */
export function unhold(content: StoredContent, piece: number): void {
  if (content.held.delete(piece)) content.missingBytes += pieceOf(content, piece)?.sizeBytes ?? 0;
}

/** A piece by its number; `undefined` where the content has none of that number. */
export function pieceOf(content: StoredContent, piece: number): ManifestPiece | undefined {
  return content.manifest.pieces[piece];
}
