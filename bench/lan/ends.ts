import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { interrupted } from "../../src/cli/interruption.ts";
import { OperatorError } from "../../src/runtime/operator-error.ts";
import { type Usage, usageOf } from "../organisation/programs.ts";
import { waitFor } from "../organisation/waiting.ts";
import type { Stage } from "../stage.ts";
import type { End, Pair } from "./pair.ts";
import type { EndResult } from "./use.ts";

/** What a transfer was at both ends. */
export type Transfer = { readonly sender: EndResult; readonly receiver: EndResult };

/** How a program of a transfer is started. */
export type EndOptions = {
  /** Settings of its environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** An open file that is its standard output. */
  readonly output?: number;
};

/**
 * Runs a sender, which says "ready" and, once its standard input ends, what it has used; and a
 * receiver, which says so when it has everything.
 */
export async function runEnds(
  stage: Stage,
  pair: Pair,
  commands: { readonly sender: readonly string[]; readonly receiver: readonly string[] },
  options: EndOptions = {},
): Promise<Transfer> {
  const sender = new EndProgram(stage, pair.sender, commands.sender, options);
  await waitFor("the sender to listen", () => sender.said("ready"), { ...stage, lookMs: 20 });
  const receiver = new EndProgram(stage, pair.receiver, commands.receiver, options);
  await receiver.finished();
  sender.endInput();
  await sender.finished();
  return { sender: sender.result(), receiver: receiver.result() };
}

/** A program at one end of a transfer. */
export class EndProgram {
  readonly #child: ChildProcess;
  readonly #name: string;
  readonly #signal: AbortSignal;
  readonly #ended: Promise<void>;
  #stdout = "";
  #stderr = "";

  constructor(
    stage: Stage,
    { namespace }: End,
    command: readonly string[],
    { env = {}, output }: EndOptions = {},
  ) {
    const { PATH = "" } = process.env;
    // `ip netns exec` becomes the program, so that it is the child's process that is measured.
    this.#child = spawn("ip", ["netns", "exec", namespace, ...command], {
      stdio: ["pipe", output ?? "pipe", "pipe"],
      cwd: stage.folder,
      // Nothing of our own environment: it might hold settings of Branchline.
      env: { PATH, HOME: stage.folder, ...env },
    });
    this.#name = command.slice(0, 2).join(" ");
    this.#signal = stage.signal;
    this.#child.stdin?.on("error", () => {});
    this.#child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.#stdout += text;
    });
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = `${this.#stderr}${text}`.slice(-LAST_WORDS_LENGTH);
    });
    this.#ended = once(this.#child, "close").then(() => {});
    this.#ended.catch(() => {});
    stage.own({ kill: () => this.kill(), ended: this.#ended });
  }

  /** What it has used so far; `undefined` once it has ended. */
  usage(): Usage | undefined {
    return usageOf(this.#child.pid ?? 0);
  }

  /** Whether it has written a line that begins so; for `waitFor`. */
  said(text: string): true | undefined {
    if (this.#child.exitCode !== null) throw this.#failed();
    return this.#stdout.split("\n").some((line) => line.startsWith(text)) || undefined;
  }

  /** Tells it to end. */
  endInput(): void {
    this.#child.stdin?.end();
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  /** Waits for its end. @throws OperatorError where it failed. */
  async finished(): Promise<void> {
    await this.#ended;
    if (this.#signal.aborted) throw interrupted();
    if (this.#child.exitCode !== 0) throw this.#failed();
  }

  /** What it said last. */
  result<T>(): T {
    return JSON.parse(this.#stdout.trimEnd().split("\n").at(-1) ?? "") as T;
  }

  #failed(): OperatorError {
    const words = this.#stderr.trim();
    return new OperatorError("bench-program", `${this.#name} failed: ${words}`);
  }
}

const LAST_WORDS_LENGTH = 2_000;

/** How often is looked what a program has used that does not say so itself, in milliseconds. */
const LOOK_MS = 20;

/** Runs a program to its end and gives what it has used, but for its last moment. */
export async function runMeasured(program: EndProgram): Promise<EndResult> {
  const startedMs = performance.now();
  let last: Usage = { cpuS: 0, rssBytes: 0, peakRssBytes: 0 };
  const timer = setInterval(() => {
    last = program.usage() ?? last;
  }, LOOK_MS);
  try {
    await program.finished();
  } finally {
    clearInterval(timer);
  }
  const seconds = (performance.now() - startedMs) / 1_000;
  return { seconds, cpuSeconds: last.cpuS, peakRssBytes: last.peakRssBytes };
}
