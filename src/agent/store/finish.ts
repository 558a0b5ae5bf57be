import { chmod, type FileHandle } from "node:fs/promises";
import { equalBytes } from "../../base/bytes.ts";
import { Delivery, takeBack } from "./delivery.ts";
import { diskProblem, errorCode, isDiskFull, readFully, sha256 } from "./disk.ts";
import { readAhead } from "./read-ahead.ts";
import type { StoreParts } from "./store-parts.ts";
import { blobPath, openFlags, type StoredContent, unhold } from "./stored-content.ts";
import { FileSplitter, TransferCheck } from "./transfer-check.ts";

/**
 * Reads a complete content back from the disk, checks each file and the whole, and hands over what
 * it has checked. Pieces that turn out wrong are not held any more, and what was handed over of
 * the content before is taken back.
 *
 * @returns A sentence that says why the content is not finished; `undefined` where it is.
 */
export async function finishContent(
  content: StoredContent,
  parts: StoreParts,
): Promise<string | undefined> {
  if (!content.held.full) {
    const missing = content.held.size - content.held.count;
    return `${missing} of ${content.held.size} pieces are not held yet.`;
  }
  try {
    const problem = await checkAndHandOver(content, parts);
    return problem === undefined ? undefined : await dropWrongPieces(content, parts, problem);
  } catch (error) {
    const problem = diskProblem("finish the content", error);
    // What cannot be read has to be fetched again, too.
    return isDiskFull(error) ? problem : await dropWrongPieces(content, parts, problem);
  }
}

async function checkAndHandOver(
  content: StoredContent,
  parts: StoreParts,
): Promise<string | undefined> {
  const delivery = await Delivery.begin(parts.deliveryFolder, content);
  try {
    const problem = await parts.handles.use(blobPath(content), openFlags(content), (file) =>
      checkAndBuild(content, delivery, file),
    );
    if (problem !== undefined) return problem;
    await parts.deliveryTurn.run(() => delivery.complete());
  } finally {
    await delivery.abandon();
  }
  parts.index.finish(content.contentId, true);
  content.finished = true;
  content.delivered = true;
  return undefined;
}

/** One pass over the transfer: what is handed over is what was checked. */
async function checkAndBuild(
  { manifest }: StoredContent,
  delivery: Delivery,
  file: FileHandle,
): Promise<string | undefined> {
  const check = new TransferCheck(manifest);
  const splitter = new FileSplitter(manifest.files);
  for await (const bytes of readAhead(file, manifest.sizeBytes)) {
    check.addWhole(bytes);
    for (const part of splitter.parts(bytes)) {
      check.addPart(part);
      await delivery.add(part);
    }
  }
  return check.problem();
}

async function dropWrongPieces(
  content: StoredContent,
  { handles, index, deliveryFolder }: StoreParts,
  problem: string,
): Promise<string> {
  try {
    const wrong = await handles.use(blobPath(content), openFlags(content), (file) =>
      wrongPieces(content, file),
    );
    if (wrong.length === 0) return problem;
    await takeBack(deliveryFolder, content);
    index.dropPieces(content.contentId, wrong);
    for (const piece of wrong) unhold(content, piece);
    content.finished = false;
    content.delivered = false;
    await chmod(blobPath(content), 0o600);
    return `${problem} ${wrong.length} pieces on this disk were damaged and are fetched again.`;
  } catch (error) {
    return `${problem} ${diskProblem("look for damaged pieces", error)}`;
  }
}

async function wrongPieces(content: StoredContent, file: FileHandle): Promise<readonly number[]> {
  const wrong: number[] = [];
  for (const [
    piece,
    { offsetBytes, sizeBytes, sha256: expected },
  ] of content.manifest.pieces.entries()) {
    const bytes = new Uint8Array(sizeBytes);
    if (!(await isReadable(file, bytes, offsetBytes)) || !equalBytes(sha256(bytes), expected)) {
      wrong.push(piece);
    }
  }
  return wrong;
}

async function isReadable(
  file: FileHandle,
  bytes: Uint8Array,
  offsetBytes: number,
): Promise<boolean> {
  try {
    return (await readFully(file, bytes, offsetBytes)) === bytes.length;
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return false;
  }
}
