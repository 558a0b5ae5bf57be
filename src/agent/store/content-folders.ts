import { chmod, mkdir, open, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { Bitset } from "../../base/bitset.ts";
import { equalBytes } from "../../base/bytes.ts";
import { type ContentId, contentIdBytes } from "../../base/ids.ts";
import { decodeSignedManifest } from "../../content/manifest-codec.ts";
import { errorCode, sha256, syncFolder, writeNewFile } from "./disk.ts";
import type { IndexedContent, StoreIndex } from "./store-index.ts";
import { blobPath, HOUR_MS, hold, manifestPath, type StoredContent } from "./stored-content.ts";

/** A content that the store is to have, or has, and where what counts of it is not yet known. */
export type NewContent = Pick<StoredContent, "contentId" | "manifest" | "signed">;

/** What is known of a content beside its bytes. */
export type ContentRecord = Pick<StoredContent, "delivered" | "pinned" | "usedAtMs">;

/**
 * Makes a content's folder with its manifest and a blob of its full size, and notes it in the
 * index: last, so that a crash leaves a folder that the next start removes.
 */
export async function addContent(
  storeFolder: string,
  index: StoreIndex,
  added: NewContent,
  record: ContentRecord,
): Promise<StoredContent> {
  const content = contentIn(storeFolder, added, record);
  try {
    await discardContent(storeFolder, index, added.contentId);
    await mkdir(content.folder, { mode: 0o700 });
    await writeNewFile(manifestPath(content), added.signed, 0o600);
    const blob = await open(blobPath(content), "wx", 0o600);
    try {
      await blob.truncate(added.manifest.sizeBytes);
      await blob.sync();
    } finally {
      await blob.close();
    }
    await syncFolder(content.folder);
    await syncFolder(join(storeFolder, CONTENTS));
    index.addContent(added.contentId, { ...record, usedAtHour: content.indexedHour });
    return content;
  } catch (error) {
    await rm(content.folder, { recursive: true, force: true });
    throw error;
  }
}

/**
 * Removes a content: its files first, because on a full disk the index cannot change before they
 * are gone. What a crash leaves in the index without its files, the next start removes.
 */
export async function discardContent(
  storeFolder: string,
  index: StoreIndex,
  contentId: ContentId,
): Promise<void> {
  await rm(folderOf(storeFolder, contentId), { recursive: true, force: true });
  index.removeContent(contentId);
}

/**
 * Lets go of a content's bytes and keeps the word that it has been handed over.
 *
 * The file goes first here too; the next start knows what that means.
 */
export async function evictContent(index: StoreIndex, content: StoredContent): Promise<void> {
  await rm(blobPath(content), { force: true });
  await syncFolder(content.folder);
  index.evict(content.contentId);
}

/**
 * Finds what the store has, and removes what is of no use: folders that are not in the index, and
 * contents whose manifest or blob is damaged or gone.
 *
 * A content of a publisher that is not pinned any more is left alone and left out: the publisher
 * may be missing by mistake, and the content is there again when it is back.
 */
export async function loadContents(
  storeFolder: string,
  index: StoreIndex,
  pinned: readonly Uint8Array[],
): Promise<readonly StoredContent[]> {
  const loaded: StoredContent[] = [];
  const kept = new Set<string>();
  for (const row of index.contents()) {
    const content = await loadContent(storeFolder, index, row);
    if (content === undefined) {
      await discardContent(storeFolder, index, row.contentId);
      continue;
    }
    kept.add(row.contentId);
    const { publisher } = content.manifest;
    if (pinned.some((key) => equalBytes(key, publisher))) loaded.push(content);
  }
  const contents = join(storeFolder, CONTENTS);
  for (const name of await readdir(contents)) {
    if (!kept.has(name)) await rm(join(contents, name), { recursive: true, force: true });
  }
  return loaded;
}

/** The folder of the store in which each content has its own. */
export const CONTENTS = "contents";

function folderOf(storeFolder: string, contentId: ContentId): string {
  return join(storeFolder, CONTENTS, contentId);
}

function contentIn(
  storeFolder: string,
  added: NewContent,
  { delivered, pinned, usedAtMs }: ContentRecord,
): StoredContent {
  return {
    ...added,
    folder: folderOf(storeFolder, added.contentId),
    held: new Bitset(added.manifest.pieces.length),
    missingBytes: added.manifest.sizeBytes,
    finished: false,
    delivered,
    pinned,
    evicted: false,
    usedAtMs,
    indexedHour: Math.floor(usedAtMs / HOUR_MS),
    activeAtMs: Number.NEGATIVE_INFINITY,
    users: 0,
    removed: false,
  };
}

/** A content of the index as it lies on disk; `undefined` where it cannot be used. */
async function loadContent(
  storeFolder: string,
  index: StoreIndex,
  row: IndexedContent,
): Promise<StoredContent | undefined> {
  const { contentId } = row;
  const folder = folderOf(storeFolder, contentId);
  const signed = await readManifest(folder);
  // Its signature was checked before it was written; the content id covers what it says.
  const decoded = signed === undefined ? undefined : decodeSignedManifest(signed);
  if (signed === undefined || decoded === undefined || !decoded.ok) return undefined;
  const { manifest, body } = decoded.value;
  if (!equalBytes(sha256(body), contentIdBytes(contentId))) return undefined;
  const { delivered, pinned, usedAtHour } = row;
  const record = { delivered, pinned, usedAtMs: usedAtHour * HOUR_MS };
  const content = contentIn(storeFolder, { contentId, manifest, signed }, record);
  const bytesThere = await blobBytes(content);
  if (bytesThere === undefined && delivered) {
    index.evict(contentId);
    content.evicted = true;
    content.missingBytes = 0;
    return content;
  }
  if (bytesThere !== manifest.sizeBytes) return undefined;
  for (const piece of row.pieces) {
    if (piece < content.held.size) hold(content, piece);
  }
  content.finished = row.finished;
  // It was to become read-only, or is so no more, when a crash came.
  if (!row.finished) await chmod(blobPath(content), 0o600);
  return content;
}

async function readManifest(folder: string): Promise<Uint8Array | undefined> {
  try {
    return new Uint8Array(await readFile(manifestPath({ folder })));
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

async function blobBytes(content: StoredContent): Promise<number | undefined> {
  try {
    return (await stat(blobPath(content))).size;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}
