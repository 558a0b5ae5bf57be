import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { copyFile, open, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { ContentId } from "../base/ids.ts";
import { nodeCrypto } from "../runtime/crypto.ts";
import { OperatorError } from "../runtime/operator-error.ts";
import { originName } from "../swarm/origin-name.ts";

/** A file at an origin. */
export type OriginFile = {
  readonly path: string;
  /** It was there already, and has been kept. */
  readonly wasThere: boolean;
};

/**
 * Copies the complete transfer of a content from the file storage directory into a directory, under
 * the name that devices ask an origin for. The file appears whole, or not at all.
 *
 * @throws OperatorError `origin-blob-missing`, `origin-unusable` or `origin-full`.
 */
export async function putAtOrigin(given: {
  readonly storage: string;
  readonly contentId: ContentId;
  readonly directory: string;
}): Promise<OriginFile> {
  const { storage, contentId, directory } = given;
  const blob = join(storage, contentId, "content");
  const blobBytes = await sizeOf(blob);
  if (blobBytes === undefined) throw missing(blob);
  const path = join(directory, originName(nodeCrypto, contentId));
  // Of what was copied by hand and broken off, the length is wrong: it is copied again.
  if ((await sizeOf(path)) === blobBytes) return { path, wasThere: true };
  const partial = join(directory, `.partial-${randomUUID()}`);
  try {
    await copyFile(blob, partial, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    await sync(partial);
    await rename(partial, path);
    return { path, wasThere: false };
  } catch (cause) {
    await rm(partial, { force: true }).catch(() => undefined);
    throw unusable(directory, cause);
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() === true ? found.size : undefined;
}

async function sync(path: string): Promise<void> {
  const file = await open(path, "r+");
  try {
    await file.chmod(0o644);
    await file.sync();
  } finally {
    await file.close();
  }
}

function missing(blob: string): OperatorError {
  return new OperatorError(
    "origin-blob-missing",
    `The package's bytes are not at ${blob}: name the file storage directory that it was ` +
      "published to with --storage, or publish it again.",
  );
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
