import type { Command } from "commander";
import { aborted } from "../../runtime/aborted.ts";
import { Line } from "../../runtime/line.ts";
import { addCommand, anyNumber, type CommandHost } from "../command.ts";
import { untilInterrupted } from "../interruption.ts";
import { socketAddress } from "../socket-address.ts";
import { textTable } from "../text-table.ts";
import { readTopologyFile, refuseErrors } from "../topology-file.ts";

type LineCommandOptions = {
  readonly listen: string;
  readonly mbit: number;
  readonly queueMs?: number;
  readonly delayMs?: number;
  readonly loss?: number;
};

/** Adds the hidden `line`: the emulator of the lines between offices. */
export function addLineCommand(program: Command, host: CommandHost): void {
  addCommand<LineCommandOptions>(program, host, {
    usage: "line <offices.csv>",
    description:
      "Emulate the lines between offices, for agents whose setting network.line names it. " +
      "When it ends, it prints what has passed.",
    examples: ["branchline line offices.csv --listen 127.0.0.1:4000 --mbit 20"],
    hidden: true,
    options: [
      { flags: "--listen <address:port>", description: "where it listens", required: true },
      {
        flags: "--mbit <rate>",
        description: "rate of each line in each direction, in Mbit/s",
        required: true,
        parse: anyNumber(0.001, 100_000),
      },
      {
        flags: "--queue-ms <ms>",
        description: "how long a datagram may wait (default: 100)",
        parse: anyNumber(0, 60_000),
      },
      {
        flags: "--delay-ms <ms>",
        description: "what each line adds (default: 0)",
        parse: anyNumber(0, 60_000),
      },
      {
        flags: "--loss <share>",
        description: "the share of datagrams that each line loses (default: 0)",
        parse: anyNumber(0, 0.99),
      },
    ],
    run: async ({ arguments: [file = ""], options }) => {
      const { listen: text, ...rates } = options;
      const listen = socketAddress({ flag: "--listen", text });
      const { offices, findings } = await readTopologyFile(file);
      refuseErrors(findings);
      const counters = await untilInterrupted(async (signal) => {
        const line = await Line.open({ ...rates, listen, offices });
        await aborted(signal);
        const passed = line.counters();
        await line.close();
        return passed;
      });
      const rows = counters.map((one) => [
        one.office,
        one.direction,
        String(one.bytes),
        String(one.datagrams),
        String(one.droppedDatagrams),
        String(one.lostDatagrams),
      ]);
      const heading = ["Office", "Direction", "Bytes", "Datagrams", "Dropped", "Lost"];
      return { json: { counters }, text: textTable([heading, ...rows]) };
    },
  });
}
