import { basename, resolve } from "node:path";
import type { Command } from "commander";
import {
  type BranchCacheMode,
  netshCommands,
  type PlanProblem,
  planProblem,
  powerShellCommands,
  STATUS_COMMANDS,
} from "../../branchcache/windows-service.ts";
import type { DownloadReport } from "../../peerdist/branchcache-program.ts";
import type { GetResult } from "../../peerdist/get.ts";
import { OperatorError } from "../../runtime/operator-error.ts";
import { addCommand, type CommandHost, wholeNumber } from "../command.ts";
import { untilInterrupted } from "../interruption.ts";
import { downloadByBranchCache, runTheHostedCache, runThePeer } from "../peerdist-parts.ts";
import {
  hostedCacheSettings,
  peerSettings,
  type SettingsOptions,
  settingsOptions,
} from "../settings-flags.ts";
import { sizeText, textTable } from "../text-table.ts";
import { addCountersCommand } from "./counters.ts";
import { EXIT_WITH_PARENT } from "./server.ts";

type WithParent = { readonly exitWithParent?: true };
type GetOptions = SettingsOptions & WithParent & { readonly out?: string; readonly stay?: true };

/** Adds `branchcache get`, `peer` and `counters`. */
export function addBranchCacheCommands(program: Command, host: CommandHost): void {
  const branchcache = program
    .command("branchcache")
    .description("Fetch and share files as Windows does with BranchCache.");
  addGetCommand(branchcache, host);
  addWindowsCommand(branchcache, host);
  addCommand<SettingsOptions & WithParent>(branchcache, host, {
    usage: "peer",
    description: "Serve the cache to the subnet until it is told to end (Ctrl-C, SIGTERM).",
    examples: ["branchline branchcache peer --set network.port=1337"],
    options: [...settingsOptions("branchcache"), EXIT_WITH_PARENT],
    run: async ({ options, io }) => {
      const settings = peerSettings(options, io);
      await untilInterrupted((signal) => runThePeer(settings, signal), {
        withParent: options.exitWithParent === true,
      });
      return { json: undefined, text: "" };
    },
  });
  addCountersCommand(branchcache, host, {
    program: "branchcache",
    folderOf: (options, io) => peerSettings(options, io).data,
  });
}

/** Adds `hosted-cache run` and `counters`. */
export function addHostedCacheCommands(program: Command, host: CommandHost): void {
  const hosted = program
    .command("hosted-cache")
    .description("A cache for an office, to which BranchCache clients bring what they fetched.");
  addCommand<SettingsOptions & WithParent>(hosted, host, {
    usage: "run",
    description: "Run the hosted cache until it is told to end (Ctrl-C, SIGTERM).",
    examples: ["branchline hosted-cache run --set cache.disk_percent=40"],
    options: [...settingsOptions("hosted-cache"), EXIT_WITH_PARENT],
    run: async ({ options, io }) => {
      const settings = hostedCacheSettings(options, io);
      await untilInterrupted((signal) => runTheHostedCache(settings, signal), {
        withParent: options.exitWithParent === true,
      });
      return { json: undefined, text: "" };
    },
  });
  addCountersCommand(hosted, host, {
    program: "hosted-cache",
    folderOf: (options, io) => hostedCacheSettings(options, io).data,
  });
}

function addGetCommand(branchcache: Command, host: CommandHost): void {
  addCommand<GetOptions>(branchcache, host, {
    usage: "get <url>",
    description:
      "Fetch a file from the own cache, the hosted cache, the subnet and the server, block by " +
      "block and verified; what is new is offered to the hosted cache.",
    examples: ["branchline branchcache get http://packages.example/content/editor.msi"],
    options: [
      {
        flags: "--out <file>",
        description: "the file to write (default: named as in the address)",
      },
      { flags: "--stay", description: "go on serving to others until it is told to end" },
      ...settingsOptions("branchcache"),
      EXIT_WITH_PARENT,
    ],
    run: async ({ arguments: [address = ""], options, io }) => {
      const url = readUrl(address);
      const file = resolve(options.out ?? basename(decodeURIComponent(url.pathname)));
      const stay = options.stay === true;
      const onGot = (result: GetResult): void => {
        if (!stay) return;
        const text = options.json === true ? JSON.stringify(result) : resultText(result);
        io.stdout.write(`${text}\n`);
      };
      const report = await untilInterrupted(
        (signal) =>
          downloadByBranchCache(peerSettings(options, io), { url, file, stay }, { signal, onGot }),
        { withParent: options.exitWithParent === true },
      );
      return stay ? { json: undefined, text: "" } : { json: report, text: reportText(report) };
    },
  });
}

