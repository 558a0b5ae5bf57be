import { type FileHandle, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { OperatorError } from "../operator-error.ts";

/**
 * Writes a file that only its owner may read, so that after a crash either the old or the new one
 * is there as a whole.
 *
 * The folder is made where it is missing. One writer at a time: the new file first lies beside the
 * old one, as `<path>.new`.
 *
 * @throws OperatorError `file-not-written`.
 */
export async function writeSecretFile(path: string, text: string): Promise<void> {
  const fresh = `${path}.new`;
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    // What a crash left behind may have other permissions: only a new file gets ours.
    await rm(fresh, { force: true });
    await writeSynced(await open(fresh, "wx", 0o600), text);
    await rename(fresh, path);
    await syncFolder(dirname(path));
  } catch (cause) {
    throw new OperatorError(
      "file-not-written",
      `${path} could not be written (${codeOf(cause)}): check that its folder belongs to the ` +
        "account that runs Branchline and that the disk has room.",
      { cause },
    );
  }
}

/**
 * Reads a file that `writeSecretFile` wrote.
 *
 * @param remedy - What to do where there is none, as half a sentence.
 * @throws OperatorError `file-missing` or `file-unreadable`.
 */
export async function readSecretFile(path: string, remedy: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") {
      throw new OperatorError("file-missing", `${path} does not exist: ${remedy}.`, { cause });
    }
    throw new OperatorError(
      "file-unreadable",
      `${path} could not be read (${codeOf(cause)}): check that it is a file and belongs to the ` +
        "account that runs Branchline.",
      { cause },
    );
  }
}

async function writeSynced(file: FileHandle, text: string): Promise<void> {
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes the renaming last. Windows has no way to ask for that, and needs none. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function codeOf(cause: unknown): string {
  return cause instanceof Error && "code" in cause ? String(cause.code) : "unknown error";
}
