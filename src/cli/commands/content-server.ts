import { resolve } from "node:path";
import { text as readStream } from "node:stream/consumers";
import type { Command } from "commander";
import { addCommand, type CommandHost, type OptionSpec } from "../command.ts";
import { untilInterrupted } from "../interruption.ts";
import { runTheContentServer, serverKeys } from "../peerdist-parts.ts";
import {
  contentServerSettings,
  type SettingsOptions,
  settingsOptions,
  withSettings,
} from "../settings-flags.ts";
import { addCountersCommand } from "./counters.ts";
import { EXIT_WITH_PARENT } from "./server.ts";

type RunOptions = SettingsOptions & {
  readonly dir?: string;
  readonly port?: string;
  readonly exitWithParent?: true;
};
type KeyOptions = SettingsOptions & { readonly passphrase: string };

const PASSPHRASE: OptionSpec = {
  flags: "--passphrase <text>",
  description: "the passphrase; - reads it from standard input, out of the list of processes",
  required: true,
};

/** Adds `content-server run`, `counters` and `key …`. */
export function addContentServerCommands(program: Command, host: CommandHost): void {
  const server = program
    .command("content-server")
    .description("Serve files over HTTP to BranchCache clients, such as Windows.");
  addCommand<RunOptions>(server, host, {
    usage: "run",
    description:
      "Serve the files of a folder under /content/, with content information for those who take " +
      "it, until it is told to end (Ctrl-C, SIGTERM).",
    examples: ["branchline content-server run --dir /srv/packages --port 80"],
    options: [
      { flags: "--dir <folder>", description: "the folder (content.folder)" },
      { flags: "--port <number>", description: "the port (network.port; default: 8445)" },
      ...settingsOptions("content-server"),
      EXIT_WITH_PARENT,
    ],
    run: async ({ options, io }) => {
      const { dir, port } = options;
      const settings = contentServerSettings(
        withSettings(options, {
          "content.folder": dir === undefined ? undefined : resolve(dir),
          "network.port": port,
        }),
        io,
      );
      await untilInterrupted((signal) => runTheContentServer(settings, signal), {
        withParent: options.exitWithParent === true,
      });
      return { json: undefined, text: "" };
    },
  });
  addCountersCommand(server, host, {
    program: "content-server",
    folderOf: (options, io) => contentServerSettings(options, io).data,
  });
  addKeyCommands(server, host);
}

function addKeyCommands(server: Command, host: CommandHost): void {
  const key = server
    .command("key")
    .description("The secret key, which servers with the same files must share.");
  addCommand<KeyOptions>(key, host, {
    usage: "export <file>",
    description: "Write the key as `netsh branchcache exportkey` does, encrypted.",
    examples: ["branchline content-server key export farm.key --passphrase -"],
    options: [PASSPHRASE, ...settingsOptions("content-server")],
    run: async ({ arguments: [file = ""], options, io }) => {
      const { exportKey } = await serverKeys();
      const path = resolve(file);
      await exportKey(contentServerSettings(options, io).data, path, await passphrase(options));
      return { json: { file: path }, text: `The key is in ${path}.` };
    },
  });
  addCommand<KeyOptions>(key, host, {
    usage: "import <file>",
    description: "Take the key that another server, or Windows, has exported.",
    examples: ["branchline content-server key import farm.key --passphrase -"],
    options: [PASSPHRASE, ...settingsOptions("content-server")],
    run: async ({ arguments: [file = ""], options, io }) => {
      const { importKey } = await serverKeys();
      const path = resolve(file);
      await importKey(contentServerSettings(options, io).data, path, await passphrase(options));
      return {
        json: { file: path },
        text: "Imported; it is in force when the server next starts.",
      };
    },
  });
  addCommand<KeyOptions>(key, host, {
    usage: "set",
    description: "Make the key from a passphrase, as `netsh branchcache set key` does.",
    examples: ["branchline content-server key set --passphrase -"],
    options: [PASSPHRASE, ...settingsOptions("content-server")],
    run: async ({ options, io }) => {
      const { setPassphrase } = await serverKeys();
      await setPassphrase(contentServerSettings(options, io).data, await passphrase(options));
      return { json: { set: true }, text: "Set; it is in force when the server next starts." };
    },
  });
}

async function passphrase(options: KeyOptions): Promise<string> {
  if (options.passphrase !== "-") return options.passphrase;
  return (await readStream(process.stdin)).replace(/\r?\n$/, "");
}
