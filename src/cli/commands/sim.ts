import { type Command, InvalidArgumentError } from "commander";
import { GIB } from "../../base/units.ts";
import type { Weather } from "../../sim/faults/weather.ts";
import { type ForecastProgress, forecast } from "../../sim/forecast.ts";
import type { Grain } from "../../sim/organisation.ts";
import { parseAddress } from "../../topology/address.ts";
import {
  addCommand,
  anyNumber,
  type CommandHost,
  type OptionSpec,
  wholeNumber,
} from "../command.ts";
import { planDryRun } from "../dry-run/setup.ts";
import { durationText, renderForecast } from "../dry-run/view.ts";
import { EXIT } from "../exit-codes.ts";
import { findingLines } from "../findings.ts";
import { Progress } from "../progress.ts";
import { readQuantity, SIZE_UNITS } from "../quantities.ts";
import { barText } from "../text-table.ts";
import { ESTIMATE_COLUMNS } from "../topology-estimates.ts";

type SimOptions = {
  readonly topology: string;
  readonly devices?: number;
  readonly size: number;
  readonly pieces?: number;
  readonly wanMbit?: number;
  readonly delayMs?: number;
  readonly lanMbit?: number;
  readonly server?: string;
  readonly seed?: number;
  readonly faults?: Weather;
  readonly grain?: Grain;
  readonly until?: number;
};

/** Adds `sim`, the dry run. */
export function addSimCommand(program: Command, host: CommandHost): void {
  addCommand<SimOptions>(program, host, {
    usage: "sim",
    description:
      "Try a deployment before anything is sent: the programs of devices and server run in a " +
      "simulated organisation with your offices. Says what the linter finds, who becomes RVP and " +
      "why, copies and bytes over each line, when each office is done, and the bottleneck. The " +
      `columns ${ESTIMATE_COLUMNS.join(", ")} of the topology file say how many devices an office ` +
      "has and what its line is; nothing else is needed, and no server.",
    examples: [
      "branchline sim --topology offices.csv --devices 500 --size 256MiB",
      "branchline sim --topology offices.csv --size 4GiB --wan-mbit 20 --json",
    ],
    options: OPTIONS,
    run: async ({ options, io }) => {
      const { size, until, wanMbit = 100, delayMs = 10, seed = 1, ...others } = options;
      const { setup, findings } = await planDryRun({
        ...others,
        sizeBytes: size,
        wanMbit,
        delayMs,
        seed,
        ...(until === undefined ? {} : { limitS: until }),
      });
      const progress = new Progress(io);
      const result = forecast(setup, (at) => showProgress(progress, at));
      progress.end();
      const lines = findingLines(findings, SAME_FINDINGS_MAX);
      const text = [...lines, ...(lines.length === 0 ? [] : [""]), renderForecast(result)];
      return {
        json: { findings, ...result },
        text: text.join("\n"),
        exitCode: result.finished === result.devices ? EXIT.ok : EXIT.failed,
      };
    },
  });
}

const OPTIONS: readonly OptionSpec[] = [
  {
    flags: "--topology <file.csv>",
    description: "the offices, as topology import takes them",
    required: true,
  },
  {
    flags: "--size <bytes>",
    description: `how large the package is: bytes, or with a unit such as 256MiB`,
    required: true,
    parse: sizeOption,
  },
  {
    flags: "--devices <count>",
    description:
      "how many devices there are; offices of which the file does not say it share them by their " +
      "subnets, each of which counts for at most 254 (default: as many as the file says)",
    parse: wholeNumber(1, 1_000_000),
  },
  {
    flags: "--pieces <count>",
    description:
      "into how many pieces it is cut (default: of 256 KiB, or larger ones of a large package)",
    parse: wholeNumber(1, 65_536),
  },
  {
    flags: "--wan-mbit <rate>",
    description:
      "rate of each line of which the file does not say it, in Mbit/s; all devices of a VPN office " +
      "share one (default: 100)",
    parse: anyNumber(0.001, 1_000_000),
  },
  {
    flags: "--delay-ms <time>",
    description: "delay of each line of which the file does not say it, each way (default: 10)",
    parse: anyNumber(0, 10_000),
  },
  {
    flags: "--lan-mbit <rate>",
    description: "what one device sends and receives in its LAN, in Mbit/s (default: 1000)",
    parse: anyNumber(0.1, 1_000_000),
  },
  {
    flags: "--server <address>",
    description: "where the server is, for the linter (default: somewhere in the Central Office)",
    parse: addressOption,
  },
  {
    flags: "--seed <number>",
    description: "draws what is left to chance (default: 1)",
    parse: wholeNumber(0, 0xff_ff_ff_ff),
  },
  {
    flags: "--faults <kind>",
    description: "what goes wrong meanwhile, packet by packet (default: none)",
    choices: ["none", "mild", "harsh"],
  },
  {
    flags: "--grain <grain>",
    description:
      "packets: every datagram; flows: what flows over each line, for any size (default: packets " +
      "up to 60 devices and 32 MiB on all together)",
    choices: ["packets", "flows"],
  },
  {
    flags: "--until <seconds>",
    description: "give up then, in simulated time (default: long after it should be done)",
    parse: anyNumber(1, 30 * 86_400),
  },
];

/** Of one kind so many findings are written out before the forecast. */
const SAME_FINDINGS_MAX = 10;

/** Largest package that is simulated. */
const SIZE_MAX = 64 * GIB;

function sizeOption(text: string): number {
  const bytes = /^\d+$/.test(text) ? Number(text) : readQuantity(text, SIZE_UNITS);
  if (bytes !== undefined && bytes >= 1 && bytes <= SIZE_MAX) return bytes;
  const units = Object.keys(SIZE_UNITS).join(", ");
  throw new InvalidArgumentError(`Allowed is 1 byte to 64 GiB, as bytes or with a unit: ${units}.`);
}

function addressOption(text: string): string {
  if (parseAddress(text) !== undefined) return text;
  throw new InvalidArgumentError("Allowed is an IPv4 or IPv6 address.");
}

function showProgress(progress: Progress, at: ForecastProgress): void {
  const { phase, seconds, done, devices } = at;
  const what = phase === "joining" ? "Joining  " : "Fetching ";
  const line = () =>
    `${what}${barText(done / devices, 30)}  ${done} of ${devices} devices, ` +
    `${durationText(seconds)} simulated`;
  progress.showLine(line, done >= devices);
}
