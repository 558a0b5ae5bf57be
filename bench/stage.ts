import { mkdirSync, readdirSync, renameSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isBench, Namespaces, sweepNamespaces } from "./net/namespaces.ts";
import type { BenchDefaults, BenchOptions } from "./options.ts";
import { unmountBelow } from "./organisation/disk.ts";

/** The result line of a bench without its name. `ok` is whether the claim holds. */
export type BenchResult = { readonly ok: boolean } & Readonly<Record<string, unknown>>;

/** A bench: shows one claim, and says in figures how far it holds. */
export type Bench = BenchDefaults & {
  /** One line for the help. */
  readonly claim: string;
  /** What it does to an organisation, each to one of its own; `--fault` chooses one. */
  readonly faults?: readonly string[];
  /** What it measures one after another; `--only` chooses one. */
  readonly rows?: readonly string[];
  /** Whether it happens in an invented world: it needs no network, and nobody has to be root. */
  readonly simulated?: boolean;
  /** How many copies of the content lie on the disk at a time; those of 17 devices if absent. */
  readonly copies?: number;
  /** How many devices it has unless the command line says; at most 17 where it is absent. */
  readonly devices?: number;
  /** Shows it, in the network and with the options of the stage. */
  run(stage: Stage): BenchResult | Promise<BenchResult>;
};

/** Memory as a disk; the disk of this machine is not what is measured. */
const MEMORY_FOLDER = "/dev/shm";

/** What the folders of benches are called; the number is the process id. */
const FOLDER_NAME = /^branchline-bench-(\d+)(?:-\d+)?$/;

/** A process of a bench. */
export type Owned = { kill(): void; readonly ended: Promise<void> };

/** What a bench has of this machine: a folder, namespaces and processes, all gone at its end. */
export class Stage {
  readonly options: BenchOptions;
  readonly signal: AbortSignal;
  readonly folder: string;
  /** Whether the folder lies in memory. */
  readonly inMemory: boolean;
  readonly namespaces: Namespaces = new Namespaces();
  readonly #programs = new Set<Owned>();
  readonly #startedMs = performance.now();
  #cleared = 0;

  /**
   * Removes what dead benches have left, and makes the folder.
   *
   * @param roomBytes - What the bench may write, which decides whether it finds room in memory.
   */
  static open(options: BenchOptions, signal: AbortSignal, roomBytes: number): Stage {
    for (const name of [...sweepNamespaces(), ...sweepFolders()]) {
      process.stderr.write(`removed ${name}, which a bench had left\n`);
    }
    return new Stage(options, signal, roomBytes);
  }

  private constructor(options: BenchOptions, signal: AbortSignal, roomBytes: number) {
    this.options = options;
    this.signal = signal;
    this.inMemory = freeBytes(MEMORY_FOLDER) > roomBytes * 1.1;
    this.folder = join(this.inMemory ? MEMORY_FOLDER : tmpdir(), `branchline-bench-${process.pid}`);
    mkdirSync(this.folder, { mode: 0o700 });
  }

  /** Tells a person how far it is. Standard output is for the result alone. */
  say(text: string): void {
    const seconds = ((performance.now() - this.#startedMs) / 1000).toFixed(1).padStart(6);
    process.stderr.write(`${seconds} s  ${text}\n`);
  }

  /** Takes on a process, which ends with the bench. */
  own(program: Owned): void {
    this.#programs.add(program);
    program.ended.finally(() => this.#programs.delete(program)).catch(() => {});
  }

  /** Ends everything, and waits for it. */
  async close(): Promise<void> {
    await this.#endPrograms();
    this.closeNow();
  }

  /** Makes room for another organisation: ends the one before, and removes what it had. */
  async clear(): Promise<void> {
    await this.#endPrograms();
    this.namespaces.removeAll();
    unmountBelow(this.folder);
    if (this.options.keep) {
      this.#cleared += 1;
      renameSync(this.folder, `${this.folder}-${this.#cleared}`);
    }
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 3 });
    mkdirSync(this.folder, { mode: 0o700 });
  }

  async #endPrograms(): Promise<void> {
    const ended = [...this.#programs].map(({ ended }) => ended);
    for (const program of this.#programs) program.kill();
    await Promise.allSettled(ended);
  }

  /** The same without waiting, for when the process itself ends. */
  closeNow(): void {
    for (const program of this.#programs) program.kill();
    this.namespaces.removeAll();
    unmountBelow(this.folder);
    if (!this.options.keep) rmSync(this.folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

function sweepFolders(): readonly string[] {
  return [MEMORY_FOLDER, tmpdir()].flatMap((parent) => {
    const left = entries(parent).filter((name) => {
      const pid = FOLDER_NAME.exec(name)?.[1];
      return pid !== undefined && !isBench(Number(pid));
    });
    return left.map((name) => {
      const folder = join(parent, name);
      unmountBelow(folder);
      rmSync(folder, { recursive: true, force: true });
      return folder;
    });
  });
}

function entries(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function freeBytes(folder: string): number {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  } catch {
    return 0;
  }
}
