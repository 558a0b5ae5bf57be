import { chmod, type FileHandle } from "node:fs/promises";
import { takeBack, takeBackLink } from "./delivery.ts";
import { diskProblem, isDiskFull } from "./disk.ts";
import { isIntact } from "./piece-check.ts";
import type { StoreParts } from "./store-parts.ts";
import { blobPath, openFlags, type StoredContent, unhold } from "./stored-content.ts";

/**
 * Checks each file and the whole of a complete content as they lie on the disk, and hands over what
 * has been checked. Pieces that turn out wrong are not held any more, and what was handed over of
 * the content before is taken back.
 *
 * @returns A sentence that says why the content is not finished; `undefined` where it is.
 */
export async function finishContent(
  content: StoredContent,
  parts: StoreParts,
): Promise<string | undefined> {
  if (!content.held.full || content.evicted) {
    const missing = content.held.size - content.held.count;
    return `${missing} of ${content.held.size} pieces are not held yet.`;
  }
  try {
    const check = await parts.checks.take(content);
    const problem = await check.finish();
    if (problem !== undefined) return await dropWrongPieces(content, parts, problem);
    parts.index.finish(content.contentId, true);
    content.finished = true;
    content.delivered = true;
    return undefined;
  } catch (error) {
    const problem = diskProblem("finish the content", error);
    // What cannot be read has to be fetched again, too.
    return isDiskFull(error) ? problem : await dropWrongPieces(content, parts, problem);
  }
}

/**
 * Hashes a piece as it lies on the disk. One that is wrong is not held afterwards; where it has
 * been handed over as a link, that is taken back, because it is the same file.
 */
export async function recheckPiece(
  content: StoredContent,
  piece: number,
  parts: StoreParts,
): Promise<boolean> {
  if (!content.held.has(piece)) return false;
  const intact = await parts.handles.use(blobPath(content), openFlags(content), (file) =>
    isIntact(content, piece, file),
  );
  if (intact || content.removed) return intact && !content.removed;
  await takeBackLink(parts.deliveryFolder, content);
  await unholdPieces(content, [piece], parts);
  return false;
}

async function dropWrongPieces(
  content: StoredContent,
  parts: StoreParts,
  problem: string,
): Promise<string> {
  try {
    const wrong = await parts.handles.use(blobPath(content), openFlags(content), (file) =>
      wrongPieces(content, file),
    );
    if (wrong.length === 0) return problem;
    await takeBack(parts.deliveryFolder, content);
    await unholdPieces(content, wrong, parts);
    return `${problem} ${wrong.length} pieces on this disk were damaged and are fetched again.`;
  } catch (error) {
    return `${problem} ${diskProblem("look for damaged pieces", error)}`;
  }
}

async function unholdPieces(
  content: StoredContent,
  wrong: readonly number[],
  { checks, index }: StoreParts,
): Promise<void> {
  await checks.drop(content);
  index.dropPieces(content.contentId, wrong);
  for (const piece of wrong) unhold(content, piece);
  content.finished = false;
  content.delivered = false;
  await chmod(blobPath(content), 0o600);
}

async function wrongPieces(content: StoredContent, file: FileHandle): Promise<readonly number[]> {
  const wrong: number[] = [];
  for (const piece of content.manifest.pieces.keys()) {
    if (!(await isIntact(content, piece, file))) wrong.push(piece);
  }
  return wrong;
}
