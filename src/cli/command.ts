import { type Command, InvalidArgumentError, Option } from "commander";
import type { WantedCsv } from "./csv-output.ts";
import { EXIT_HELP } from "./exit-codes.ts";
import type { Io } from "./io.ts";
import type { ServerOptions } from "./server-access.ts";

/** What a command brings: with `--json` the value, else the text, is written to standard output. */
export type CommandResult = {
  /** `undefined` where the command has written its JSON itself. */
  readonly json: unknown;
  readonly text: string;
  /** Default 0. */
  readonly exitCode?: number;
};

/** One option of a command. */
export type OptionSpec = {
  /** As commander has it: `--data <folder>`. */
  readonly flags: string;
  readonly description: string;
  readonly required?: boolean;
  readonly repeated?: boolean;
  readonly hidden?: boolean;
  readonly choices?: readonly string[];
  /** Reads the value; throws {@link InvalidArgumentError} where it is not allowed. */
  readonly parse?: (text: string) => unknown;
};

/** One command. */
export type CommandSpec<Options> = {
  /** Its name and arguments: `show <id>`. */
  readonly usage: string;
  /** A sentence; the first line of its help. */
  readonly description: string;
  /** Whole command lines. */
  readonly examples: readonly string[];
  readonly options: readonly OptionSpec[];
  readonly hidden?: boolean;
  /** The list that the command shows, for `--csv`; absent: it shows none. */
  readonly list?: (call: {
    readonly arguments: readonly string[];
    readonly options: Options;
  }) => WantedCsv;
  run(call: {
    readonly arguments: readonly string[];
    readonly options: Options & { readonly json?: true };
    readonly io: Io;
  }): Promise<CommandResult> | CommandResult;
};

/** What the commands are built with. */
export type CommandHost = {
  readonly io: Io;
  onResult(result: CommandResult): void;
  /** Told what commander has to say of wrong arguments. */
  onUsageError(text: string): void;
};

/** Adds a command below `parent`. */
export function addCommand<Options>(
  parent: Command,
  host: CommandHost,
  spec: CommandSpec<Options>,
): void {
  const command = parent.command(spec.usage, { hidden: spec.hidden ?? false });
  command.description(spec.description);
  for (const option of spec.options) command.addOption(commanderOption(option));
  command.option("--json", "write one JSON document to standard output, and nothing else");
  if (spec.list !== undefined) {
    const csv = new Option("--csv", "write the whole list as CSV to standard output");
    command.addOption(csv.conflicts("json"));
  }
  command.addHelpText("after", `\n${exampleHelp(spec.examples)}\n${EXIT_HELP}`);
  command.action(async (...given: unknown[]) => {
    const own = command.opts() as Options & { readonly json?: true; readonly csv?: true };
    const words = given.slice(0, -2).filter((word) => typeof word === "string");
    if (own.csv === true && spec.list !== undefined) {
      const { writeCsv } = await import("./csv-output.ts");
      await writeCsv(spec.list({ arguments: words, options: own }), own as ServerOptions, host.io);
      host.onResult({ json: undefined, text: "" });
      return;
    }
    host.onResult(await spec.run({ arguments: words, options: own, io: host.io }));
  });
}

/** Reads a whole number in a range, for an option. */
export function wholeNumber(minimum: number, maximum: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= minimum && value <= maximum) return value;
    throw new InvalidArgumentError(`Allowed is a whole number from ${minimum} to ${maximum}.`);
  };
}

/** Reads a point in time (ISO 8601; without a zone it is local), for an option. */
export function moment(text: string): number {
  const atMs = /^\d{4}-\d{2}-\d{2}/.test(text.trim()) ? Date.parse(text.trim()) : Number.NaN;
  if (Number.isSafeInteger(atMs) && atMs >= 0) return atMs;
  throw new InvalidArgumentError("Allowed is a time such as 2026-12-01T18:00.");
}

/** Reads a number in a range, for an option. */
export function anyNumber(minimum: number, maximum: number): (text: string) => number {
  return (text) => {
    const value = text.trim() === "" ? Number.NaN : Number(text);
    if (value >= minimum && value <= maximum) return value;
    throw new InvalidArgumentError(`Allowed is a number from ${minimum} to ${maximum}.`);
  };
}

function exampleHelp(examples: readonly string[]): string {
  const title = examples.length === 1 ? "Example" : "Examples";
  return [`${title}:`, ...examples.map((example) => `  ${example}`)].join("\n");
}

function commanderOption(spec: OptionSpec): Option {
  const option = new Option(spec.flags, spec.description);
  if (spec.required === true) option.makeOptionMandatory();
  if (spec.hidden === true) option.hideHelp();
  if (spec.choices !== undefined) option.choices(spec.choices);
  const { parse } = spec;
  if (spec.repeated === true) {
    option.argParser((text: string, earlier: readonly string[] | undefined) => [
      ...(earlier ?? []),
      text,
    ]);
  } else if (parse !== undefined) {
    option.argParser((text: string) => parse(text));
  }
  return option;
}
