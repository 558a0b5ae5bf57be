import { readFile } from "node:fs/promises";
import { OperatorError } from "../runtime/operator-error.ts";
import type { OptionSpec } from "./command.ts";
import type { Io } from "./io.ts";
import { openControl, openRemote, type ServerConnection } from "./parts.ts";
import { type SettingsOptions, serverSettings, settingsOptions } from "./settings-flags.ts";

/** The options by which a command is told which server to ask. */
export type ServerOptions = SettingsOptions & {
  readonly server?: string;
  readonly tokenFile?: string;
  readonly ca?: string;
  readonly fingerprint?: string;
};

/** The options of {@link ServerOptions}: a server on this machine, or one anywhere else. */
export function serverOptions(): readonly OptionSpec[] {
  return [...remoteOptions(), ...settingsOptions("server")];
}

/** The options by which a server anywhere else is named. */
export function remoteOptions(): readonly OptionSpec[] {
  return [
    {
      flags: "--server <url>",
      description: "ask the server at https://HOST:8443 (or in BRANCHLINE_API)",
    },
    {
      flags: "--token-file <file>",
      description: "the file that holds a token for it (or in BRANCHLINE_API_TOKEN_FILE)",
    },
    {
      flags: "--ca <file>",
      description: "trust the authorities in this PEM file (or in BRANCHLINE_API_CA)",
    },
    {
      flags: "--fingerprint <digits>",
      description: "trust the authority of this fingerprint (or in BRANCHLINE_API_FINGERPRINT)",
    },
  ];
}

/** Whether the options or the environment name a server somewhere else. */
export function namesServer(options: ServerOptions, io: Io): boolean {
  const { BRANCHLINE_API: said = "" } = io.environment;
  return (options.server ?? said) !== "";
}

/**
 * Connects with the server that is meant: one anywhere where `--server` or its environment variable
 * names it, else the one on this machine, through its control socket.
 *
 * @throws OperatorError `usage-server` where something is missing, and as `loadSettings` does.
 */
export async function openServer(options: ServerOptions, io: Io): Promise<ServerConnection> {
  const said = (name: string) => io.environment[`BRANCHLINE_API${name}`];
  const server = options.server ?? said("");
  if (server === undefined || server === "") {
    return await openControl(serverSettings(options, io).data);
  }
  const tokenFile = options.tokenFile ?? said("_TOKEN_FILE");
  if (tokenFile === undefined) {
    throw usage(`Which token is ${server} to be shown? Name a file that holds it: --token-file.`);
  }
  const ca = options.ca ?? (options.fingerprint ? undefined : said("_CA"));
  const fingerprint = options.fingerprint ?? (ca === undefined ? said("_FINGERPRINT") : undefined);
  if (ca !== undefined && fingerprint !== undefined) {
    throw usage("Name --ca or --fingerprint, not both: each says whom to trust.");
  }
  const token = (await read(tokenFile)).trim();
  if (!/^[\x21-\x7e]{1,200}$/.test(token)) throw usage(`${tokenFile} does not hold a token.`);
  const trust =
    ca === undefined ? (fingerprint === undefined ? {} : { fingerprint }) : { ca: await read(ca) };
  return await openRemote({ url: urlOf(server), token, trust });
}

function urlOf(text: string): URL {
  const url = URL.parse(text);
  if (url?.protocol === "https:" && url.pathname === "/" && url.username === "") return url;
  throw usage(`--server ${text} is not an address of a server: write https://HOST:8443.`);
}

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw usage(`${file} cannot be read: ${(cause as Error).message}.`);
  }
}

function usage(sentence: string): OperatorError {
  return new OperatorError("usage-server", sentence);
}
