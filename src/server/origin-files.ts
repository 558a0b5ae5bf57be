import { randomUUID } from "node:crypto";
import { type FileHandle, open, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { ContentId } from "../base/ids.ts";
import { OperatorError } from "../runtime/operator-error.ts";
import type { BlobStorage } from "./storage/blob-storage.ts";
import { blobNameOf } from "./storage/uploads.ts";

/** A file at an origin. */
export type OriginFile = {
  readonly path: string;
  /** It was there already, and has been kept. */
  readonly wasThere: boolean;
};

/**
 * Copies the complete transfer of a content from the file storage into a directory, under the name
 * that devices ask an origin for. The file appears whole, or not at all.
 *
 * @throws OperatorError `blob-missing`, `origin-unusable` or `origin-full`, and as the storage does.
 */
export async function putAtOrigin(given: {
  readonly storage: BlobStorage;
  readonly contentId: ContentId;
  readonly directory: string;
}): Promise<OriginFile> {
  const { storage, contentId, directory } = given;
  const name = blobNameOf(contentId);
  const sizeBytes = await storage.sizeOf(name);
  if (sizeBytes === undefined) throw missing(contentId);
  const path = join(directory, name);
  // Of what was copied by hand and broken off, the length is wrong: it is copied again.
  if ((await sizeOf(path)) === sizeBytes) return { path, wasThere: true };
  const partial = join(directory, `.partial-${randomUUID()}`);
  try {
    await using file = await open(partial, "wx", 0o644);
    for await (const part of storage.read(name, { offsetBytes: 0, lengthBytes: sizeBytes })) {
      await file.appendFile(part);
    }
    await sync(file);
    await rename(partial, path);
    return { path, wasThere: false };
  } catch (cause) {
    await rm(partial, { force: true }).catch(() => undefined);
    throw cause instanceof OperatorError ? cause : unusable(directory, cause);
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() === true ? found.size : undefined;
}

async function sync(file: FileHandle): Promise<void> {
  await file.chmod(0o644);
  await file.sync();
}

function missing(contentId: ContentId): OperatorError {
  const sentence = `The package ${contentId} is not in the file storage: publish it there.`;
  return new OperatorError("blob-missing", sentence);
}

function unusable(directory: string, cause: unknown): OperatorError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : String(cause);
  if (code === "ENOSPC" || code === "EDQUOT") {
    const sentence = `The origin ${directory} has no room: free some, and try again.`;
    return new OperatorError("origin-full", sentence, { cause });
  }
  const mend = "check that the directory is there and belongs to the account that runs Branchline";
  const sentence = `The origin ${directory} cannot be written (${code}): ${mend}.`;
  return new OperatorError("origin-unusable", sentence, { cause });
}
