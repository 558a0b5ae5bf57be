import { writeFile } from "node:fs/promises";
import type { Command } from "commander";
import { SERVER_ROUTES } from "../../api/server-routes.ts";
import type { OfficesResult, OfficeView } from "../../api/server-schemas.ts";
import { OperatorError } from "../../runtime/operator-error.ts";
import { lintTopology } from "../../topology/lint.ts";
import type { Finding } from "../../topology/office.ts";
import { addCommand, type CommandHost } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { findingLines } from "../findings.ts";
import { openControl } from "../parts.ts";
import { type SettingsOptions, serverSettings, settingsOptions } from "../settings-flags.ts";
import { textTable } from "../text-table.ts";
import {
  formatTopologyCsv,
  readTopologyCsv,
  refuseErrors,
  TOPOLOGY_COLUMNS,
  type TopologyFile,
} from "../topology-csv.ts";

/** Adds `topology show`, `topology import`, `topology export` and `topology lint`. */
export function addTopologyCommands(program: Command, host: CommandHost): void {
  const topology = program.command("topology").description("The offices and their subnets.");
  addCommand<SettingsOptions>(topology, host, {
    usage: "show",
    description: "Show the topology in force.",
    examples: ["branchline topology show"],
    options: settingsOptions("server"),
    run: async ({ options, io }) => {
      const control = await openControl(serverSettings(options, io).data);
      const { offices } = await control(SERVER_ROUTES.listOffices);
      return { json: { offices }, text: officesText(offices) };
    },
  });
  addCommand<SettingsOptions>(topology, host, {
    usage: "import <file.csv>",
    description:
      `Replace the topology by that of a CSV file with the columns ${TOPOLOGY_COLUMNS.join(", ")}. ` +
      "Several subnets of an office stand in several rows, or with ; between them.",
    examples: ["branchline topology import offices.csv"],
    options: settingsOptions("server"),
    run: async ({ arguments: [file = ""], options, io }) => {
      const read = await readTopologyCsv(file);
      // Everything that is wrong is said at once; the server itself judges the rest.
      refuseErrors(findingsOf(read, []));
      const control = await openControl(serverSettings(options, io).data);
      const result = await control(SERVER_ROUTES.replaceOffices, {
        body: { offices: [...read.offices] },
      });
      return { json: result, text: resultText(result) };
    },
  });
  addExportCommand(topology, host);
  addLintCommand(topology, host);
}

function addExportCommand(topology: Command, host: CommandHost): void {
  addCommand<SettingsOptions & { readonly out?: string }>(topology, host, {
    usage: "export",
    description: "Write the topology in force as a CSV file that can be imported again.",
    examples: ["branchline topology export --out offices.csv"],
    options: [
      { flags: "--out <file>", description: "the file to write (default: standard output)" },
      ...settingsOptions("server"),
    ],
    run: async ({ options, io }) => {
      const control = await openControl(serverSettings(options, io).data);
      const { offices } = await control(SERVER_ROUTES.listOffices);
      const text = formatTopologyCsv(offices);
      if (options.out === undefined) return { json: { offices }, text };
      await writeTopologyFile(options.out, text);
      const json = { file: options.out, offices: offices.length };
      return { json, text: `Wrote ${offices.length} offices to ${options.out}.` };
    },
  });
}

function addLintCommand(topology: Command, host: CommandHost): void {
  addCommand<SettingsOptions>(topology, host, {
    usage: "lint <file.csv>",
    description:
      "Say what is wrong with a topology file, or worth a look, by row. Nothing is applied, and no " +
      "server has to run; its address is that of the setting network.address.",
    examples: ["branchline topology lint offices.csv"],
    options: settingsOptions("server"),
    run: async ({ arguments: [file = ""], options, io }) => {
      const { address } = serverSettings(options, io).network;
      const findings = findingsOf(
        await readTopologyCsv(file),
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

async function writeTopologyFile(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text);
  } catch (cause) {
    const sentence = `${file} cannot be written: ${(cause as Error).message}. Check its folder.`;
    throw new OperatorError("topology-file", sentence, { cause });
  }
}

function officesText(offices: readonly OfficeView[]): string {
  if (offices.length === 0) return "No offices.";
  const rows = offices.map((one) => [one.name, one.parent ?? "", one.type, one.subnets.join("; ")]);
  return textTable([TOPOLOGY_COLUMNS, ...rows]);
}

function resultText(result: OfficesResult): string {
  const lines = findingLines(result.findings);
  return [`${result.offices.length} offices are in force.`, ...lines].join("\n");
}
