import { CommanderError } from "commander";
import { OperatorError } from "../runtime/operator-error.ts";
import type { CommandResult } from "./command.ts";
import { EXIT, exitCodeFor } from "./exit-codes.ts";
import { type Io, processIo } from "./io.ts";
import { createProgram } from "./program.ts";

/**
 * Runs `branchline` with these arguments (without the program's own name).
 *
 * @returns The exit code. What went wrong stands on standard error, as one line or, with `--json`,
 * as one JSON object.
 */
export async function main(argv: readonly string[], io: Io = processIo()): Promise<number> {
  const json = argv.includes("--json");
  const usage: string[] = [];
  let result: CommandResult | undefined;
  const program = createProgram({
    io,
    onResult: (given) => {
      result = given;
    },
    onUsageError: (text) => usage.push(text),
  });
  try {
    await program.parseAsync([...argv], { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError) return endUsage(error, usage.join(""), json, io);
    return endError(error, json, io);
  }
  if (result === undefined) return EXIT.ok;
  if (json && result.json !== undefined) io.stdout.write(`${JSON.stringify(result.json)}\n`);
  if (!json && result.text !== "") io.stdout.write(`${result.text.trimEnd()}\n`);
  return result.exitCode ?? EXIT.ok;
}

function endUsage(error: CommanderError, text: string, json: boolean, io: Io): number {
  if (error.exitCode === 0) return EXIT.ok;
  if (!json) {
    io.stderr.write(text.replace(/^error: /, "branchline: "));
    return EXIT.usage;
  }
  const unnamed = error.code === "commander.help";
  const code = unnamed ? "usage-command" : "usage-arguments";
  const message = unnamed
    ? "Which command? See branchline --help."
    : error.message.replace(/^error: /, "");
  io.stderr.write(`${JSON.stringify({ code, message })}\n`);
  return EXIT.usage;
}

function endError(error: unknown, json: boolean, io: Io): number {
  const { code, message } = describe(error);
  const stack = code === "internal" && error instanceof Error ? error.stack : undefined;
  if (json) {
    io.stderr.write(`${JSON.stringify({ code, message, stack })}\n`);
    return exitCodeFor(code);
  }
  io.stderr.write(`branchline: ${message} (code ${code})\n`);
  if (stack !== undefined) io.stderr.write(`${stack}\n`);
  return exitCodeFor(code);
}

/** What a person may be told: an operator's error as it is, anything else as a bug of ours. */
function describe(error: unknown): { readonly code: string; readonly message: string } {
  if (error instanceof OperatorError) return { code: error.code, message: error.message };
  const message = error instanceof Error ? error.message : String(error);
  return { code: "internal", message: `An internal error: ${message}. Please report it.` };
}
