import type { Command } from "commander";
import { SERVER_ROUTES } from "../../api/server-routes.ts";
import type { OfficesResult, OfficeView } from "../../api/server-schemas.ts";
import { addCommand, type CommandHost } from "../command.ts";
import { openControl } from "../parts.ts";
import { type SettingsOptions, serverSettings, settingsOptions } from "../settings-flags.ts";
import { textTable } from "../text-table.ts";
import { readTopologyCsv, TOPOLOGY_COLUMNS } from "../topology-csv.ts";

/** Adds `topology show` and `topology import`. */
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
      const offices = await readTopologyCsv(file);
      const control = await openControl(serverSettings(options, io).data);
      const result = await control(SERVER_ROUTES.replaceOffices, {
        body: { offices: [...offices] },
      });
      return { json: result, text: resultText(result) };
    },
  });
}

function officesText(offices: readonly OfficeView[]): string {
  if (offices.length === 0) return "No offices.";
  const rows = offices.map((one) => [one.name, one.parent ?? "", one.type, one.subnets.join("; ")]);
  return textTable([TOPOLOGY_COLUMNS, ...rows]);
}

function resultText(result: OfficesResult): string {
  const findings = result.findings.map(
    ({ severity, row, sentence }) => `${severity}${row === 0 ? "" : ` (row ${row})`}: ${sentence}`,
  );
  return [`${result.offices.length} offices are in force.`, ...findings].join("\n");
}
