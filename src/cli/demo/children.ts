import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { OperatorError } from "../../runtime/operator-error.ts";

/** The one executable. */
const EXECUTABLE = fileURLToPath(new URL("../../../bin/branchline.js", import.meta.url));

/** How long a process may take to end before it is killed, in milliseconds. */
const END_MS = 5_000;

/** How much of what a process wrote is kept for an error message, in characters. */
const TAIL_CHARACTERS = 8_192;

/**
 * The processes of a demonstration. None outlives it: each holds a pipe from us as its standard
 * input and ends when that closes, which the system sees to even when we are killed.
 */
export class Children {
  readonly #logs: string;
  readonly #running = new Map<string, ChildProcess>();
  #failure: OperatorError | undefined;
  #ending = false;

  /** @param logs - The folder in which each process gets a log file. */
  constructor(logs: string) {
    this.#logs = logs;
    mkdirSync(logs, { recursive: true });
  }

  /** Starts `branchline` with these arguments. */
  start(name: string, args: readonly string[]): void {
    const child = spawn(process.execPath, [EXECUTABLE, ...args, "--exit-with-parent"], {
      stdio: ["pipe", "ignore", "pipe"],
    });
    const log = createWriteStream(join(this.#logs, `${name}.log`));
    // A full disk must not end the demonstration by way of its logs.
    log.on("error", () => {});
    let tail = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      tail = (tail + text).slice(-TAIL_CHARACTERS);
      log.write(text);
    });
    child.stdin?.on("error", () => {});
    this.#running.set(name, child);
    child.on("error", (cause) => this.#fail(name, String(cause.message)));
    child.on("close", (code, signal) => {
      this.#running.delete(name);
      log.end();
      if (!this.#ending) this.#fail(name, lastWords(tail) ?? `exit code ${code ?? signal}`);
    });
  }

  /** Throws once a process has ended that should not have. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Ends every process and waits until all are gone. */
  async end(): Promise<void> {
    this.#ending = true;
    const children = [...this.#running.values()];
    const gone = children.map((child) => (ended(child) ? undefined : once(child, "close")));
    for (const child of children) child.kill("SIGTERM");
    const timer = setTimeout(() => this.kill(), END_MS);
    await Promise.allSettled(gone);
    clearTimeout(timer);
  }

  /** Kills every process at once. */
  kill(): void {
    this.#ending = true;
    for (const child of this.#running.values()) child.kill("SIGKILL");
  }

  #fail(name: string, problem: string): void {
    const log = join(this.#logs, `${name}.log`);
    this.#failure ??= new OperatorError(
      "demo-process",
      `The process ${name} of the demonstration ended by itself: ${problem} (log: ${log})`,
    );
  }
}

function ended(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** The last line in which a process of ours says why it ends. */
function lastWords(tail: string): string | undefined {
  const line = tail.split("\n").findLast((text) => text.startsWith("branchline: "));
  return line?.slice("branchline: ".length);
}
