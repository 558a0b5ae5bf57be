import { setImmediate } from "node:timers/promises";
import { equalBytes } from "../../base/bytes.ts";
import type { ContentId } from "../../base/ids.ts";
import type { ManifestPiece } from "../../content/manifest.ts";
import { errorCode, readFully, sha256 } from "./disk.ts";
import type { PieceToStore } from "./piece-writer.ts";
import type { StoreParts } from "./store-parts.ts";
import { blobPath, openFlags, pieceOf, type StoredContent } from "./stored-content.ts";

/**
 * Fills a new content with the pieces that other contents of the store hold already, such as those
 * that did not change since the version before. Each is verified again on the way.
 *
 * @throws What the disk or the index refuses to write with.
 */
export async function copySharedPieces(
  content: StoredContent,
  contents: ReadonlyMap<ContentId, StoredContent>,
  parts: StoreParts,
): Promise<void> {
  let batch: PieceToStore[] = [];
  let batchBytes = 0;
  for (const [piece, wanted] of content.manifest.pieces.entries()) {
    // Looking up is synchronous, and a content may have some ten thousand pieces.
    if (piece % LOOKED_UP_AT_ONCE === 0) await setImmediate();
    const bytes = await findPiece(wanted, contents, parts);
    if (bytes === undefined) continue;
    batch.push({ content, piece, bytes });
    batchBytes += bytes.length;
    if (batchBytes < parts.batchBytesMax) continue;
    await parts.writer.keep(content, batch);
    batch = [];
    batchBytes = 0;
  }
  if (batch.length > 0) await parts.writer.keep(content, batch);
}

/** How many pieces are looked up before others on this thread get their turn. */
const LOOKED_UP_AT_ONCE = 256;

async function findPiece(
  wanted: ManifestPiece,
  contents: ReadonlyMap<ContentId, StoredContent>,
  { index, handles }: StoreParts,
): Promise<Uint8Array | undefined> {
  for (const { contentId, piece } of index.holdersOf(wanted.sha256)) {
    const holder = contents.get(contentId);
    const place = holder && pieceOf(holder, piece);
    if (holder === undefined || place === undefined) continue;
    const bytes = new Uint8Array(wanted.sizeBytes);
    try {
      await handles.use(blobPath(holder), openFlags(holder), (file) =>
        readFully(file, bytes, place.offsetBytes),
      );
    } catch (error) {
      // Another device has the piece too.
      if (errorCode(error) === undefined) throw error;
      continue;
    }
    if (equalBytes(sha256(bytes), wanted.sha256)) return bytes;
  }
  return undefined;
}
