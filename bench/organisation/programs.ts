import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { interrupted } from "../../src/cli/interruption.ts";
import { OperatorError } from "../../src/runtime/operator-error.ts";

/** The one executable. */
const EXECUTABLE = fileURLToPath(new URL("../../bin/branchline.js", import.meta.url));

/** Ticks in a second of the processor times that the kernel tells; the same on every Linux. */
const TICKS_PER_S = 100;

/** Where a program runs. */
export type Place = {
  readonly namespace: string;
  /** Stands in for the home folder, so that no setting of this machine counts. */
  readonly home: string;
  /** Standard error is added to this file. */
  readonly log: string;
};

/** What a process has used up. */
export type Usage = {
  readonly cpuS: number;
  readonly rssBytes: number;
  readonly peakRssBytes: number;
};

/** A process of `branchline` in a namespace. It ends with us, whatever becomes of us. */
export class Program {
  readonly #child: ChildProcess;
  readonly #log: string;
  /** Settles once it has ended. */
  readonly ended: Promise<void>;

  /**
   * Starts a program that runs until it is told to end.
   *
   * @param script - Runs with the same arguments instead of the one executable.
   */
  static start(
    place: Place,
    args: readonly string[],
    script: readonly string[] = [EXECUTABLE],
  ): Program {
    const log = openSync(place.log, "a");
    // `ip netns exec` becomes the program, so that signals to the child go to the program itself.
    const child = spawn("ip", inNamespace(place, [...script, ...args, "--exit-with-parent"]), {
      stdio: ["pipe", "ignore", log],
      cwd: place.home,
      env: environment(place),
    });
    closeSync(log);
    return new Program(child, place.log);
  }

  private constructor(child: ChildProcess, log: string) {
    this.#child = child;
    this.#log = log;
    child.stdin?.on("error", () => {});
    this.ended = once(child, "close").then(() => {});
    this.ended.catch(() => {});
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** The end of what it has logged, over all its starts. */
  get lastWords(): string {
    return readFileSync(this.#log, "utf8").trimEnd().split("\n").slice(-LAST_LINES).join("\n");
  }

  /** Takes its life without a warning, as a power cut does. */
  kill(): void {
    this.#child.kill("SIGKILL");
  }

  /** Stops it: it lives and holds its ports, and does nothing. */
  stop(): void {
    this.#child.kill("SIGSTOP");
  }

  /** Lets it go on after {@link stop}. */
  resume(): void {
    this.#child.kill("SIGCONT");
  }

  /** What it has used so far; nothing once it has ended. */
  usage(): Usage {
    return usageOf(this.pid) ?? { cpuS: 0, rssBytes: 0, peakRssBytes: 0 };
  }
}

/** What a process has used so far; `undefined` once it has ended. */
export function usageOf(pid: number): Usage | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name of the program, in brackets, may hold anything; times are fields 14 and 15.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const peakKib = Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0);
    const ticks = Number(fields[11]) + Number(fields[12]);
    const rssKib = Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0);
    return {
      cpuS: ticks / TICKS_PER_S,
      rssBytes: rssKib * 1024,
      peakRssBytes: peakKib * 1024,
    };
  } catch {
    return undefined;
  }
}

/** Processor seconds that a process has used so far; 0 once it has ended. */
export function processorSeconds(pid: number): number {
  return usageOf(pid)?.cpuS ?? 0;
}

/** How much of a log is shown when something has gone wrong. */
const LAST_LINES = 5;

/** Runs a command of `branchline` to its end, and reads the JSON document that it writes. */
export async function runForJson<T>(
  place: Omit<Place, "log">,
  args: readonly string[],
  signal: AbortSignal,
): Promise<T> {
  return await runScriptForJson(place, [EXECUTABLE, ...args, "--json"], signal);
}

/** The same for a script of ours: its path and its arguments. */
export async function runScriptForJson<T>(
  place: Omit<Place, "log">,
  script: readonly string[],
  signal: AbortSignal,
): Promise<T> {
  const child = spawn("ip", inNamespace(place, script), {
    stdio: ["ignore", "pipe", "pipe"],
    cwd: place.home,
    env: environment(place),
    signal,
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  // An error is that it was not started, or was killed because the bench is to end.
  child.on("error", (error) => {
    stderr += error.message;
  });
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  if (signal.aborted) throw interrupted();
  if (code === 0) return JSON.parse(stdout) as T;
  const command = script.slice(0, 3).join(" ");
  throw new OperatorError("bench-program", `${command} failed: ${stderr.trim()}`);
}

/** The arguments with which `ip` runs a script of ours in a namespace. */
function inNamespace({ namespace }: { readonly namespace: string }, script: readonly string[]) {
  return ["netns", "exec", namespace, process.execPath, ...script];
}

/** Nothing of our own environment: it might hold settings of Branchline. */
function environment({ home }: { readonly home: string }): Record<string, string> {
  const { PATH = "" } = process.env;
  return { PATH, HOME: home };
}
