import type { Command } from "commander";
import { SERVER_ROUTES } from "../../api/server-routes.ts";
import type { StorageView } from "../../api/storage-schemas.ts";
import { addCommand, type CommandHost } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { openServer, type ServerOptions, serverOptions } from "../server-access.ts";
import { textTable, timeText } from "../text-table.ts";

/** Adds `storage set`, `storage show`, `storage check` and `storage clear`. */
export function addStorageCommands(program: Command, host: CommandHost): void {
  const storage = program
    .command("storage")
    .description("File storage: the one place in which the server keeps packages.");
  addSetCommands(storage, host);
  addCommand<ServerOptions>(storage, host, {
    usage: "show",
    description: "Show where packages are kept; keys and passwords are never shown.",
    examples: ["branchline storage show"],
    options: serverOptions(),
    run: async ({ options, io }) => {
      const control = await openServer(options, io);
      return shown(await control(SERVER_ROUTES.showStorage));
    },
  });
  addCommand<ServerOptions>(storage, host, {
    usage: "check",
    description: "Write, read, read in part and remove something in the file storage.",
    examples: ["branchline storage check"],
    options: serverOptions(),
    run: async ({ options, io }) => {
      const control = await openServer(options, io);
      const checked = await control(SERVER_ROUTES.checkStorage);
      const { works, problem } = checked;
      const text = works ? "The file storage works." : `It does not work. ${problem?.detail ?? ""}`;
      return { json: checked, text, exitCode: works ? EXIT.ok : EXIT.failed };
    },
  });
  addCommand<ServerOptions>(storage, host, {
    usage: "clear",
    description: "Have no file storage any more; what lies in it stays.",
    examples: ["branchline storage clear"],
    options: serverOptions(),
    run: async ({ options, io }) => {
      const control = await openServer(options, io);
      return shown(await control(SERVER_ROUTES.clearStorage));
    },
  });
}

function addSetCommands(storage: Command, host: CommandHost): void {
  const set = storage
    .command("set")
    .description("Configure the file storage; it is tried for real before it is used.");
  addCommand<ServerOptions>(set, host, {
    usage: "directory <path>",
    description:
      "Keep packages in a directory of the server's machine, by its absolute path: it must be there, " +
      "belong to the account that runs the server, and hold nothing else.",
    examples: ["branchline storage set directory /srv/packages"],
    options: serverOptions(),
    run: async ({ arguments: [path = ""], options, io }) => {
      const control = await openServer(options, io);
      const body = { kind: "directory", path } as const;
      return shown(await control(SERVER_ROUTES.setStorage, { body }));
    },
  });
}

function shown(view: StorageView) {
  const { configured, kind = "", location = "", details = {}, configuredAtMs = 0 } = view;
  if (!configured) return { json: view, text: "No file storage is configured." };
  const rows = [
    ["Kind", kind],
    ["Location", location],
    ...Object.entries(details),
    ["Configured", timeText(configuredAtMs)],
  ];
  return { json: view, text: textTable(rows) };
}
