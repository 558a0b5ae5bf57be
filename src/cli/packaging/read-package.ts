import { createHash } from "node:crypto";
import { constants, type FileHandle, open } from "node:fs/promises";
import { readAhead } from "../../agent/store/read-ahead.ts";
import type { Manifest, ManifestAction, ManifestFile } from "../../content/manifest.ts";
import { FILE_MODES } from "../../content/manifest-rules.ts";
import { checkWord } from "../../content/path-rules.ts";
import { OperatorError } from "../../runtime/operator-error.ts";
import {
  changed,
  expectUnchanged,
  findPackage,
  type PackageFile,
  type PackageTree,
  sameStamp,
  stampOf,
  unreadable,
} from "./package-tree.ts";
import { TransferBuilder } from "./transfer-builder.ts";

/** What the publisher says about a package, and who wants to know how far its reading is. */
export type PackageOptions = {
  readonly name: string;
  readonly version: string;
  /** A word of the publisher's choice, such as `application` or `update`. */
  readonly type: string;
  readonly signedAtS: number;
  /** The Ed25519 public key (32 bytes) of the key that will sign. */
  readonly publisher: Uint8Array;
  readonly action?: ManifestAction;
  /** Told how much of the package has been read. */
  readonly onBytes?: (progress: { readonly doneBytes: number; readonly sizeBytes: number }) => void;
  /** Takes the complete transfer while it is read. */
  readonly sink?: PackageSink;
  /** Ends the reading early, by an error that is the signal's reason. */
  readonly signal?: AbortSignal;
};

/** Where the complete transfer goes. */
export type PackageSink = {
  /** Called first, with the size that the transfer will have. */
  begin(sizeBytes: number): Promise<void>;

  /** Takes the next bytes, which are overwritten once the promise is fulfilled. */
  write(bytes: Uint8Array): Promise<void>;
};

/** A package that has been read. */
export type ReadPackage = {
  readonly manifest: Manifest;
  /** Where each of the manifest's files lies, in its order. */
  readonly sources: readonly PackageSource[];
};

/** Where a file of a package lies. */
export type PackageSource = {
  /** The path in the manifest. */
  readonly path: string;
  /** The path on this machine. */
  readonly source: string;
  readonly sizeBytes: number;
};

/**
 * Reads a file or folder as a package, in one pass and with bounded memory.
 *
 * Of a file's permissions only one thing is kept, because no more means the same everywhere:
 * whether its owner may execute it (755) or not (644).
 *
 * @throws OperatorError `package-word`, `package-changed`, and those of `findPackage`.
 */
export async function readPackage(path: string, options: PackageOptions): Promise<ReadPackage> {
  expectGoodWords(options);
  const tree = await findPackage(path);
  await options.sink?.begin(tree.sizeBytes);
  const transfer = new TransferBuilder();
  const files: ManifestFile[] = [];
  for (const file of tree.files) {
    files.push(await readFile(file, transfer, { ...options, tree }));
  }
  await expectUnchanged(path, tree);
  const whole = transfer.finish();
  const { name, version, type, signedAtS, publisher, action } = options;
  return {
    manifest: {
      ...{ name, version, type, signedAtS, publisher },
      files: tree.files.length === 1 ? withHash(files, whole.sha256) : files,
      emptyFolders: tree.emptyFolders,
      ...whole,
      ...(action === undefined ? {} : { action }),
    },
    sources: tree.files.map(({ path: inside, source, stamp }) => {
      return { path: inside, source, sizeBytes: stamp.sizeBytes };
    }),
  };
}

type Reading = PackageOptions & { readonly tree: PackageTree };

/** Never through a link that came after we looked, and never waiting for the end of a pipe. */
const OPEN_FLAGS: number =
  constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

async function readFile(
  { path, source, stamp }: PackageFile,
  transfer: TransferBuilder,
  reading: Reading,
): Promise<ManifestFile> {
  const file = await openFile(source);
  try {
    if (!sameStamp(stampOf(await file.stat({ bigint: true })), stamp)) throw changed(source);
    const hash = reading.tree.files.length === 1 ? undefined : createHash("sha256");
    let readBytes = 0;
    for await (const bytes of readAhead(file, stamp.sizeBytes)) {
      reading.signal?.throwIfAborted();
      readBytes += bytes.length;
      if (readBytes > stamp.sizeBytes) throw changed(source);
      // The disk writes while this thread hashes.
      const written = reading.sink?.write(bytes);
      transfer.add(bytes);
      hash?.update(bytes);
      await written;
      reading.onBytes?.({ doneBytes: transfer.doneBytes, sizeBytes: reading.tree.sizeBytes });
    }
    const after = stampOf(await file.stat({ bigint: true }));
    if (readBytes !== stamp.sizeBytes || !sameStamp(after, stamp)) throw changed(source);
    const executable = (stamp.mode & constants.S_IXUSR) !== 0;
    const mode = executable ? FILE_MODES.executable : FILE_MODES.plain;
    const sha256 = hash === undefined ? new Uint8Array() : new Uint8Array(hash.digest());
    return { path, sizeBytes: readBytes, mode, sha256 };
  } catch (error) {
    throw unreadable(source, error);
  } finally {
    await file.close();
  }
}

/** A file that is alone has the hash of the whole, which is not computed twice. */
function withHash(files: readonly ManifestFile[], sha256: Uint8Array): readonly ManifestFile[] {
  return files.map((file) => ({ ...file, sha256 }));
}

async function openFile(source: string): Promise<FileHandle> {
  try {
    return await open(source, OPEN_FLAGS);
  } catch (error) {
    throw unreadable(source, error);
  }
}

function expectGoodWords(options: PackageOptions): void {
  for (const what of ["name", "version", "type"] as const) {
    const checked = checkWord(what, options[what]);
    if (checked.ok) continue;
    throw new OperatorError("package-word", `${checked.error} Choose another ${what}.`);
  }
}
