import { randomUUID } from "node:crypto";
import { open, readdir, rename, rm, stat, statfs } from "node:fs/promises";
import { isAbsolute, join, normalize } from "node:path";
import { OperatorError } from "../../runtime/operator-error.ts";
import {
  type BlobName,
  type BlobStorage,
  type ByteRange,
  blobMissing,
  PART_BYTES,
  parseBlobName,
  READ_BYTES_MAX,
  type Writing,
} from "./blob-storage.ts";

/** How files are called that are being written; a blob's name never begins so. */
const PARTIAL = ".upload-";

/** After this time without a write a partial file is what a crash left; uploads end sooner. */
const LEFT_BEHIND_MS = 366 * 86_400_000;

/** A directory as file storage: a blob is a file, which a web server could serve as it is. */
export class DirectoryStorage implements BlobStorage {
  readonly #path: string;

  /**
   * Opens a directory that is there. None is made: a path that was mistyped, or a disk that is not
   * mounted, must not fill another one.
   *
   * @throws OperatorError `storage-directory` where it cannot be one, or has other files in it;
   * `storage-unusable`.
   */
  static async open(path: string): Promise<DirectoryStorage> {
    if (!isAbsolute(path) || path.includes("\0")) {
      throw unfit(path, "is no absolute path: write it from the root on, such as /srv/packages");
    }
    const storage = new DirectoryStorage(normalize(path));
    await storage.#expectOurs();
    return storage;
  }

  private constructor(path: string) {
    this.#path = path;
  }

  async sizeOf(name: BlobName): Promise<number | undefined> {
    return await this.#guard(async () => {
      const stats = await stat(join(this.#path, name)).catch(onMissing);
      return stats?.isFile() === true ? stats.size : undefined;
    });
  }

  async *read(name: BlobName, range: ByteRange): AsyncIterable<Uint8Array> {
    const file = await this.#guard(() => open(join(this.#path, name), "r").catch(onMissing));
    if (file === undefined) throw blobMissing(name);
    try {
      const end = range.offsetBytes + range.lengthBytes;
      for (let at = range.offsetBytes; at < end; ) {
        const bytes = new Uint8Array(Math.min(READ_BYTES_MAX, end - at));
        const { bytesRead } = await this.#guard(() => file.read(bytes, 0, bytes.length, at));
        if (bytesRead === 0) throw blobMissing(name);
        yield bytes.subarray(0, bytesRead);
        at += bytesRead;
      }
    } finally {
      await file.close();
    }
  }

  async begin(name: BlobName, sizeBytes: number): Promise<Writing> {
    const mark = `${PARTIAL}${randomUUID()}`;
    await this.#guard(async () => {
      const { bavail, bsize } = await statfs(this.#path);
      if (bavail * bsize < sizeBytes) throw full(this.#path, `${sizeBytes} bytes are needed`);
      const file = await open(join(this.#path, mark), "wx", 0o644);
      await file.close();
    });
    return { name, sizeBytes, doneBytes: 0, mark, parts: [] };
  }

  async append(writing: Writing, bytes: Uint8Array): Promise<Writing> {
    await this.#guard(async () => {
      await using file = await open(this.#partialOf(writing), "r+");
      for (let done = 0; done < bytes.length; ) {
        const { bytesWritten } = await file.write(
          bytes,
          done,
          bytes.length - done,
          writing.doneBytes + done,
        );
        done += bytesWritten;
      }
      await file.sync();
    });
    return { ...writing, doneBytes: writing.doneBytes + bytes.length };
  }

  async isThere(writing: Writing): Promise<boolean> {
    return await this.#guard(async () => {
      const stats = await stat(this.#partialOf(writing)).catch(onMissing);
      if (stats !== undefined) return stats.size >= writing.doneBytes;
      // It may have been finished just before a crash.
      return (await this.sizeOf(writing.name)) === writing.sizeBytes;
    });
  }

  async finish(writing: Writing): Promise<void> {
    const partial = this.#partialOf(writing);
    const place = join(this.#path, writing.name);
    await this.#guard(async () => {
      const file = await open(partial, "r+").catch(onMissing);
      if (file === undefined && (await this.sizeOf(writing.name)) === writing.sizeBytes) return;
      if (file === undefined) throw blobMissing(writing.name);
      try {
        // After a crash more may be there than was counted, and has been written over since.
        await file.truncate(writing.sizeBytes);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(partial, place);
      await syncFolder(this.#path);
    });
  }

  async abandon(writing: Writing): Promise<void> {
    await this.#guard(() => rm(this.#partialOf(writing), { force: true }));
  }

  async remove(name: BlobName): Promise<void> {
    await this.#guard(async () => {
      await rm(join(this.#path, name), { force: true });
      await syncFolder(this.#path);
    });
  }

  partBytes(): number {
    return PART_BYTES;
  }

  async close(): Promise<void> {}

  #partialOf({ mark }: Writing): string {
    if (!/^\.upload-[0-9a-f-]{36}$/.test(mark)) throw new Error("a mark of another storage");
    return join(this.#path, mark);
  }

  async #expectOurs(): Promise<void> {
    const names = await this.#guard(() => readdir(this.#path).catch(onMissing));
    if (names === undefined) {
      const mend = "make it first, for the account that runs the server";
      throw unfit(this.#path, `is not there: ${mend}`);
    }
    const foreign = names.find((name) => !isOurs(name));
    if (foreign === undefined) {
      await this.#guard(() => this.#removeLeftBehind(names));
      return;
    }
    const mend = "name an empty directory, or one that has been file storage";
    throw unfit(this.#path, `has other things in it ("${foreign.slice(0, 100)}"): ${mend}`);
  }

  /** Removes what nobody has written to for so long that no upload can know of it any more. */
  async #removeLeftBehind(names: readonly string[]): Promise<void> {
    for (const name of names.filter((one) => one.startsWith(PARTIAL))) {
      const path = join(this.#path, name);
      const stats = await stat(path).catch(onMissing);
      if (stats !== undefined && Date.now() - stats.mtimeMs > LEFT_BEHIND_MS) await rm(path);
    }
  }

  async #guard<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const code = codeOf(error);
      if (code === undefined || error instanceof OperatorError) throw error;
      if (code === "ENOSPC" || code === "EDQUOT") {
        throw full(this.#path, "the disk is full", error);
      }
      throw new OperatorError(
        "storage-unusable",
        `The file storage ${this.#path} cannot be used (${code}): check that it is there, that its ` +
          "disk is in order, and that it belongs to the account that runs the server.",
        { cause: error },
      );
    }
  }
}

/** What may lie in a directory that is file storage; a new disk brings the last one along. */
function isOurs(name: string): boolean {
  return parseBlobName(name) !== undefined || name.startsWith(PARTIAL) || name === "lost+found";
}

function full(path: string, why: string, cause?: unknown): OperatorError {
  const sentence = `The file storage ${path} has no room (${why}): free some, and try again.`;
  return new OperatorError("storage-full", sentence, { cause });
}

function unfit(path: string, problem: string): OperatorError {
  return new OperatorError("storage-directory", `The directory "${path}" ${problem}.`);
}

/** What is not there is a value. */
function onMissing(error: unknown): undefined {
  const code = codeOf(error);
  if (code !== "ENOENT" && code !== "ENOTDIR") throw error;
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error ? String(error.code) : undefined;
}

/** Makes what was renamed or removed in a folder survive a power loss. */
async function syncFolder(path: string): Promise<void> {
  // Windows cannot open folders, and writes their changes to its journal by itself.
  if (process.platform === "win32") return;
  await using folder = await open(path, "r");
  await folder.sync();
}
