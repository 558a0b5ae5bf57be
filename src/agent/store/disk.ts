import { hash } from "node:crypto";
import { type FileHandle, lstat, open, statfs } from "node:fs/promises";
import { OperatorError } from "../../runtime/operator-error.ts";

/** SHA-256 of something that fits in memory. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return hash("sha256", bytes, "buffer");
}

/** Writes all of `bytes` at an offset: one `write` may take fewer, as on a disk that runs full. */
export async function writeFully(
  file: FileHandle,
  bytes: Uint8Array,
  offsetBytes: number,
): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, offsetBytes + done);
    done += bytesWritten;
  }
}

/** The same for bytes that lie elsewhere in memory and are one behind the other in the file. */
export async function writeTogether(
  file: FileHandle,
  parts: readonly Uint8Array[],
  offsetBytes: number,
): Promise<void> {
  const { bytesWritten } = await file.writev([...parts], offsetBytes);
  let at = 0;
  for (const part of parts) {
    const done = Math.min(part.length, Math.max(0, bytesWritten - at));
    if (done < part.length) await writeFully(file, part.subarray(done), offsetBytes + at + done);
    at += part.length;
  }
}

/** Fills `bytes` from an offset. Returns how many bytes were there. */
export async function readFully(
  file: FileHandle,
  bytes: Uint8Array,
  offsetBytes: number,
): Promise<number> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesRead } = await file.read(bytes, done, bytes.length - done, offsetBytes + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

/** Writes a file that must not be there yet, and syncs it. */
export async function writeNewFile(path: string, bytes: Uint8Array, mode: number): Promise<void> {
  const file = await open(path, "wx", mode);
  try {
    await writeFully(file, bytes, 0);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes what was created, renamed or removed in a folder survive a power loss. */
export async function syncFolder(path: string): Promise<void> {
  // Windows cannot open folders, and writes their changes to its journal by itself.
  if (process.platform === "win32") return;
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** How many bytes an ordinary user can still write to the file system of `path`. */
export async function freeBytesOf(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}

/** Whether something is at `path`, be it a link that leads nowhere. */
export async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return false;
    throw error;
  }
}

/** The code of an error of the operating system or of SQLite; `undefined` for any other. */
export function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  return "syscall" in error || error.code === "ERR_SQLITE_ERROR" ? String(error.code) : undefined;
}

/** Whether an error says that the disk, or the share of it that we may use, is full. */
export function isDiskFull(error: unknown): boolean {
  const code = errorCode(error);
  if (code !== "ERR_SQLITE_ERROR") return code === "ENOSPC" || code === "EDQUOT";
  return error instanceof Error && "errcode" in error && error.errcode === SQLITE_FULL;
}

/**
 * A sentence for the operator about what the disk refused. Anything that is not about the disk is
 * a mistake of ours, and thrown on.
 *
 * @param doing - What was being done, such as `write a piece`.
 */
export function diskProblem(doing: string, error: unknown): string {
  if (isDiskFull(error)) return `The disk is full: there is no room to ${doing}. Free some space.`;
  const code = errorCode(error);
  if (code === undefined || !(error instanceof Error)) throw error;
  return `The disk did not let us ${doing}: ${error.message}.`;
}

/** SQLite's result code for a full disk. */
const SQLITE_FULL = 13;

/** Says why a store cannot be opened, where the disk is why; else the error as it is. */
export function storeUnusable(folder: string, error: unknown): unknown {
  if (errorCode(error) === undefined || !(error instanceof Error)) return error;
  return new OperatorError(
    "store-unusable",
    `The content store ${folder} cannot be opened: ${error.message}. Check the folder's ` +
      "permissions and the free space on its disk.",
    { cause: error },
  );
}
