import {
  chmod,
  constants,
  copyFile,
  type FileHandle,
  link,
  lstat,
  mkdir,
  open,
  readdir,
  rename,
  rm,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Manifest, ManifestFile } from "../../content/manifest.ts";
import { errorCode, isThere, syncFolder, writeFully } from "./disk.ts";
import { seal } from "./seal.ts";
import { blobPath, type StoredContent } from "./stored-content.ts";
import type { FilePart } from "./transfer-check.ts";

/**
 * Hands a content over: builds `<name>/<version>/...` beside its place, and moves it there in one
 * step. A content of one file becomes a read-only hard link of what is served (a copy where the
 * file system has none, and then writable by its owner); one of several becomes copies.
 */
export class Delivery {
  readonly #deliveryFolder: string;
  readonly #content: StoredContent;
  readonly #building: string;
  #open: { readonly file: ManifestFile; readonly handle: FileHandle; bytes: number } | undefined;
  /** Written and not yet synced. */
  #written: FileHandle[] = [];

  /** Makes the temporary folder with all folders and the files that have no bytes. */
  static async begin(deliveryFolder: string, content: StoredContent): Promise<Delivery> {
    const delivery = new Delivery(deliveryFolder, content);
    try {
      await delivery.#begin();
      return delivery;
    } catch (error) {
      await delivery.abandon();
      throw error;
    }
  }

  private constructor(deliveryFolder: string, content: StoredContent) {
    this.#deliveryFolder = deliveryFolder;
    this.#content = content;
    this.#building = join(deliveryFolder, BUILDING, content.contentId);
  }

