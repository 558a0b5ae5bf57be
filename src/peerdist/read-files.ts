import { close, open, read } from "node:fs";

/** How many files are kept open for the next block of theirs. */
const OPEN_MAX = 64;

type OpenFile = {
  readonly descriptor: number;
  /** Reads that are under way: a file is closed behind the last of them. */
  uses: number;
  isWanted: boolean;
};

/** Reads parts of files, and keeps those open that were read last. */
export class ReadFiles {
  /** The one that was read longest ago first. */
  readonly #open = new Map<string, OpenFile>();
  /** Who opens a file last: the others use theirs once. */
  readonly #opening = new Map<string, symbol>();

  /** Bytes of a file; `undefined` where they are not there, or the file cannot be read. */
  async read(path: string, at: number, lengthBytes: number): Promise<Uint8Array | undefined> {
    const file = this.#use(path) ?? (await this.#add(path));
    if (file === undefined) return undefined;
    const bytes = new Uint8Array(lengthBytes);
    const count = await new Promise<number>((resolve) => {
      read(file.descriptor, bytes, 0, lengthBytes, at, (error, bytesRead) =>
        resolve(error === null ? bytesRead : -1),
      );
    });
    file.uses -= 1;
    closeUnused(file);
    return count === lengthBytes ? bytes : undefined;
  }

  /** Lets go of a file that is about to be removed or replaced. */
  forget(path: string): void {
    this.#opening.delete(path);
    const file = this.#open.get(path);
    if (file === undefined) return;
    this.#open.delete(path);
    file.isWanted = false;
    closeUnused(file);
  }

  close(): void {
    for (const path of [...this.#open.keys()]) this.forget(path);
  }

  #use(path: string): OpenFile | undefined {
    const file = this.#open.get(path);
    if (file === undefined) return undefined;
    this.#open.delete(path);
    this.#open.set(path, file);
    file.uses += 1;
    return file;
  }

  /** Opens a file for one read that is about to come, and for those behind it. */
  async #add(path: string): Promise<OpenFile | undefined> {
    const turn = Symbol();
    this.#opening.set(path, turn);
    const descriptor = await new Promise<number | undefined>((resolve) => {
      open(path, "r", (error, opened) => resolve(error === null ? opened : undefined));
    });
    // Replaced meanwhile, or opened by somebody else: good for this one read.
    const isLast = this.#opening.get(path) === turn;
    if (isLast) this.#opening.delete(path);
    if (descriptor === undefined) return undefined;
    const file: OpenFile = { descriptor, uses: 1, isWanted: isLast };
    if (!isLast) return file;
    this.forget(path);
    this.#open.set(path, file);
    const [oldest] = this.#open.keys();
    if (this.#open.size > OPEN_MAX && oldest !== undefined) this.forget(oldest);
    return file;
  }
}

function closeUnused(file: OpenFile): void {
  if (file.isWanted || file.uses > 0) return;
  close(file.descriptor, () => {});
}
