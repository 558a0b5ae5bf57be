import type { Command } from "commander";
import { addCommand, type CommandHost } from "../command.ts";
import { backUpTheServer, restoreTheServer } from "../parts.ts";

import { type SettingsOptions, serverSettings, settingsOptions } from "../settings-flags.ts";
import { sizeText } from "../text-table.ts";

/** Adds `server backup` and `server restore`. */
export function addBackupCommands(server: Command, host: CommandHost): void {
  addCommand<SettingsOptions>(server, host, {
    usage: "backup <file>",
    description:
      "Write everything that is needed to bring the server back into one file: the authority's " +
      "key, the server's identity, its settings and publishers, and the whole database, whether " +
      "the server runs or not. Whoever can read the file can issue certificates.",
    examples: ["branchline server backup /backup/branchline-2026-11-23.gz"],
    options: settingsOptions("server"),
    run: async ({ arguments: [file = ""], options, io }) => {
      const { config } = options;
      const made = await backUpTheServer(serverSettings(options, io), {
        file,
        ...(config === undefined ? {} : { settingsFile: config }),
      });
      const text =
        `Wrote ${made.file} (${sizeText(made.bytes)}) for "${made.organisation}": ` +
        `${made.rows} rows, and ${made.files.join(", ")}.\n` +
        "It holds the key of the organisation's authority: keep it where only you can read it.\n" +
        "The packages of the file storage, and the key that opens it, are not in it.\n";
      return { json: made, text };
    },
  });
  addCommand<SettingsOptions & { readonly force?: true }>(server, host, {
    usage: "restore <file>",
    description:
      "Bring a server back from a backup, into the database that the settings name: also from " +
      "SQLite to PostgreSQL and back. Devices take its word again from its next start on.",
    examples: [
      "branchline server restore /backup/branchline-2026-11-23.gz",
      "branchline server restore backup.gz --force",
    ],
    options: [
      { flags: "--force", description: "replace the server that is there" },
      ...settingsOptions("server"),
    ],
    run: async ({ arguments: [file = ""], options, io }) => {
      const force = options.force === true;
      const done = await restoreTheServer(serverSettings(options, io), { file, force });
      const made = new Date(done.madeAtMs).toISOString();
      const lines = [
        `"${done.organisation}" is as it was on ${made}: ${done.rows} rows.`,
        `Fingerprint:  ${done.fingerprint}`,
        `${done.besideFiles.join(", ")} of then are in ${done.besideFolder}: compare them with yours.`,
        ...(done.replacedFolder === undefined
          ? []
          : [`The state that was there before is in ${done.replacedFolder}.`]),
        "Devices that were enrolled since have to enrol again.",
      ];
      return { json: done, text: `${lines.join("\n")}\n` };
    },
  });
}
