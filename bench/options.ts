import { parseArgs } from "node:util";
import { readQuantity, SIZE_UNITS } from "../src/cli/quantities.ts";
import { OperatorError } from "../src/runtime/operator-error.ts";

/** What others use a line for: a transfer without an end, or pages with pauses. */
export type ForegroundName = "bulk" | "web";

/** How a bench is to be run. */
export type BenchOptions = {
  /** How much is distributed. */
  readonly sizeBytes: number;
  /** The rate of each link. */
  readonly rateBitsPerS: number;
  /** How long a distribution may take before the bench gives up, in milliseconds. */
  readonly patienceMs: number;
  /** Draws what is left to chance. */
  readonly seed: number;
  /** Keeps the folder with all data and logs. */
  readonly keep: boolean;
  /** What the agents log. */
  readonly log: string;
  /** `tree`: also a second version of a program. */
  readonly versions: boolean;
  /** How many devices; what the bench has by itself where it is absent. */
  readonly devices: number | undefined;
  /** `sim-100k`: a package of fewer pieces; `server`: fewer kills. */
  readonly quick: boolean;
  /** `office`: also what it is compared with. */
  readonly beside: boolean;
  /** Which of a bench's faults; all where it is empty. */
  readonly fault: string;
  /** Which of a bench's rows; all where it is empty. */
  readonly only: string;
  /** `adaptive`: how much the queue of the line holds, as time at its rate. */
  readonly queueMs: number;
  /** `adaptive`: what the line adds in each direction. */
  readonly delayMs: number;
  /** `adaptive`: what others use the line for. */
  readonly foreground: ForegroundName;
};

/** The options of all benches, for the help. */
export const OPTIONS_HELP = `
  --size SIZE      how much is distributed, such as 16MiB (default: 256MiB, or as said above)
  --rate RATE      the rate of each link, such as 20Mbit (default: 50Mbit, or as said above)
  --devices N      office, sim-*: how many devices there are, in an office beside the RVP
  --quick          sim-100k: a quarter of the package; server: a tenth of the kills
  --no-beside      office: without the same swarm with libtorrent
  --patience S     seconds after which a distribution is given up (default: ten times the bound)
  --seed N         draws what is left to chance (default: 1)
  --fault NAME     one of a bench's faults instead of all
  --only NAME      one of a bench's rows instead of all
  --versions       tree: also version 2 of a program
  --queue MS       adaptive: what the line's queue holds (default: 100)
  --delay MS       adaptive: what the line adds in each direction (default: 20)
  --fg NAME        adaptive: what others do, bulk or web (default: bulk)
  --log LEVEL      what the agents log (default: info)
  --keep           keep the folder with all data and logs`;

/** What a bench is run with where the command line does not say. */
export type BenchDefaults = {
  /** How much is distributed; 256 MiB where it is absent. */
  readonly sizeText?: string;
  /** The rate of each link; 50 Mbit/s where it is absent. */
  readonly rateText?: string;
};

/** Reads the command line: the name of a bench and its options. */
export function readCommandLine(
  args: readonly string[],
  defaultsOf: (name: string) => BenchDefaults | undefined,
): {
  readonly names: readonly string[];
  readonly help: boolean;
  readonly options: BenchOptions;
} {
  const { values, positionals } = parse(args);
  const { sizeText = SIZE_TEXT, rateText = RATE_TEXT } = defaultsOf(positionals[0] ?? "") ?? {};
  const sizeBytes = readSize(values.size ?? sizeText);
  const rateBitsPerS = readRate(values.rate ?? rateText);
  const boundS = (sizeBytes * 8) / rateBitsPerS;
  return {
    names: positionals,
    help: values.help === true,
    options: {
      sizeBytes,
      rateBitsPerS,
      patienceMs: 1000 * readNumber(values.patience ?? String(60 + Math.ceil(10 * boundS))),
      seed: readNumber(values.seed ?? "1"),
      keep: values.keep === true,
      log: values.log ?? "info",
      versions: values.versions === true,
      devices: values.devices === undefined ? undefined : readNumber(values.devices),
      quick: values.quick === true,
      beside: values["no-beside"] !== true,
      fault: values.fault ?? "",
      only: values.only ?? "",
      queueMs: readNumber(values.queue ?? "100"),
      delayMs: readNumber(values.delay ?? "20"),
      foreground: readForeground(values.fg ?? "bulk"),
    },
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        size: { type: "string" },
        rate: { type: "string" },
        patience: { type: "string" },
        seed: { type: "string" },
        fault: { type: "string" },
        only: { type: "string" },
        queue: { type: "string" },
        delay: { type: "string" },
        fg: { type: "string" },
        log: { type: "string" },
        versions: { type: "boolean" },
        devices: { type: "string" },
        "no-beside": { type: "boolean" },
        quick: { type: "boolean" },
        keep: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (cause) {
    throw new OperatorError("usage-arguments", (cause as Error).message, { cause });
  }
}

/** How much most benches distribute, and the rate of their links. */
const SIZE_TEXT = "256MiB";
const RATE_TEXT = "50Mbit";

const RATE_UNITS: Readonly<Record<string, number>> = { kbit: 1e3, Mbit: 1e6, Gbit: 1e9 };

const readSize = (text: string): number => readUnits(text, SIZE_UNITS);
const readRate = (text: string): number => readUnits(text, RATE_UNITS);

function readUnits(text: string, units: Readonly<Record<string, number>>): number {
  const value = readQuantity(text, units);
  if (value !== undefined) return value;
  const known = Object.keys(units).join(", ");
  throw new OperatorError("usage-arguments", `${text} needs a number and a unit: ${known}.`);
}

function readForeground(text: string): ForegroundName {
  if (text === "bulk" || text === "web") return text;
  throw new OperatorError("usage-arguments", "What others do (--fg) is bulk or web.");
}

function readNumber(text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  throw new OperatorError("usage-arguments", `${text} is no whole number.`);
}
