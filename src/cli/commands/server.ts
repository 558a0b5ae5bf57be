import type { Command } from "commander";
import { SERVER_ROUTES } from "../../api/server-routes.ts";
import { addCommand, type CommandHost, type OptionSpec } from "../command.ts";
import { untilInterrupted } from "../interruption.ts";
import { initialiseTheServer, runTheServer } from "../parts.ts";
import { openServer, type ServerOptions, serverOptions } from "../server-access.ts";
import { type SettingsOptions, serverSettings, settingsOptions } from "../settings-flags.ts";
import { textTable } from "../text-table.ts";
import { addBackupCommands } from "./server-backup.ts";
import { addTokenCommands } from "./token.ts";

/** The hidden option by which a program ends with the process that started it. */
export const EXIT_WITH_PARENT: OptionSpec = {
  flags: "--exit-with-parent",
  description: "end when standard input closes",
  hidden: true,
};

/** Adds `server init`, `run`, `backup`, `restore`, `show`, `key new` and `token …`. */
export function addServerCommands(program: Command, host: CommandHost): void {
  const server = program.command("server").description("Set up and run the server.");
  addCommand<SettingsOptions>(server, host, {
    usage: "init",
    description:
      "Make the server's certificate authority and database, and print the security key (once) " +
      "and the fingerprint that devices enrol with.",
    examples: ['branchline server init --set organisation="Example Ltd"'],
    options: settingsOptions("server"),
    run: async ({ options, io }) => {
      const { securityKey, fingerprint } = await initialiseTheServer(serverSettings(options, io));
      const text =
        `Security key: ${securityKey}\nFingerprint:  ${fingerprint}\n\n` +
        "The key is shown this once: only its hash is kept. Devices enrol with both:\n" +
        `  branchline agent enrol --server HOST --key ${securityKey} \\\n` +
        `    --fingerprint ${fingerprint} --publisher FILE\n`;
      return { json: { securityKey, fingerprint }, text };
    },
  });
  addCommand<SettingsOptions & { exitWithParent?: true }>(server, host, {
    usage: "run",
    description: "Run the server until it is told to end (Ctrl-C, SIGTERM).",
    examples: ["branchline server run --config /etc/branchline/server.toml"],
    options: [...settingsOptions("server"), EXIT_WITH_PARENT],
    run: async ({ options, io }) => {
      const settings = serverSettings(options, io);
      await untilInterrupted((signal) => runTheServer(settings, signal), {
        withParent: options.exitWithParent === true,
      });
      return { json: undefined, text: "" };
    },
  });
  addBackupCommands(server, host);
  addShowCommand(server, host);
  addKeyCommand(server, host);
  addTokenCommands(server, host);
}

function addShowCommand(server: Command, host: CommandHost): void {
  addCommand<ServerOptions>(server, host, {
    usage: "show",
    description: "Show what the server is, and the fingerprint by which it is recognised.",
    examples: ["branchline server show"],
    options: serverOptions(),
    run: async ({ options, io }) => {
      const control = await openServer(options, io);
      const one = await control(SERVER_ROUTES.showServer);
      const text = textTable([
        ["Organisation", one.organisation],
        ["Version", one.productVersion],
        ["Fingerprint", one.fingerprint],
        ["Devices", `${one.devices.present} of ${one.devices.enrolled} present`],
      ]);
      return { json: one, text };
    },
  });
}

function addKeyCommand(server: Command, host: CommandHost): void {
  const key = server.command("key").description("The security key that devices enrol with.");
  addCommand<ServerOptions>(key, host, {
    usage: "new",
    description: "Make a new security key; the one before stops enrolling at once.",
    examples: ["branchline server key new"],
    options: serverOptions(),
    run: async ({ options, io }) => {
      const control = await openServer(options, io);
      const { securityKey } = await control(SERVER_ROUTES.regenerateSecurityKey);
      const text = `Security key: ${securityKey}\nIt is shown this once: only its hash is kept.\n`;
      return { json: { securityKey }, text };
    },
  });
}
