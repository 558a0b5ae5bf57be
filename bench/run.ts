// Runs one bench: `npm run bench -- NAME [options]`. The last line on standard output is its result.

import { exitCodeFor } from "../src/cli/exit-codes.ts";
import { untilInterrupted } from "../src/cli/interruption.ts";
import { OperatorError } from "../src/runtime/operator-error.ts";
import { BENCHES } from "./benches.ts";
import { checkRequirements } from "./net/requirements.ts";
import { type BenchDefaults, OPTIONS_HELP, readCommandLine } from "./options.ts";
import { Stage } from "./stage.ts";

/** How wide the names are in the help. */
const NAME_WIDTH = 18;

/** How many devices most benches have at most, and how many more copies they write. */
const DEVICES = 17;
const COPIES_MORE = 5;

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof OperatorError)) throw error;
  process.stderr.write(`bench: ${error.message} (code ${error.code})\n`);
  process.exitCode = exitCodeFor(error.code);
}

async function main(args: readonly string[]): Promise<number> {
  const { names, help, options } = readCommandLine(args, (name) => BENCHES.get(name));
  if (help || names.length === 0) {
    process.stdout.write(helpText());
    return 0;
  }
  const [name = "", ...more] = names;
  const bench = BENCHES.get(name);
  if (bench === undefined || more.length > 0) {
    const known = [...BENCHES.keys()].join(", ");
    throw new OperatorError("usage-arguments", `Name one bench: ${known}.`);
  }
  checkChoice(name, { what: "faults", choice: options.fault, all: bench.faults });
  checkChoice(name, { what: "rows", choice: options.only, all: bench.rows });
  if (bench.simulated !== true) checkRequirements();
  return await untilInterrupted(async (signal) => {
    const contents = options.versions ? 2 : 1;
    const devices = options.devices ?? bench.devices ?? DEVICES;
    const copies = bench.copies ?? devices + COPIES_MORE;
    const stage = Stage.open(options, signal, options.sizeBytes * copies * contents);
    const tidy = () => stage.closeNow();
    process.on("exit", tidy);
    try {
      stage.say(`${name}: data in ${stage.folder} (${stage.inMemory ? "memory" : "disk"})`);
      const result = await bench.run(stage);
      process.stdout.write(`${JSON.stringify({ bench: name, ...result })}\n`);
      return result.ok ? 0 : 1;
    } finally {
      await stage.close();
      process.off("exit", tidy);
    }
  });
}

function checkChoice(
  name: string,
  given: {
    readonly what: string;
    readonly choice: string;
    readonly all: readonly string[] | undefined;
  },
): void {
  const { what, choice, all = [] } = given;
  if (choice === "" || all.includes(choice)) return;
  const known = all.length === 0 ? "none" : all.join(", ");
  throw new OperatorError("usage-arguments", `The ${what} of ${name} are: ${known}.`);
}

function helpText(): string {
  const benches = [...BENCHES].flatMap(([name, { claim, faults, rows, ...defaults }]) => [
    `  ${name.padEnd(NAME_WIDTH)} ${claim}${defaultsText(defaults)}`,
    ...(faults === undefined ? [] : [`  ${"".padEnd(NAME_WIDTH)} faults: ${faults.join(", ")}`]),
    ...(rows === undefined ? [] : [`  ${"".padEnd(NAME_WIDTH)} rows: ${rows.join(", ")}`]),
  ]);
  return ["Usage: npm run bench -- NAME [options]", "", ...benches, OPTIONS_HELP, ""].join("\n");
}

/** What a bench is run with where that is not what the options say. */
function defaultsText({ sizeText, rateText }: BenchDefaults): string {
  const texts = [sizeText, rateText].filter((text) => text !== undefined);
  return texts.length === 0 ? "" : ` (${texts.join(", ")})`;
}
