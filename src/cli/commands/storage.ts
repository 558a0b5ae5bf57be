import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import { SERVER_ROUTES } from "../../api/server-routes.ts";
import type { StorageView } from "../../api/storage-schemas.ts";
import { OperatorError } from "../../runtime/operator-error.ts";
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
  addBucketCommand(set, host);
  addDatabaseCommand(set, host);
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

function addBucketCommand(set: Command, host: CommandHost): void {
  addCommand<BucketOptions>(set, host, {
    usage: "s3 <endpoint>",
    description:
      "Keep packages in an S3-compatible bucket. The secret of the key is read from a file, and kept " +
      "in one that only the server can read.",
    examples: [
      "branchline storage set s3 https://s3.example --region eu-central-1 --bucket packages \\\n" +
        "    --access-key AKIDEXAMPLE --secret-file secret",
    ],
    options: [
      { flags: "--region <name>", description: "its region", required: true },
      { flags: "--bucket <name>", description: "its name", required: true },
      { flags: "--prefix <path>", description: "what stands before the names of packages" },
      { flags: "--access-key <id>", description: "the key's id", required: true },
      { flags: "--secret-file <file>", description: "holds the key's secret", required: true },
      ...serverOptions(),
    ],
    run: async ({ arguments: [endpoint = ""], options, io }) => {
      const { region, bucket, prefix, accessKey: accessKeyId } = options;
      const secretAccessKey = await secretOf(options.secretFile);
      const control = await openServer(options, io);
      const key = { accessKeyId, secretAccessKey };
      const path = prefix === undefined ? {} : { prefix };
      const body = { kind: "s3", endpoint, region, bucket, ...path, ...key } as const;
      return shown(await control(SERVER_ROUTES.setStorage, { body }));
    },
  });
}

type BucketOptions = ServerOptions & {
  readonly region: string;
  readonly bucket: string;
  readonly prefix?: string;
  readonly accessKey: string;
  readonly secretFile: string;
};

function addDatabaseCommand(set: Command, host: CommandHost): void {
  addCommand<ServerOptions & { readonly passwordFile?: string }>(set, host, {
    usage: "database [url]",
    description:
      "Keep packages in a database that holds nothing else: in a file in the server's data folder, or " +
      "in PostgreSQL, at postgres://USER@HOST/DATABASE.",
    examples: [
      "branchline storage set database",
      "branchline storage set database postgres://branchline@db.example/packages --password-file f",
    ],
    options: [
      { flags: "--password-file <file>", description: "holds the password of the database" },
      ...serverOptions(),
    ],
    run: async ({ arguments: [url], options, io }) => {
      const whole = url === undefined ? {} : { url: await databaseUrl(url, options.passwordFile) };
      const control = await openServer(options, io);
      const body = { kind: "database", ...whole } as const;
      return shown(await control(SERVER_ROUTES.setStorage, { body }));
    },
  });
}

async function databaseUrl(text: string, passwordFile: string | undefined): Promise<string> {
  const url = URL.parse(text);
  if (url === null) return text;
  if (url.password !== "") {
    throw usage("A password on a command line can be read by others: give it by --password-file.");
  }
  if (passwordFile !== undefined) url.password = encodeURIComponent(await secretOf(passwordFile));
  return url.href;
}

async function secretOf(file: string): Promise<string> {
  try {
    return (await readFile(file, "utf8")).trim();
  } catch (cause) {
    throw usage(`${file} cannot be read: ${(cause as Error).message}.`);
  }
}

function usage(sentence: string): OperatorError {
  return new OperatorError("usage-storage", sentence);
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
