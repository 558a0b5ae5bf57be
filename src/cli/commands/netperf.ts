import type { Command } from "commander";
import type { Report, Summary } from "../../netperf/meter.ts";
import type { Protocol } from "../../transport/association-types.ts";
import { addCommand, type CommandHost, type CommandResult, wholeNumber } from "../command.ts";
import { untilInterrupted } from "../interruption.ts";
import type { Io } from "../io.ts";
import { receiveNetperf, sendNetperf } from "../parts.ts";
import { socketAddress } from "../socket-address.ts";
import { sizeText } from "../text-table.ts";
import { EXIT_WITH_PARENT } from "./server.ts";

type CommonOptions = {
  readonly protocol?: Protocol;
  readonly word?: string;
  readonly exitWithParent?: true;
  readonly json?: true;
};
type ReceiveCommandOptions = CommonOptions & {
  readonly listen: string;
  readonly counter?: string;
  readonly once?: true;
};
type SendCommandOptions = CommonOptions & {
  readonly to: string;
  readonly bind?: string;
  readonly bytes?: number;
};

/** What a test on a machine of one's own needs no secret for. */
const WORD_DEFAULT = "branchline";

const COMMON = [
  {
    flags: "--protocol <name>",
    description:
      "background, as between offices, or foreground, as within one (default: background)",
    choices: ["background", "foreground"],
  },
  {
    flags: "--word <text>",
    description: "what both ends must be told: others are turned away (default: a fixed one)",
  },
  EXIT_WITH_PARENT,
];

/** Adds `netperf recv` and `netperf send`: the test of a line. */
export function addNetperfCommands(program: Command, host: CommandHost): void {
  const netperf = program
    .command("netperf")
    .description("Test a line with the transport that agents use; no server is needed.");
  addCommand<ReceiveCommandOptions>(netperf, host, {
    usage: "recv",
    description: "Take what branchline netperf send sends, until it is interrupted.",
    examples: ["branchline netperf recv --listen 10.1.0.7:5301"],
    options: [
      { flags: "--listen <address:port>", description: "where it listens", required: true },
      {
        flags: "--counter <file>",
        description: "keep the number of bytes of payload so far in this file",
      },
      { flags: "--once", description: "end with the first sender" },
      ...COMMON,
    ],
    run: async ({ options, io }) => {
      const { counter, protocol = "background", word = WORD_DEFAULT } = options;
      const summary = await untilInterrupted(
        (signal) =>
          receiveNetperf(
            {
              listen: socketAddress({ flag: "--listen", text: options.listen }),
              protocol,
              word,
              once: options.once === true,
              ...(counter === undefined ? {} : { counter }),
              onReport: reporter(io, options),
            },
            signal,
          ),
        { withParent: options.exitWithParent === true },
      );
      return ending(io, options, { summary, verb: "came" });
    },
  });
  addCommand<SendCommandOptions>(netperf, host, {
    usage: "send",
    description: "Send to branchline netperf recv as fast as the protocol allows.",
    examples: [
      "branchline netperf send --to 10.1.0.7:5301",
      "branchline netperf send --to 10.1.0.7:5301 --bytes 100000000 --protocol foreground",
    ],
    options: [
      { flags: "--to <address:port>", description: "where the receiver listens", required: true },
      { flags: "--bind <address>", description: "the address to send from" },
      {
        flags: "--bytes <number>",
        description: "end when so many bytes have arrived (default: endless)",
        parse: wholeNumber(1, Number.MAX_SAFE_INTEGER),
      },
      ...COMMON,
    ],
    run: async ({ options, io }) => {
      const { bind, bytes, protocol = "background", word = WORD_DEFAULT } = options;
      const summary = await untilInterrupted(
        (signal) =>
          sendNetperf(
            {
              to: socketAddress({ flag: "--to", text: options.to }),
              protocol,
              word,
              ...(bind === undefined ? {} : { bind }),
              ...(bytes === undefined ? {} : { bytes }),
              onReport: reporter(io, options),
            },
            signal,
          ),
        { withParent: options.exitWithParent === true },
      );
      return ending(io, options, { summary, verb: "went" });
    },
  });
}

/** Writes a line a second: a sentence for people, a JSON document for programs. */
function reporter(io: Io, { json }: CommonOptions): (report: Report) => void {
  return (report) => {
    const line = json === true ? JSON.stringify({ kind: "second", ...report }) : secondText(report);
    io.stdout.write(`${line}\n`);
  };
}

function secondText(report: Report): string {
  const { seconds, mbit, rttMs, capacityMbit, queueMs, state } = report;
  const parts = [`${seconds.toFixed(0).padStart(5)} s`, `${mbit.toFixed(2).padStart(9)} Mbit/s`];
  if (rttMs !== undefined) parts.push(`round trip ${rttMs.toFixed(1)} ms`);
  if (capacityMbit !== undefined) parts.push(`line ${capacityMbit.toFixed(1)} Mbit/s`);
  if (queueMs !== undefined) parts.push(`queue ${queueMs.toFixed(1)} ms`);
  if (state !== undefined) parts.push(state);
  return parts.join("  ");
}

function ending(
  io: Io,
  { json }: CommonOptions,
  { summary, verb }: { readonly summary: Summary; readonly verb: string },
): CommandResult {
  // A document a line, this one too.
  if (json === true) io.stdout.write(`${JSON.stringify({ kind: "end", ...summary })}\n`);
  const { seconds, bytes, mbit } = summary;
  const text = `${sizeText(bytes)} ${verb} in ${seconds.toFixed(2)} s: ${mbit.toFixed(2)} Mbit/s.`;
  return { json: undefined, text };
}
