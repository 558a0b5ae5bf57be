import { type FileHandle, open } from "node:fs/promises";

/**
 * Keeps files open between uses, a bounded number of them: the one longest unused is closed for
 * another, and where all are in use the next waits.
 */
export class HandleCache {
  readonly #openMax: number;
  /** In the order of last use. */
  readonly #entries = new Map<string, Entry>();
  #waiting: (() => void)[] = [];

  /** @param openMax - How many files may be open at a time; at least 1. */
  constructor(openMax: number) {
    this.#openMax = openMax;
  }

  /** Opens a file, or takes the one that is open, and keeps it open for as long as `work` runs. */
  async use<T>(
    path: string,
    flags: "r" | "r+",
    work: (file: FileHandle) => Promise<T>,
  ): Promise<T> {
    const entry = await this.#take(path, flags);
    try {
      return await work(await entry.file);
    } finally {
      entry.users -= 1;
      if (entry.users === 0) entry.onIdle?.();
      this.#wake();
    }
  }

  /** Closes a file once nobody uses it any more; later uses open it anew. */
  async forget(path: string): Promise<void> {
    const entry = this.#entries.get(path);
    if (entry !== undefined) await this.#close(path, entry);
  }

  /** Closes all files. */
  async close(): Promise<void> {
    await Promise.all([...this.#entries.keys()].map((path) => this.forget(path)));
  }

  async #take(path: string, flags: "r" | "r+"): Promise<Entry> {
    for (;;) {
      const entry = this.#entries.get(path);
      // Writing needs a file opened for it; reading takes either.
      if (entry !== undefined && (entry.flags === "r+" || flags === "r")) {
        return this.#join(path, entry);
      }
      if (entry !== undefined) {
        await this.#close(path, entry);
      } else if (this.#entries.size < this.#openMax) {
        return this.#open(path, flags);
      } else {
        await this.#makeRoom();
      }
    }
  }

  #join(path: string, entry: Entry): Entry {
    entry.users += 1;
    this.#entries.delete(path);
    this.#entries.set(path, entry);
    return entry;
  }

  #open(path: string, flags: "r" | "r+"): Entry {
    const entry: Entry = { file: open(path, flags), flags, users: 1, onIdle: undefined };
    this.#entries.set(path, entry);
    entry.file.catch(() => {
      // There is nothing to close; whoever uses it learns the reason from the same promise.
      if (this.#entries.get(path) === entry) this.#entries.delete(path);
    });
    return entry;
  }

  async #makeRoom(): Promise<void> {
    for (const [path, entry] of this.#entries) {
      if (entry.users === 0) return await this.#close(path, entry);
    }
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Takes an entry out of the table, so that this is called once for each, and closes it. */
  async #close(path: string, entry: Entry): Promise<void> {
    this.#entries.delete(path);
    if (entry.users > 0) {
      await new Promise<void>((resolve) => {
        entry.onIdle = resolve;
      });
    }
    const file = await entry.file.catch(() => undefined);
    await file?.close();
    this.#wake();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resume of waiting) resume();
  }
}

type Entry = {
  readonly file: Promise<FileHandle>;
  readonly flags: "r" | "r+";
  users: number;
  /** Called when nobody uses the file any more, where somebody waits to close it. */
  onIdle: (() => void) | undefined;
};
