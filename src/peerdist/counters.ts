import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { OperatorError } from "../runtime/operator-error.ts";

/** Named counts of a program, which a file shows to whoever wants to see them. */
export class Counters<Name extends string> {
  readonly #counts: Record<Name, number>;
  readonly #file: string;
  readonly #timer: NodeJS.Timeout;
  #isNew = true;
  #writing: Promise<void> = Promise.resolve();

  /** @param names - All of them, which begin at 0 with each start. */
  constructor(folder: string, names: readonly Name[]) {
    this.#counts = Object.fromEntries(names.map((name) => [name, 0])) as Record<Name, number>;
    this.#file = join(folder, FILE);
    this.#timer = setInterval(() => this.#write(), EVERY_MS);
    this.#timer.unref();
  }

  add(name: Name, count: number): void {
    this.#counts[name] += count;
    this.#isNew = true;
  }

  /** All counts as they stand. */
  get all(): Readonly<Record<Name, number>> {
    return { ...this.#counts };
  }

  /** Writes them once more, and no more. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#write();
    await this.#writing;
  }

  #write(): void {
    if (!this.#isNew) return;
    this.#isNew = false;
    const text = `${JSON.stringify(this.#counts)}\n`;
    this.#writing = this.#writing.then(() => replace(this.#file, text));
  }
}

/** Reads the counts that a program wrote last. @throws OperatorError `counters-not-found`. */
export async function readCounters(folder: string): Promise<Readonly<Record<string, number>>> {
  try {
    return JSON.parse(await readFile(join(folder, FILE), "utf8"));
  } catch (cause) {
    throw new OperatorError(
      "counters-not-found",
      `${folder} has no counts: no such program has run with this data folder yet.`,
      { cause },
    );
  }
}

const FILE = "counters.json";

const EVERY_MS = 500;

async function replace(file: string, text: string): Promise<void> {
  try {
    await writeFile(`${file}.new`, text);
    await rename(`${file}.new`, file);
  } catch {
    // Counts are for looking at: a full disk must not end the program.
  }
}
