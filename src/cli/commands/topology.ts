import type { Command } from "commander";
import { SERVER_ROUTES } from "../../api/server-routes.ts";
import type { OfficeView } from "../../api/server-schemas.ts";
import { OperatorError } from "../../runtime/operator-error.ts";
import { lintTopology } from "../../topology/lint.ts";
import type { Finding } from "../../topology/office.ts";
import { addCommand, type CommandHost } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { findingLines } from "../findings.ts";
import { openServer, type ServerOptions, serverOptions } from "../server-access.ts";
import { type SettingsOptions, serverSettings, settingsOptions } from "../settings-flags.ts";
import { textTable } from "../text-table.ts";
import { TOPOLOGY_COLUMNS } from "../topology-columns.ts";
import {
  formatTopologyCsv,
  readTopologyFile,
  refuseErrors,
  type TopologyFile,
  writeTopologyFile,
} from "../topology-file.ts";
import { addTopologyChangeCommands, changeText } from "./topology-changes.ts";

/** Adds `topology show`, `import`, `export`, `lint`, `history`, `undo` and `outside`. */
export function addTopologyCommands(program: Command, host: CommandHost): void {
  const topology = program.command("topology").description("The offices and their subnets.");
  addCommand<ServerOptions>(topology, host, {
    usage: "show",
    description: "Show the topology in force.",
    examples: ["branchline topology show"],
    options: serverOptions(),
    run: async ({ options, io }) => {
      const control = await openServer(options, io);
      const { offices } = await control(SERVER_ROUTES.showTopology);
      return { json: { offices }, text: officesText(offices) };
    },
  });
  addImportCommand(topology, host);
  addExportCommand(topology, host);
  addLintCommand(topology, host);
  addTopologyChangeCommands(topology, host);
}

function addImportCommand(topology: Command, host: CommandHost): void {
  addCommand<ServerOptions & { readonly dryRun?: true }>(topology, host, {
    usage: "import <file>",
    description:
      "Replace the topology by that of a workbook (.xlsx) or CSV file, and say what that changes. " +
      `Columns, in any order: ${Object.values(TOPOLOGY_COLUMNS).join(", ")}. Several subnets of an ` +
      "office stand in several rows, or with ; between them.",
    examples: [
      "branchline topology import offices.xlsx --dry-run",
      "branchline topology import offices.csv",
    ],
    options: [
      { flags: "--dry-run", description: "say what it would change, and change nothing" },
      ...serverOptions(),
    ],
    run: async ({ arguments: [file = ""], options, io }) => {
      const read = await readTopologyFile(file);
      // The server judges the offices; where rows cannot be read, all that is wrong is said at once.
      if (read.findings.length > 0) refuseErrors(findingsOf(read, []));
      refuseEmpty(file, read);
      const body = { offices: [...read.offices] };
      const control = await openServer(options, io);
      const change = await control(SERVER_ROUTES.previewOffices, { body });
      if (options.dryRun === true) {
        return {
          json: { dryRun: true, ...change },
          text: `${changeText(change)}\nNothing was changed: this was a dry run.`,
        };
      }
      const { offices } = await control(SERVER_ROUTES.replaceOffices, { body });
      const text = `${changeText(change)}\n${offices.length} offices are in force.`;
      return { json: { ...change, offices }, text };
    },
  });
}

/** An empty list would have the topology generated: nobody means that by an empty file. */
function refuseEmpty(file: string, { offices }: TopologyFile): void {
  if (offices.length > 0) return;
  const sentence = `${file} names no office, so nothing was changed: is it the right file?`;
  throw new OperatorError("topology-file", sentence);
}

function addExportCommand(topology: Command, host: CommandHost): void {
  addCommand<ServerOptions>(topology, host, {
    usage: "export [file]",
    description:
      "Write the topology in force into a file that can be edited and imported again: a workbook " +
      "where its name ends in .xlsx, else CSV (default: CSV to standard output).",
    examples: ["branchline topology export offices.xlsx", "branchline topology export offices.csv"],
    options: serverOptions(),
    run: async ({ arguments: [file], options, io }) => {
      const control = await openServer(options, io);
      const { offices } = await control(SERVER_ROUTES.showTopology);
      if (file === undefined) return { json: { offices }, text: formatTopologyCsv(offices) };
      await writeTopologyFile(file, offices);
      const json = { file, offices: offices.length };
      return { json, text: `Wrote ${offices.length} offices to ${file}.` };
    },
  });
}

function addLintCommand(topology: Command, host: CommandHost): void {
  addCommand<SettingsOptions>(topology, host, {
    usage: "lint <file>",
    description:
      "Say what is wrong with a topology file, or worth a look, by row. Nothing is applied, and no " +
      "server has to run; its address is that of the setting network.address.",
    examples: ["branchline topology lint offices.csv"],
    options: settingsOptions("server"),
    run: async ({ arguments: [file = ""], options, io }) => {
      const { address } = serverSettings(options, io).network;
      const findings = findingsOf(
        await readTopologyFile(file),
        address === undefined ? [] : [address],
      );
      const failed = findings.some(({ severity }) => severity === "error");
      const text = findings.length === 0 ? "Nothing is wrong." : findingLines(findings).join("\n");
      return { json: { findings }, text, exitCode: failed ? EXIT.failed : EXIT.ok };
    },
  });
}

/** Everything that is wrong or worth a look, in the order of the rows. */
function findingsOf(file: TopologyFile, serverHosts: readonly string[]): readonly Finding[] {
  const findings = [...file.findings, ...lintTopology(file.offices, serverHosts)];
  return findings.sort((a, b) => a.row - b.row);
}

function officesText(offices: readonly OfficeView[]): string {
  if (offices.length === 0) return "No offices.";
  const rows = offices.map((one) => [one.name, one.parent ?? "", one.type, one.subnets.join("; ")]);
  const { office, parent, type, subnet } = TOPOLOGY_COLUMNS;
  return textTable([[office, parent, type, subnet], ...rows]);
}
