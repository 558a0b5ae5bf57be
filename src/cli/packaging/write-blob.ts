import { randomUUID } from "node:crypto";
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { join, relative, resolve, sep } from "node:path";
import {
  errorCode,
  freeBytesOf,
  isDiskFull,
  isThere,
  syncFolder,
  writeFully,
  writeNewFile,
} from "../../agent/store/disk.ts";
import type { ContentId } from "../../base/ids.ts";
import type { Manifest } from "../../content/manifest.ts";
import { decodeSignedManifest } from "../../content/manifest-codec.ts";
import { signManifest } from "../../content/signed-manifest.ts";
import { OperatorError } from "../../runtime/operator-error.ts";
import type { PublisherKey } from "../../runtime/publisher-key.ts";
import { MANIFEST_BYTES_MAX } from "../../wire/messages.ts";
import { type PackageOptions, type PackageSink, readPackage } from "./read-package.ts";

/** A package in a folder. */
export type StoredBlob = {
  readonly contentId: ContentId;
  readonly manifest: Manifest;
  /** The signed manifest, as it travels. */
  readonly signed: Uint8Array;
  /** Its own folder, with the files `content` and `manifest`. */
  readonly folder: string;
  /** The file with the complete transfer. */
  readonly blob: string;
  /** The very same content was there already, and has been kept. */
  readonly wasThere: boolean;
};

/**
 * Reads a package, signs it, and puts it into a folder as `<contentId>/content` and
 * `<contentId>/manifest`. The folder appears complete and synced, or not at all.
 *
 * @throws OperatorError `work-folder-full`, `work-folder-unusable`, `work-folder-inside-package`,
 * `package-too-large`, `package-refused`, and those of `readPackage`.
 */
export async function writeBlob(
  path: string,
  options: Omit<PackageOptions, "publisher" | "sink">,
  target: { readonly folder: string; readonly key: PublisherKey },
): Promise<StoredBlob> {
  const folder = resolve(target.folder);
  expectApart(resolve(path), folder);
  const writer = await BlobWriter.begin(folder);
  try {
    const { manifest } = await readPackage(path, {
      ...options,
      publisher: target.key.key,
      sink: writer,
    });
    const { contentId, signed } = signManifest(manifest, target.key);
    expectAcceptable(path, signed);
    const wasThere = await writer.complete(contentId, signed);
    const own = join(folder, contentId);
    return { contentId, manifest, signed, folder: own, blob: join(own, CONTENT), wasThere };
  } finally {
    await writer.abandon();
  }
}

/** The names of the two files of a content. */
const CONTENT = "content";
const MANIFEST = "manifest";

/** How the temporary folders are called; a content id never begins so. */
const PARTIAL = ".partial-";

/** After this time without a write, in milliseconds, a temporary folder is what a crash left. */
const LEFT_BEHIND_MS = 86_400_000;

/** A content on its way into the folder. */
class BlobWriter implements PackageSink {
  readonly #folder: string;
  readonly #partial: string;
  #blob: FileHandle | undefined;
  #sizeBytes = 0;
  #writtenBytes = 0;

  static async begin(folder: string): Promise<BlobWriter> {
    const writer = new BlobWriter(folder);
    await writer.#guard(async () => {
      await mkdir(folder, { recursive: true });
      await removeLeftBehind(folder);
    });
    return writer;
  }

  private constructor(folder: string) {
    this.#folder = folder;
    this.#partial = join(folder, `${PARTIAL}${randomUUID()}`);
  }

  async begin(sizeBytes: number): Promise<void> {
    this.#sizeBytes = sizeBytes;
    await this.#guard(async () => {
      if ((await freeBytesOf(this.#folder)) < sizeBytes) throw await this.#full(undefined);
      await mkdir(this.#partial);
      this.#blob = await open(join(this.#partial, CONTENT), "wx", 0o644);
    });
  }

  async write(bytes: Uint8Array): Promise<void> {
    const { length } = bytes;
    await this.#guard(async () => {
      if (this.#blob !== undefined) await writeFully(this.#blob, bytes, this.#writtenBytes);
    });
    this.#writtenBytes += length;
  }

  /** Moves the content to its place. Says whether it was there already. */
  async complete(contentId: ContentId, signed: Uint8Array): Promise<boolean> {
    const place = join(this.#folder, contentId);
    return await this.#guard(async () => {
      if (await isThere(place)) return true;
      await this.#blob?.sync();
      await this.#closeBlob();
      await writeNewFile(join(this.#partial, MANIFEST), signed, 0o644);
      await syncFolder(this.#partial);
      await rename(this.#partial, place);
      await syncFolder(this.#folder);
      return false;
    });
  }

  /** Removes what is not at its place. */
  async abandon(): Promise<void> {
    await this.#closeBlob();
    await rm(this.#partial, { recursive: true, force: true });
  }

  async #closeBlob(): Promise<void> {
    const blob = this.#blob;
    this.#blob = undefined;
    await blob?.close();
  }

  async #guard<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (isDiskFull(error)) throw await this.#full(error);
      const code = errorCode(error);
      if (code === undefined) throw error;
      throw new OperatorError(
        "work-folder-unusable",
        `The folder ${this.#folder} cannot be written (${code}). Check the path, its ` +
          "permissions and its disk.",
        { cause: error },
      );
    }
  }

  async #full(cause: unknown): Promise<OperatorError> {
    // What is written so far goes away with the temporary folder.
    const freeBytes = (await freeBytesOf(this.#folder)) + this.#writtenBytes;
    return new OperatorError(
      "work-folder-full",
      `The folder ${this.#folder} has no room: ${this.#sizeBytes} bytes are needed, ` +
        `${freeBytes} are free. Free some space, or choose another folder with --work.`,
      { cause },
    );
  }
}

function expectApart(path: string, folder: string): void {
  const way = relative(path, folder);
  if (way === ".." || way.startsWith(`..${sep}`) || resolve(way) === way) return;
  throw new OperatorError(
    "work-folder-inside-package",
    `The folder ${folder} lies inside the package ${path}, which would have to contain ` +
      "itself. Choose another folder for one of them.",
  );
}

/**
 * Devices refuse a manifest that breaks a rule: better to say so here than there.
 *
 * @throws OperatorError `package-too-large` or `package-refused`.
 */
export function expectAcceptable(path: string, signed: Uint8Array): void {
  const decoded = decodeSignedManifest(signed);
  if (decoded.ok) return;
  if (decoded.error.kind === "too-large") {
    throw new OperatorError(
      "package-too-large",
      `${path} is too large for one content: its manifest would have ${signed.length} bytes, and ` +
        `${MANIFEST_BYTES_MAX} are allowed. Pack its files into archives, or publish it in parts.`,
    );
  }
  throw new OperatorError(
    "package-refused",
    `Devices would refuse ${path}. ${decoded.error.problem} Check what is published with it.`,
  );
}

async function removeLeftBehind(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!/^(\.partial-.*|[0-9a-f]{64})$/.test(name)) continue;
    const left = join(folder, name);
    if (Date.now() - (await lastWriteMs(left)) > LEFT_BEHIND_MS) {
      await rm(left, { recursive: true, force: true });
    }
  }
}

/** When something was last written in a temporary folder, in milliseconds since 1970. */
async function lastWriteMs(folder: string): Promise<number> {
  for (const path of [join(folder, CONTENT), folder]) {
    try {
      return (await stat(path)).mtimeMs;
    } catch (error) {
      if (errorCode(error) !== "ENOENT") throw error;
    }
  }
  // Another publisher has just moved it to its place.
  return Date.now();
}
