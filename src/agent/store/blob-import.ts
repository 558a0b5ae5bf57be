import { chmod, type FileHandle, open } from "node:fs/promises";
import { equalBytes } from "../../base/bytes.ts";
import { OperatorError } from "../../runtime/operator-error.ts";
import { errorCode, isDiskFull, readFully, sha256 } from "./disk.ts";
import type { PieceToStore } from "./piece-writer.ts";
import type { StoreParts } from "./store-parts.ts";
import { blobPath, type StoredContent } from "./stored-content.ts";
import { FileSplitter, TransferCheck } from "./transfer-check.ts";

/** What is to be taken in. */
export type BlobImport = {
  readonly content: StoredContent;
  /** The file with the complete transfer. */
  readonly blob: string;
  /** Told how many bytes have been taken in so far. */
  readonly onBytes: (bytes: number) => void;
};

/**
 * Fills a content from a file with its complete transfer, verifying each piece and each file.
 *
 * @throws OperatorError `blob-damaged`, `store-full`, `store-unusable`.
 */
export async function importBlob(job: BlobImport, parts: StoreParts): Promise<void> {
  const { content, blob, onBytes } = job;
  if (content.finished) {
    onBytes(content.manifest.sizeBytes);
    return;
  }
  let file: FileHandle | undefined;
  try {
    file = await open(blob, "r");
    const problem = await copyPieces(job, file, parts);
    if (problem !== undefined) throw damaged(blob, problem);
    await chmod(blobPath(content), 0o400);
    parts.index.finish(content.contentId, content.delivered);
    content.finished = true;
  } catch (error) {
    throw importError(blob, error);
  } finally {
    await file?.close();
  }
}

/** Says what is wrong with the blob; `undefined` where nothing is. */
async function copyPieces(
  job: BlobImport,
  file: FileHandle,
  parts: StoreParts,
): Promise<string | undefined> {
  const { content, onBytes } = job;
  const check = new TransferCheck(content.manifest);
  const splitter = new FileSplitter(content.manifest.files);
  let batch: PieceToStore[] = [];
  let [batchBytes, doneBytes] = [0, 0];
  // One batch is written while the next is read and hashed.
  let writing: Promise<void> = Promise.resolve();
  try {
    for (const [piece, expected] of content.manifest.pieces.entries()) {
      const bytes = new Uint8Array(expected.sizeBytes);
      await readFully(file, bytes, expected.offsetBytes);
      if (!equalBytes(sha256(bytes), expected.sha256)) {
        return `Its bytes from ${expected.offsetBytes} on are not those of the manifest.`;
      }
      check.addWhole(bytes);
      for (const part of splitter.parts(bytes)) check.addPart(part);
      batch.push({ content, piece, bytes });
      batchBytes += bytes.length;
      if (batchBytes < parts.batchBytesMax) continue;
      await writing;
      onBytes(doneBytes);
      doneBytes += batchBytes;
      writing = keepBatch(content, batch, parts);
      batch = [];
      batchBytes = 0;
    }
    await writing;
    writing = keepBatch(content, batch, parts);
  } finally {
    await writing;
  }
  onBytes(doneBytes + batchBytes);
  return check.problem();
}

function keepBatch(
  content: StoredContent,
  batch: readonly PieceToStore[],
  { writer }: StoreParts,
): Promise<void> {
  const kept = writer.keep(content, batch);
  // It is awaited after the next batch has been read, and must not count as unhandled until then.
  kept.catch(() => undefined);
  return kept;
}

function importError(blob: string, error: unknown): unknown {
  if (error instanceof OperatorError || errorCode(error) === undefined) return error;
  if (isDiskFull(error)) {
    return new OperatorError(
      "store-full",
      "The disk of the content store is full. Free some space and publish again.",
      { cause: error },
    );
  }
  return new OperatorError(
    "store-unusable",
    `The content cannot be taken in from ${blob}: ${error instanceof Error ? error.message : ""}. ` +
      "Check that the file is there and can be read, and that the store can be written.",
    { cause: error },
  );
}

function damaged(blob: string, problem: string): OperatorError {
  return new OperatorError(
    "blob-damaged",
    `${blob} is not what its manifest says. ${problem} Publish the package again.`,
  );
}
