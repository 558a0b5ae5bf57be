import { AGENT_SETTINGS } from "../agent/settings.ts";
import {
  CONTENT_SERVER_SETTINGS,
  HOSTED_CACHE_SETTINGS,
  PEER_SETTINGS,
} from "../peerdist/settings.ts";
import { type NamedSetting, namedSettings, type SettingsSchema } from "../runtime/settings.ts";
import { SERVER_SETTINGS } from "../server/settings.ts";

/** Writes `docs/settings.md`: every setting of every program, from the schemas themselves. */
export function settingsDocument(): string {
  return [
    "# Settings",
    "",
    "This page is generated from the programs' own schemas by `npm run docs`; do not edit it.",
    "",
    "Each program reads one TOML file: the one that `--config` names, or else the one with its own",
    "name in its data folder, such as `agent.toml` or `server.toml`. Environment variables win over",
    "the file, and flags over both: `--data FOLDER`, and `--set KEY=VALUE` for every setting.",
    "Relative paths in a file are meant from the file's folder. A key that does not exist, or a value",
    "out of range, keeps the program from starting.",
    "",
    ...programSection("The agent", AGENT_SETTINGS),
    ...programSection("The server", SERVER_SETTINGS),
    ...programSection("The content server", CONTENT_SERVER_SETTINGS),
    ...programSection("The hosted cache", HOSTED_CACHE_SETTINGS),
    ...programSection("The BranchCache peer", PEER_SETTINGS),
  ].join("\n");
}

function programSection<T>(title: string, schema: SettingsSchema<T>): readonly string[] {
  return [`## ${title}`, "", ...namedSettings(schema).flatMap(settingSection)];
}

function settingSection(named: NamedSetting): readonly string[] {
  const { setting } = named;
  return [
    `### \`${named.key}\``,
    "",
    setting.description,
    "",
    `* Default: ${defaultText(named)}`,
    `* Allowed: ${setting.range}`,
    `* Unit: ${setting.unit}`,
    `* Extremes: ${setting.extremes}`,
    `* Environment: \`${named.variable}\``,
    "",
  ];
}

function defaultText({ setting }: NamedSetting): string {
  if (setting.defaultText !== undefined) return setting.defaultText;
  if (setting.default === undefined) return "unset";
  return `\`${Array.isArray(setting.default) ? JSON.stringify(setting.default) : setting.default}\``;
}
