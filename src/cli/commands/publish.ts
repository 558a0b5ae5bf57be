import { join } from "node:path";
import type { Command } from "commander";
import { OperatorError } from "../../runtime/operator-error.ts";
import { addCommand, type CommandHost } from "../command.ts";
import { untilInterrupted } from "../interruption.ts";
import type { Io } from "../io.ts";
import { makePublisherKey, openControl } from "../parts.ts";
import { Progress } from "../progress.ts";
import { type Published, publishPackage } from "../publishing.ts";
import { namesServer, openServer, remoteOptions, type ServerOptions } from "../server-access.ts";
import { agentSettings, settingsOptions } from "../settings-flags.ts";
import { sizeText } from "../text-table.ts";
import { type Upload, uploadPackage } from "../uploading.ts";

type PublishOptions = ServerOptions & {
  readonly name: string;
  readonly version: string;
  readonly type: string;
  readonly key?: string;
  readonly work?: string;
  readonly serverData?: string;
};

/** Names the publisher's key where `--key` does not. */
const KEY_VARIABLE = "BRANCHLINE_PUBLISHER_KEY";

/** Adds `publish` and `publisher key new`. */
export function addPublishCommands(program: Command, host: CommandHost): void {
  addCommand<PublishOptions>(program, host, {
    usage: "publish <path>",
    description:
      "Publish a file or folder. With a server named, it is uploaded into the file storage, and goes " +
      "on where it stopped when it is interrupted; else this machine's agent is the first source.",
    examples: [
      "branchline publish ./editor --name editor --version 1.2 --type application --key it.key",
      `branchline publish ./editor --name editor --version 1.2 --type application --key it.key \\
    --server https://HOST:8443 --token-file FILE --fingerprint FINGERPRINT`,
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
      ...remoteOptions(),
      {
        flags: "--server-data <folder>",
        description: "upload to the server on this machine that has this data folder",
      },
      {
        flags: "--work <folder>",
        description:
          "where an agent's package is put together (default: in the agent's data folder)",
      },
      ...settingsOptions("agent"),
    ],
    run: ({ arguments: [path = ""], options, io }) =>
      untilInterrupted(async (signal) => {
        const progress = new Progress(io);
        try {
          const { name, version, type } = options;
          const what = {
            ...{ path, name, version, type, signal, keyFile: keyFile(options, io) },
            onProgress: progress.show.bind(progress),
          };
          const published = await publishAnywhere(what, options, io);
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

/** Uploads to the server that is named; without one the agent of this machine takes it. */
async function publishAnywhere(
  what: Omit<Upload, "server">,
  options: PublishOptions,
  io: Io,
): Promise<Published> {
  const { serverData } = options;
  if (serverData !== undefined) {
    return await uploadPackage({ ...what, server: await openControl(serverData) });
  }
  if (namesServer(options, io)) {
    return await uploadPackage({ ...what, server: await openServer(options, io) });
  }
  const agentData = agentSettings(options, io).data;
  const workFolder = options.work ?? join(agentData, "publishing");
  return await publishPackage({ ...what, agentData, workFolder });
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
