import { AGENT_SETTINGS, type AgentSettings } from "../agent/settings.ts";
import {
  CONTENT_SERVER_SETTINGS,
  type ContentServerSettings,
  HOSTED_CACHE_SETTINGS,
  type HostedCacheSettings,
  PEER_SETTINGS,
  type PeerSettings,
} from "../peerdist/settings.ts";
import { OperatorError } from "../runtime/operator-error.ts";
import { loadSettings, type SettingsSchema } from "../runtime/settings.ts";
import { SERVER_SETTINGS, type ServerSettings } from "../server/settings.ts";
import type { OptionSpec } from "./command.ts";
import type { Io } from "./io.ts";

/** The options by which a command is told a program's settings. */
export type SettingsOptions = {
  readonly data?: string;
  readonly config?: string;
  readonly set?: readonly string[];
};

/** The programs that have settings. */
export type SettingsProgram =
  | "agent"
  | "server"
  | "content-server"
  | "hosted-cache"
  | "branchcache";

/** The options of {@link SettingsOptions}, for the commands of `program`. */
export function settingsOptions(program: SettingsProgram): readonly OptionSpec[] {
  return [
    { flags: "--data <folder>", description: `the ${program}'s data folder` },
    {
      flags: "--config <file>",
      description: `the settings file (default: ${program}.toml in the data folder)`,
    },
    {
      flags: "--set <key=value>",
      description: "a setting, instead of what the file and the environment say; repeatable",
      repeated: true,
    },
  ];
}

/** Reads the agent's settings. @throws OperatorError as `loadSettings` does. */
export function agentSettings(options: SettingsOptions, io: Io): AgentSettings {
  return settingsFrom(AGENT_SETTINGS, options, io);
}

/** Reads the server's settings. @throws OperatorError as `loadSettings` does. */
export function serverSettings(options: SettingsOptions, io: Io): ServerSettings {
  return settingsFrom(SERVER_SETTINGS, options, io);
}

/** Reads the settings of a content server. @throws OperatorError as `loadSettings` does. */
export function contentServerSettings(options: SettingsOptions, io: Io): ContentServerSettings {
  return settingsFrom(CONTENT_SERVER_SETTINGS, options, io);
}

/** Reads the settings of a hosted cache. @throws OperatorError as `loadSettings` does. */
export function hostedCacheSettings(options: SettingsOptions, io: Io): HostedCacheSettings {
  return settingsFrom(HOSTED_CACHE_SETTINGS, options, io);
}

/** Reads the settings of a peer. @throws OperatorError as `loadSettings` does. */
export function peerSettings(options: SettingsOptions, io: Io): PeerSettings {
  return settingsFrom(PEER_SETTINGS, options, io);
}

/** Adds settings that a command has options of its own for, where they are given. */
export function withSettings<O extends SettingsOptions>(
  options: O,
  own: Readonly<Record<string, string | undefined>>,
): O {
  const given = Object.entries(own).filter(([, value]) => value !== undefined);
  return { ...options, set: [...(options.set ?? []), ...given.map(([k, v]) => `${k}=${v}`)] };
}

function settingsFrom<T>(schema: SettingsSchema<T>, options: SettingsOptions, io: Io): T {
  const flags: Record<string, string> = options.data === undefined ? {} : { data: options.data };
  for (const pair of options.set ?? []) {
    const at = pair.indexOf("=");
    if (at < 1) {
      throw new OperatorError(
        "usage-set",
        `--set ${pair} lacks a value. Write it as --set network.port_offset=10.`,
      );
    }
    flags[pair.slice(0, at)] = pair.slice(at + 1);
  }
  return loadSettings(schema, {
    environment: io.environment,
    flags,
    ...(options.config === undefined ? {} : { file: options.config }),
  });
}
