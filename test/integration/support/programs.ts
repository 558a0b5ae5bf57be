import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The one executable. */
const EXECUTABLE = fileURLToPath(new URL("../../../bin/branchline.js", import.meta.url));

/** Every process runs the same code: what the first has compiled, the others need not. */
const COMPILE_CACHE = join(tmpdir(), "branchline-test-compile-cache");

/** How long a program may take to end after it was asked to, in milliseconds. */
const END_MS = 10_000;

/** What a command came to. */
export type CommandOutcome = {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
};

/** How a command is run. */
export type CommandOptions = {
  /** The folder that stands in for the home folder, so that no setting of this machine counts. */
  readonly home: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** The network namespace that it runs in, instead of ours. */
  readonly namespace?: string;
};

/** Runs `branchline` with these arguments to its end, as a user does. */
export async function runCommand(
  args: readonly string[],
  options: CommandOptions,
): Promise<CommandOutcome> {
  const program = Program.start(args, options, []);
  const code = await program.ended;
  return { code, stdout: program.stdout, stderr: program.log };
}

/** Runs a command that must succeed, and reads the JSON document that it writes. */
export async function runForJson<T>(args: readonly string[], options: CommandOptions): Promise<T> {
  const { code, stdout, stderr } = await runCommand([...args, "--json"], options);
  if (code === 0) return JSON.parse(stdout) as T;
  throw new Error(`branchline ${args.join(" ")} ended with ${code}: ${stderr}`);
}

/** What a refused command says with `--json`. */
export type CommandProblem = {
  readonly exitCode: number;
  readonly code: string;
  readonly message: string;
};

/** Runs a command that must fail, and reads the one JSON line that it writes. */
export async function runForProblem(
  args: readonly string[],
  options: CommandOptions,
): Promise<CommandProblem> {
  const { code, stdout, stderr } = await runCommand([...args, "--json"], options);
  if (code === 0 || stdout !== "" || stderr.trim().includes("\n")) {
    throw new Error(`branchline ${args.join(" ")} ended with ${code}: ${stdout}${stderr}`);
  }
  return { exitCode: code, ...(JSON.parse(stderr) as { code: string; message: string }) };
}

/** A line of a program's log. */
export type LogLine = { readonly msg: string } & Readonly<Record<string, unknown>>;

/**
 * A process of `branchline`. None outlives the tests: each holds a pipe from us as its standard
 * input, and programs that run until they are told to end do so when it closes.
 */
export class Program {
  readonly process: ChildProcess;
  /** Its exit code, once it has ended and all that it wrote is here; -1 after a signal. */
  readonly ended: Promise<number>;
  #stdout = "";
  #log = "";

  /** Starts it. `lifeline` is what makes it end with us: `--exit-with-parent` where it has that. */
  static start(
    args: readonly string[],
    options: CommandOptions,
    lifeline: readonly string[] = ["--exit-with-parent"],
  ): Program {
    const { namespace } = options;
    const within = namespace === undefined ? [] : ["ip", "netns", "exec", namespace];
    const [command = "", ...words] = [
      ...within,
      process.execPath,
      EXECUTABLE,
      ...args,
      ...lifeline,
    ];
    const child = spawn(command, words, {
      stdio: ["pipe", "pipe", "pipe"],
      cwd: options.home,
      env: environmentOf(options),
    });
    return new Program(child);
  }

  private constructor(child: ChildProcess) {
    this.process = child;
    child.stdin?.on("error", () => {});
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.#stdout += text;
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#log += text;
    });
    this.ended = once(child, "close").then(([code]) => (typeof code === "number" ? code : -1));
  }

  get pid(): number {
    return this.process.pid ?? 0;
  }

  get running(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  get stdout(): string {
    return this.#stdout;
  }

  /** All that it wrote to standard error. */
  get log(): string {
    return this.#log;
  }

  /** The lines of its log that are events, in their order. */
  get events(): readonly LogLine[] {
    return this.#log
      .split("\n")
      .filter((line) => line.startsWith("{") && line.endsWith("}"))
      .map((line) => JSON.parse(line) as LogLine);
  }

  /** Takes its life without a warning, as a power cut does. */
  async kill(): Promise<void> {
    this.process.kill("SIGKILL");
    await this.ended;
  }

  /** Asks it to end, and sees to it that it does. Gives its exit code. */
  async end(): Promise<number> {
    this.process.kill("SIGTERM");
    const timer = setTimeout(() => this.process.kill("SIGKILL"), END_MS);
    const code = await this.ended;
    clearTimeout(timer);
    return code;
  }
}

/** Nothing of the environment that the tests run in: it might hold settings of Branchline. */
function environmentOf({ home, environment }: CommandOptions): Record<string, string> {
  const { PATH = "" } = process.env;
  return { PATH, HOME: home, NODE_COMPILE_CACHE: COMPILE_CACHE, ...environment };
}