type WindowsOptions = {
  readonly mode: BranchCacheMode;
  readonly hostedServer?: readonly string[];
  readonly maxAge?: number;
  readonly diskPercent?: number;
  readonly netsh?: true;
};

function addWindowsCommand(branchcache: Command, host: CommandHost): void {
  addCommand<WindowsOptions>(branchcache, host, {
    usage: "windows",
    description: "Show the commands that bring the BranchCache service of Windows to a mode.",
    examples: [
      "branchline branchcache windows --mode distributed --max-age 28",
      "branchline branchcache windows --mode hosted --hosted-server cache.example --netsh",
    ],
    options: [
      {
        flags: "--mode <mode>",
        description: "how the device takes part",
        choices: ["distributed", "hosted", "local", "disabled"],
        required: true,
      },
      {
        flags: "--hosted-server <host>",
        description: "a hosted cache; repeatable",
        repeated: true,
      },
      {
        flags: "--max-age <days>",
        description: "the greatest age of a segment",
        parse: wholeNumber(1, 36_500),
      },
      {
        flags: "--disk-percent <number>",
        description: "how much of its disk the cache may take",
        parse: wholeNumber(1, 100),
      },
      { flags: "--netsh", description: "for Windows 7, which has no cmdlets for it" },
    ],
    run: ({ options }) => {
      const { mode, hostedServer = [], maxAge, diskPercent } = options;
      const plan = {
        mode,
        hostedServers: hostedServer,
        ...(maxAge === undefined ? {} : { maxAgeDays: maxAge }),
        ...(diskPercent === undefined ? {} : { diskPercent }),
      };
      const problem = planProblem(plan);
      if (problem !== undefined) throw planError(problem);
      const commands = options.netsh === true ? netshCommands(plan) : powerShellCommands(plan);
      return { json: { commands, status: STATUS_COMMANDS }, text: commands.join("\n") };
    },
  });
}

function planError(problem: PlanProblem): OperatorError {
  return problem.kind === "no-hosted-server"
    ? new OperatorError("usage-hosted-server", "Hosted mode needs a hosted cache: --hosted-server.")
    : new OperatorError("usage-hosted-server", `${problem.host} is no name of a hosted cache.`);
}

function readUrl(address: string): URL {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  const isWeb = url?.protocol === "http:" || url?.protocol === "https:";
  if (url !== undefined && isWeb && basename(url.pathname) !== "") return url;
  throw new OperatorError(
    "usage-url",
    `${address} is no address of a file: write it as http://HOST:PORT/content/FILE.`,
  );
}

function reportText(report: DownloadReport): string {
  const offered =
    report.offeredSegments === 0
      ? ""
      : `\nOffered ${report.offeredSegments} segments to the hosted cache.`;
  return `${resultText(report)}${offered}`;
}

function resultText({ bytes, ...result }: GetResult): string {
  return textTable([
    ["File", result.file],
    ["Size", sizeText(result.sizeBytes)],
    ["Time", `${result.seconds.toFixed(2)} s`],
    ["Content information", result.version === undefined ? "none" : `version ${result.version}`],
    ["From the own cache", sizeText(bytes.own)],
    ["From peers", `${sizeText(bytes.peer)} (${result.peers} addresses asked)`],
    ["From the hosted cache", sizeText(bytes.hosted)],
    ["From the server", sizeText(bytes.server)],
    ["Wrong blocks", String(result.badBlocks)],
  ]);
}
