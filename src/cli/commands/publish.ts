import type { Command } from "commander";
import { OperatorError } from "../../runtime/operator-error.ts";
import { addCommand, type CommandHost } from "../command.ts";
import { untilInterrupted } from "../interruption.ts";
import type { Io } from "../io.ts";
import { makePublisherKey } from "../parts.ts";
import { Progress } from "../progress.ts";
import { publishPackage } from "../publishing.ts";
import {
  agentSettings,
  type SettingsOptions,
  serverSettings,
  settingsOptions,
} from "../settings-flags.ts";
import { sizeText } from "../text-table.ts";

type PublishOptions = SettingsOptions & {
  readonly name: string;
  readonly version: string;
  readonly type: string;
  readonly key?: string;
  readonly storage?: string;
};

/** Names the publisher's key where `--key` does not. */
const KEY_VARIABLE = "BRANCHLINE_PUBLISHER_KEY";

/** Adds `publish` and `publisher key new`. */
export function addPublishCommands(program: Command, host: CommandHost): void {
  addCommand<PublishOptions>(program, host, {
    usage: "publish <path>",
    description:
      "Publish a file or folder: its bytes go to the file storage directory, its signed manifest " +
      "to the server, and this machine's agent is the first source.",
    examples: [
      "branchline publish ./editor --name editor --version 1.2 --type application --key it.key",
    ],
    options: [
      { flags: "--name <name>", description: "what the content is called", required: true },
      { flags: "--version <version>", description: "its version", required: true },
      {
        flags: "--type <word>",
        description: "what kind of content it is, such as application or update",
        required: true,
      },
      {
        flags: "--key <file>",
        description: `the publisher's key (default: the file that ${KEY_VARIABLE} names)`,
      },
      {
        flags: "--storage <folder>",
        description: "the file storage directory (default: the server's storage.folder)",
      },
      ...settingsOptions("agent"),
    ],
    run: ({ arguments: [path = ""], options, io }) =>
      untilInterrupted(async (signal) => {
        const progress = new Progress(io);
        try {
          const published = await publishPackage({
            path,
            name: options.name,
            version: options.version,
            type: options.type,
            keyFile: keyFile(options, io),
            storageFolder: options.storage ?? serverSettings({}, io).storage.folder,
            agentData: agentSettings(options, io).data,
            signal,
            onProgress: (what, done, total) => progress.show(what, done, total),
          });
          const { contentId, sizeBytes, pieces } = published;
          progress.end();
          return {
            json: { contentId, sizeBytes, pieces },
            text: `Published ${options.name} ${options.version} as ${contentId} (${sizeText(sizeBytes)}).`,
          };
        } finally {
          progress.end();
        }
      }),
  });
  const publisher = program.command("publisher").description("Publishers, who sign contents.");
  const key = publisher.command("key").description("The keys of publishers.");
  addCommand<object>(key, host, {
    usage: "new <name>",
    description:
      "Make a publisher's key pair: NAME.key, which signs and stays secret, and NAME.publisher, " +
      "which the server and the devices are given.",
    examples: ["branchline publisher key new it"],
    options: [],
    run: async ({ arguments: [name = ""] }) => {
      const made = await makePublisherKey(name);
      const text =
        `Made ${made.keyFile} (keep it secret) and ${made.publisherFile} ` +
        "(for the server's `publishers` and for `agent enrol --publisher`).";
      return { json: made, text };
    },
  });
}

function keyFile(options: PublishOptions, io: Io): string {
  const file = options.key ?? io.environment[KEY_VARIABLE];
  if (file !== undefined && file !== "") return file;
  throw new OperatorError(
    "usage-key",
    `Which key signs it? Name it with --key or in ${KEY_VARIABLE}; \`branchline publisher key ` +
      "new NAME` makes one.",
  );
}