  /** Takes the next bytes of a file, in the order of the transfer. */
  async add({ file, bytes, last }: FilePart): Promise<void> {
    if (this.#linked) return;
    this.#open ??= { file, handle: await this.#create(file), bytes: 0 };
    await writeFully(this.#open.handle, bytes, this.#open.bytes);
    this.#open.bytes += bytes.length;
    if (!last) return;
    this.#written.push(this.#open.handle);
    this.#open = undefined;
    if (this.#written.length >= SYNCED_AT_ONCE) await this.#syncWritten();
  }

  /** Puts everything in its place, durably, instead of what is there. */
  async complete(): Promise<void> {
    if (this.#linked) await this.#link();
    await this.#syncWritten();
    for (const folder of foldersOf(this.#content.manifest)) {
      await syncFolder(join(this.#building, folder));
    }
    await syncFolder(this.#building);
    await replaceFolder(this.#deliveryFolder, this.#content.manifest, this.#building);
  }

  /** Removes what has been built. */
  async abandon(): Promise<void> {
    await this.#open?.handle.close();
    await Promise.all(this.#written.map((handle) => handle.close()));
    this.#open = undefined;
    this.#written = [];
    await rm(this.#building, { recursive: true, force: true });
  }

  get #linked(): boolean {
    return this.#content.manifest.files.length === 1;
  }

  async #begin(): Promise<void> {
    await rm(this.#building, { recursive: true, force: true });
    await mkdir(this.#building, { recursive: true });
    const { manifest } = this.#content;
    for (const folder of foldersOf(manifest)) await mkdir(join(this.#building, folder));
    if (this.#linked) return;
    for (const file of manifest.files.filter(({ sizeBytes }) => sizeBytes === 0)) {
      this.#written.push(await this.#create(file));
      if (this.#written.length >= SYNCED_AT_ONCE) await this.#syncWritten();
    }
  }

  async #create(file: ManifestFile): Promise<FileHandle> {
    // Never over another file: a file system may fold names that the manifest's rules keep apart.
    const handle = await open(join(this.#building, file.path), "wx", 0o600);
    await handle.chmod(file.mode);
    return handle;
  }

  async #syncWritten(): Promise<void> {
    await Promise.all(this.#written.map((handle) => handle.sync()));
    const synced = this.#written;
    this.#written = [];
    await Promise.all(synced.map((handle) => handle.close()));
  }

  async #link(): Promise<void> {
    const [file] = this.#content.manifest.files;
    if (file === undefined) return;
    const [blob, place] = [blobPath(this.#content), join(this.#building, file.path)];
    try {
      // The link is the served file itself, so nobody may write through it, and where root does all
      // the same, it shows.
      await chmod(blob, file.mode & 0o555);
      await seal(blob, this.#content);
      await link(blob, place);
    } catch (error) {
      if (!NO_LINK.has(errorCode(error) ?? "")) throw error;
      await copyFile(blob, place, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
      await chmod(place, file.mode);
      this.#written.push(await open(place, "r+"));
    }
  }
}

/** Where a content is handed over. */
export function deliveredPath(
  deliveryFolder: string,
  { name, version }: Pick<Manifest, "name" | "version">,
): string {
  return join(deliveryFolder, name, version);
}

/**
 * Takes back what was handed over and turned out wrong: a link shares the bytes of the store's own
 * file.
 */
export async function takeBack(deliveryFolder: string, content: StoredContent): Promise<void> {
  const place = deliveredPath(deliveryFolder, content.manifest);
  if (content.delivered || (await isLinkOf(content, place))) {
    await rm(place, { recursive: true, force: true });
  }
}

/** Takes back what was handed over as a link of the store's own file, and leaves copies alone. */
export async function takeBackLink(deliveryFolder: string, content: StoredContent): Promise<void> {
  const place = deliveredPath(deliveryFolder, content.manifest);
  if (await isLinkOf(content, place)) await rm(place, { recursive: true, force: true });
}

/** Ends what a crash has interrupted: nothing half-built stays, nothing replaced is lost. */
export async function recoverDeliveries(deliveryFolder: string): Promise<void> {
  await rm(join(deliveryFolder, BUILDING), { recursive: true, force: true });
  const replaced = join(deliveryFolder, REPLACED);
  for (const name of await namesIn(replaced)) {
    for (const version of await namesIn(join(replaced, name))) {
      const place = deliveredPath(deliveryFolder, { name, version });
      if (await isThere(place)) continue;
      await mkdir(dirname(place), { recursive: true });
      await rename(join(replaced, name, version), place);
    }
  }
  await rm(replaced, { recursive: true, force: true });
}

/** Folders of the delivery folder for what is being built and for what has been replaced. */
const BUILDING = ".building";
const REPLACED = ".replaced";

/** How many files are synced together, so that the disk can order their writes. */
const SYNCED_AT_ONCE = 32;

/** What says that there can be no hard link here. */
const NO_LINK: ReadonlySet<string> = new Set(["EXDEV", "EPERM", "EMLINK", "ENOTSUP", "ENOSYS"]);

/**
 * Moves a folder to its place. What was there is moved aside first, since no file system replaces
 * a folder that is not empty; `recoverDeliveries` moves it back after a crash between the two.
 */
async function replaceFolder(
  deliveryFolder: string,
  manifest: Manifest,
  built: string,
): Promise<void> {
  const place = deliveredPath(deliveryFolder, manifest);
  const aside = deliveredPath(join(deliveryFolder, REPLACED), manifest);
  await mkdir(dirname(place), { recursive: true });
  const replaces = await isThere(place);
  if (replaces) {
    await rm(aside, { recursive: true, force: true });
    await mkdir(dirname(aside), { recursive: true });
    await rename(place, aside);
  }
  try {
    await rename(built, place);
  } catch (error) {
    if (replaces) await rename(aside, place);
    throw error;
  }
  await syncFolder(dirname(place));
  await syncFolder(deliveryFolder);
  if (replaces) await rm(aside, { recursive: true, force: true });
}

/** Every folder of a content, those that hold others first. */
function foldersOf({ files, emptyFolders }: Manifest): readonly string[] {
  const folders = new Set<string>();
  for (const path of [...files.map((file) => file.path), ...emptyFolders.map((f) => `${f}/`)]) {
    for (let slash = path.indexOf("/"); slash >= 0; slash = path.indexOf("/", slash + 1)) {
      folders.add(path.slice(0, slash));
    }
  }
  return [...folders];
}

async function isLinkOf(content: StoredContent, place: string): Promise<boolean> {
  const [file, ...more] = content.manifest.files;
  if (file === undefined || more.length > 0 || !(await isThere(join(place, file.path))))
    return false;
  const [blob, delivered] = [await lstat(blobPath(content)), await lstat(join(place, file.path))];
  return blob.ino === delivered.ino && blob.dev === delivered.dev;
}

async function namesIn(folder: string): Promise<readonly string[]> {
  return (await isThere(folder)) ? await readdir(folder) : [];
}
