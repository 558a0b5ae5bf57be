import type { Command } from "commander";
import { addCommand, type CommandHost } from "../command.ts";
import type { Io } from "../io.ts";
import { programCounters } from "../peerdist-parts.ts";
import { type SettingsOptions, type SettingsProgram, settingsOptions } from "../settings-flags.ts";
import { textTable } from "../text-table.ts";

/** Adds `counters` below a program of BranchCache. */
export function addCountersCommand(
  parent: Command,
  host: CommandHost,
  of: {
    readonly program: SettingsProgram;
    folderOf(options: SettingsOptions, io: Io): string;
  },
): void {
  addCommand<SettingsOptions>(parent, host, {
    usage: "counters",
    description: "Show what the program has counted since it was started.",
    examples: [`branchline ${of.program} counters --json`],
    options: settingsOptions(of.program),
    run: async ({ options, io }) => {
      const counters = await programCounters(of.folderOf(options, io));
      const rows = Object.entries(counters).map(([name, count]) => [name, String(count)]);
      return { json: counters, text: textTable(rows) };
    },
  });
}
