import type { Command } from "commander";
import { OperatorError } from "../../runtime/operator-error.ts";
import { addCommand, anyNumber, type CommandHost } from "../command.ts";
import { type DemoResult, runDemo } from "../demo/demo.ts";
import { planDemo } from "../demo/plan.ts";
import { EXIT } from "../exit-codes.ts";
import { untilInterrupted } from "../interruption.ts";

type DemoCommandOptions = {
  readonly fresh?: true;
  readonly once?: true;
  readonly wanMbit?: number;
  readonly file?: string;
  readonly folder?: string;
  readonly data?: string;
};

/** Adds `demo`. */
export function addDemoCommand(program: Command, host: CommandHost): void {
  addCommand<DemoCommandOptions>(program, host, {
    usage: "demo",
    description:
      "Run a demonstration organisation on this machine: a server and twelve agents in a Central " +
      "Office, a branch office, its WiFi and homes with VPN, with a slow line to each office that a " +
      "package crosses once. It stays up until Ctrl-C.",
    examples: ["branchline demo --once --json", "branchline demo --folder ./dist --wan-mbit 20"],
    options: [
      { flags: "--once", description: "end when the package has been distributed" },
      { flags: "--fresh", description: "forget what earlier runs have left" },
      {
        flags: "--wan-mbit <rate>",
        description: "rate of every line, in Mbit/s (default: 100; of each home, 50)",
        parse: anyNumber(0.1, 10_000),
      },
      { flags: "--file <path>", description: "the file to distribute (default: node itself)" },
      { flags: "--folder <path>", description: "the folder to distribute instead" },
      { flags: "--data <folder>", description: "where its state is (default: .branchline/demo)" },
    ],
    run: async ({ options, io }) => {
      const { fresh, once: onlyOnce, json, ...choices } = options;
      const plan = planDemo(choices);
      const output = json === true ? io.stderr : io.stdout;
      const result: { current?: DemoResult } = {};
      const run = untilInterrupted((signal) =>
        runDemo(plan, {
          fresh: fresh === true,
          output,
          signal,
          stayUp: onlyOnce !== true,
          onResult: (given) => {
            result.current = given;
            if (json === true) io.stdout.write(`${JSON.stringify(given)}\n`);
            if (onlyOnce !== true) output.write(upText(plan.server.data));
          },
        }),
      );
      await run.catch((error: unknown) => {
        // Ctrl-C is how a demonstration that has come to its end is meant to be ended.
        const ended = result.current !== undefined && error instanceof OperatorError;
        if (!ended || error.code !== "interrupted") throw error;
      });
      return {
        json: undefined,
        text: "",
        exitCode: result.current?.ok === true ? EXIT.ok : EXIT.failed,
      };
    },
  });
}

function upText(serverData: string): string {
  return (
    "The organisation stays up until Ctrl-C. Look around with, for instance:\n" +
    `  npx --no branchline device list --data ${serverData}\n` +
    `  npx --no branchline deployment list --data ${serverData}\n` +
    `  npx --no branchline ledger --data ${serverData}\n`
  );
}
