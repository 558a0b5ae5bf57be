import type { BigIntStats } from "node:fs";
import { lstat, readdir, realpath } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { errorCode } from "../../agent/store/disk.ts";
import { checkPath, collidingPaths, comparePaths } from "../../content/path-rules.ts";
import { OperatorError } from "../../runtime/operator-error.ts";

/** What shows that a file is still the one that was found: another one, or a changed one, differs. */
export type FileStamp = {
  readonly device: bigint;
  readonly inode: bigint;
  readonly sizeBytes: number;
  readonly modifiedNs: bigint;
  readonly mode: number;
};

/** A file that becomes part of a package. */
export type PackageFile = {
  /** Its path in the package. */
  readonly path: string;
  /** Where it lies. */
  readonly source: string;
  readonly stamp: FileStamp;
};

/** What a package is made of, in the order of a manifest. */
export type PackageTree = {
  readonly files: readonly PackageFile[];
  readonly emptyFolders: readonly string[];
  readonly sizeBytes: number;
};

/**
 * Finds the files of a package: one file, or all that is in a folder. Refuses whatever could not
 * be the same on every device.
 *
 * @throws OperatorError `package-missing`, `package-unreadable`, `package-link`,
 * `package-special-file`, `package-path`, `package-collision`, `package-empty`.
 */
export async function findPackage(root: string): Promise<PackageTree> {
  const source = resolve(root);
  const stats = await statsOf(source);
  const found: Found = { files: [], emptyFolders: [] };
  if (stats.isDirectory()) await findInFolder(found, { source, path: "" });
  else await addFound(found, { source, path: basename(source) }, stats);
  return sorted(found, source);
}

/**
 * Looks again, and compares.
 *
 * @throws OperatorError `package-changed` where the package is no longer what it was.
 */
export async function expectUnchanged(root: string, before: PackageTree): Promise<void> {
  const after = await findPackage(root);
  const now = new Map(after.files.map((file) => [file.path, file]));
  for (const file of before.files) {
    const again = now.get(file.path);
    if (again === undefined || !sameStamp(again.stamp, file.stamp)) throw changed(file.source);
    now.delete(file.path);
  }
  for (const file of now.values()) throw changed(file.source);
  const folders = new Set(before.emptyFolders);
  const other = after.emptyFolders.find((folder) => !folders.has(folder));
  if (other !== undefined || folders.size !== after.emptyFolders.length) {
    throw changed(resolve(root, other ?? ""));
  }
}

/** What `stats` say about which file this is and in what state. */
export function stampOf(stats: BigIntStats): FileStamp {
  return {
    device: stats.dev,
    inode: stats.ino,
    sizeBytes: Number(stats.size),
    modifiedNs: stats.mtimeNs,
    mode: Number(stats.mode),
  };
}

/** Whether nothing has happened to a file between two stamps. */
export function sameStamp(a: FileStamp, b: FileStamp): boolean {
  return (
    a.device === b.device &&
    a.inode === b.inode &&
    a.sizeBytes === b.sizeBytes &&
    a.modifiedNs === b.modifiedNs &&
    a.mode === b.mode
  );
}

/** The error about a file that does not stay as it is. */
export function changed(source: string): OperatorError {
  return new OperatorError(
    "package-changed",
    `${source} changed while it was read. Make sure that nothing writes to the package, or ` +
      "publish a copy of it.",
  );
}

/** The error about something that cannot be read. */
export function unreadable(source: string, error: unknown): unknown {
  const code = errorCode(error);
  if (code === undefined) return error;
  if (code === "ENOENT") {
    return new OperatorError("package-missing", `There is nothing at ${source}. Check the path.`, {
      cause: error,
    });
  }
  return new OperatorError(
    "package-unreadable",
    `${source} cannot be read (${code}). Check its permissions and its disk.`,
    { cause: error },
  );
}

type Found = { readonly files: PackageFile[]; readonly emptyFolders: string[] };

type Place = { readonly source: string; readonly path: string };

async function findInFolder(found: Found, folder: Place): Promise<void> {
  const names = await namesIn(folder.source);
  if (names.length === 0 && folder.path !== "") found.emptyFolders.push(folder.path);
  for (const name of names) {
    const source = join(folder.source, name);
    const path = folder.path === "" ? name : `${folder.path}/${name}`;
    const stats = await statsOf(source);
    if (!stats.isDirectory()) {
      await addFound(found, { source, path }, stats);
      continue;
    }
    expectGoodPath({ source, path });
    await findInFolder(found, { source, path });
  }
}

async function addFound(found: Found, place: Place, stats: BigIntStats): Promise<void> {
  if (stats.isSymbolicLink()) throw await linkError(place.source);
  if (!stats.isFile()) {
    throw new OperatorError(
      "package-special-file",
      `${place.source} is ${specialKind(stats)}, and only files and folders can be distributed. ` +
        "Take it out of the package.",
    );
  }
  expectGoodPath(place);
  found.files.push({ ...place, stamp: stampOf(stats) });
}

function sorted({ files, emptyFolders }: Found, source: string): PackageTree {
  if (files.length === 0) {
    throw new OperatorError("package-empty", `${source} has no file in it: nothing to distribute.`);
  }
  files.sort((a, b) => comparePaths(a.path, b.path));
  emptyFolders.sort(comparePaths);
  const paths = files.map((file) => file.path);
  const collision = collidingPaths(paths, emptyFolders);
  if (collision !== undefined) {
    throw new OperatorError(
      "package-collision",
      `${source} cannot be distributed. ${collision.problem} Rename one of them.`,
    );
  }
  const sizeBytes = files.reduce((total, file) => total + file.stamp.sizeBytes, 0);
  return { files, emptyFolders, sizeBytes };
}

function expectGoodPath({ source, path }: Place): void {
  const checked = checkPath(path);
  if (checked.ok) return;
  throw new OperatorError(
    "package-path",
    `${JSON.stringify(source)} cannot be distributed. ${checked.error} Rename it.`,
  );
}

async function statsOf(source: string): Promise<BigIntStats> {
  try {
    return await lstat(source, { bigint: true });
  } catch (error) {
    throw unreadable(source, error);
  }
}

async function namesIn(folder: string): Promise<readonly string[]> {
  let names: readonly Buffer[] = [];
  try {
    names = await readdir(folder, { encoding: "buffer" });
  } catch (error) {
    throw unreadable(folder, error);
  }
  const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  return names.map((name) => {
    try {
      return utf8.decode(name);
    } catch (error) {
      throw new OperatorError(
        "package-path",
        `${folder} has a file whose name is not UTF-8 (${JSON.stringify(name.toString("latin1"))}). ` +
          "Rename it.",
        { cause: error },
      );
    }
  });
}

async function linkError(source: string): Promise<OperatorError> {
  const target = await realpath(source).catch(() => undefined);
  return new OperatorError(
    "package-link",
    `${source} is a symbolic link${target === undefined ? " that leads nowhere" : ` to ${target}`}. ` +
      "Links are not distributed, because they mean something else on each device. Put a copy " +
      "of what it leads to in its place, or name that instead.",
  );
}

function specialKind(stats: BigIntStats): string {
  if (stats.isFIFO()) return "a named pipe";
  if (stats.isSocket()) return "a socket";
  return stats.isBlockDevice() || stats.isCharacterDevice() ? "a device" : "a special file";
}
