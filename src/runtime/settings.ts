import { existsSync, readFileSync } from "node:fs";
import { isIP } from "node:net";
import { dirname, join, resolve } from "node:path";
import { parse, TomlError } from "smol-toml";
import { type TSchema, Type } from "typebox";
import { Check } from "typebox/value";
import { OperatorError } from "./operator-error.ts";

/**
 * One setting: what it may be, and everything a person must know to choose.
 *
 * The schema carries the range and the default, as JSON Schema has them; the documentation is made
 * from the same object.
 */
export type Setting<T> = {
  readonly schema: TSchema;
  /** How the value is written in an environment variable or a flag. */
  readonly form: "integer" | "boolean" | "text" | "list";
  /** Whether a relative value is meant from the folder of the settings file. */
  readonly isPath: boolean;
  /** `undefined` where the setting is unset unless someone sets it. */
  readonly default: T | undefined;
  readonly description: string;
  readonly unit: string;
  /** What is allowed, in words. */
  readonly range: string;
  /** What comes of the smallest and the largest, or of the rarer choice. */
  readonly extremes: string;
  /** What the default is where it is no constant, in words. */
  readonly defaultText?: string;
  /** May hold a password: it is never shown, and not taken where every user of the machine sees it. */
  readonly secret?: true;
};

/** The values that a setting may have. */
export type SettingValue = number | boolean | string | readonly string[];

/** A program's settings: a record of settings and of sections of settings. */
export type SettingsShape<T> = {
  readonly [K in keyof T]-?: [NonNullable<T[K]>] extends [SettingValue]
    ? Setting<NonNullable<T[K]>>
    : SettingsShape<NonNullable<T[K]>>;
};

/** All settings of one program; where other defaults lie in it, the first is its `data` folder. */
export type SettingsSchema<T> = {
  /** `agent` or `server`: names the settings file and the environment variables. */
  readonly program: string;
  readonly shape: SettingsShape<T>;
};

/** Where values come from. Flags win over the environment, which wins over the file. */
export type SettingsSources = {
  /** The settings file; by default `<program>.toml` in the data folder, where there is one. */
  readonly file?: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** By dotted key, such as `network.port_offset`. */
  readonly flags: Readonly<Record<string, string>>;
};

/** One setting with its names. */
export type NamedSetting = {
  /** As in the file: `network.port_offset`. */
  readonly key: string;
  /** As in the environment: `BRANCHLINE_AGENT_NETWORK_PORT_OFFSET`. */
  readonly variable: string;
  /** The properties that lead to it in the settings object. */
  readonly path: readonly string[];
  readonly setting: Setting<SettingValue>;
};

/**
 * Reads a program's settings.
 *
 * @throws OperatorError `settings-unreadable` where the file cannot be read, `settings-invalid`
 * where it is not TOML, a key is unknown or a value is not allowed.
 */
export function loadSettings<T>(schema: SettingsSchema<T>, sources: SettingsSources): T {
  const named = namedSettings(schema);
  const keys = new Map(named.map((one) => [one.key, one]));
  const given = [
    ...fromEnvironment(schema.program, named, sources.environment),
    ...fromFlags(keys, sources.flags),
  ];
  const data = valuesOf(named, given).get("data") ?? keys.get("data")?.setting.default;
  const file = settingsFile(schema.program, sources.file, data);
  const fromTheFile = file === undefined ? [] : fromFile(keys, file);
  return assemble(named, valuesOf(named, [...fromTheFile, ...given])) as T;
}

/** All settings of a program with their names, in the order of its shape. */
export function namedSettings<T>(schema: SettingsSchema<T>): readonly NamedSetting[] {
  const found: NamedSetting[] = [];
  const visit = (shape: object, path: readonly string[]): void => {
    for (const [name, member] of Object.entries(shape)) {
      const own = [...path, name];
      if (!isSetting(member)) {
        visit(member as object, own);
        continue;
      }
      const key = own.map(snakeCase).join(".");
      found.push({ key, variable: variableOf(schema.program, key), path: own, setting: member });
    }
  };
  visit(schema.shape, []);
  return found;
}

/** Where a program keeps its state unless it is told otherwise. */
export function defaultDataFolder(
  program: string,
  environment: Readonly<Record<string, string | undefined>>,
): string {
  if (process.getuid?.() === 0) return `/var/lib/branchline/${program}`;
  const { HOME, USERPROFILE, XDG_DATA_HOME } = environment;
  const share = XDG_DATA_HOME ?? join(HOME ?? USERPROFILE ?? ".", ".local", "share");
  return join(share, "branchline", program);
}

type Documentation = Pick<Setting<never>, "description" | "unit" | "extremes">;

/** A setting that is a whole number of `unit` in `[minimum, maximum]`. */
export function integerSetting(
  range: { readonly minimum: number; readonly maximum: number; readonly default?: number },
  documentation: Documentation,
): Setting<number> {
  return {
    ...documentation,
    schema: Type.Integer({ ...range, description: documentation.description }),
    form: "integer",
    isPath: false,
    default: range.default,
    range: `${range.minimum} to ${range.maximum}`,
  };
}

/** A setting that is `true` or `false`. */
export function booleanSetting(
  initial: boolean,
  documentation: Omit<Documentation, "unit">,
): Setting<boolean> {
  return {
    ...documentation,
    schema: Type.Boolean({ default: initial, description: documentation.description }),
    form: "boolean",
    isPath: false,
    default: initial,
    unit: "none",
    range: "true or false",
  };
}

/** A setting that is one of a few words. */
export function choiceSetting<T extends string>(
  choices: readonly T[],
  initial: T,
  documentation: Omit<Documentation, "unit">,
): Setting<T> {
  return {
    ...documentation,
    schema: Type.Enum([...choices], { default: initial, description: documentation.description }),
    form: "text",
    isPath: false,
    default: initial,
    unit: "none",
    range: `one of ${choices.join(", ")}`,
  };
}

/** A setting that is a text of a certain kind. */
export function textSetting(
  kind: TextKind,
  documentation: Documentation & { readonly default?: string; readonly defaultText?: string },
): Setting<string> {
  const { range, pattern } = TEXTS[kind];
  return {
    ...documentation,
    schema: Type.Refine(
      Type.String({ description: documentation.description }),
      (text) => pattern(text),
      () => range,
    ),
    form: "text",
    isPath: kind === "path",
    default: documentation.default,
    range,
  };
}

/** A setting that may hold a password. */
export function secretSetting(
  kind: "postgres",
  documentation: Documentation & { readonly defaultText?: string },
): Setting<string> {
  return { ...textSetting(kind, documentation), secret: true };
}

/** A setting that is a list of texts of a certain kind. */
export function textsSetting(
  kind: TextKind,
  documentation: Omit<Documentation, "unit"> & { readonly default: readonly string[] },
): Setting<readonly string[]> {
  const { range, pattern } = TEXTS[kind];
  return {
    ...documentation,
    schema: Type.Array(
      Type.Refine(
        Type.String(),
        (text) => pattern(text),
        () => range,
      ),
      { maxItems: TEXTS_MAX, description: documentation.description },
    ),
    form: "list",
    isPath: false,
    unit: "none",
    range: `at most ${TEXTS_MAX} of: ${range}; in variables and flags with commas between them`,
  };
}

/** Most texts in a list of texts. */
const TEXTS_MAX = 100;

/** A setting that is a list of files. */
export function pathsSetting(
  documentation: Omit<Documentation, "unit">,
): Setting<readonly string[]> {
  return {
    ...documentation,
    schema: Type.Array(Type.String({ minLength: 1 }), {
      default: [],
      maxItems: PATHS_MAX,
      description: documentation.description,
    }),
    form: "list",
    isPath: true,
    default: [],
    unit: "none",
    range: `at most ${PATHS_MAX} paths, in variables and flags with commas between them`,
  };
}

/** Most files in a list of files. */
const PATHS_MAX = 1000;

const HOST_NAME = /^(?=.{1,253}$)[\w-]+(\.[\w-]+)*\.?$/;

/** A kind of text that a setting may be. */
type TextKind = "address" | "host" | "name" | "path" | "postgres" | "socket" | "destination";

/** What the kinds of text may be. */
const TEXTS: Readonly<
  Record<TextKind, { readonly range: string; readonly pattern: (text: string) => boolean }>
> = {
  address: { range: "an IPv4 or IPv6 address", pattern: (text) => isIP(text) !== 0 },
  host: {
    range: "an IP address or a host name of up to 253 characters",
    pattern: (text) => isIP(text) !== 0 || HOST_NAME.test(text),
  },
  name: {
    range: "1 to 64 letters, digits, spaces and . _ -",
    pattern: (text) => /^[\p{L}\p{N}._-][\p{L}\p{N} ._-]{0,63}$/u.test(text),
  },
  postgres: {
    range:
      "postgres://USER:PASSWORD@HOST:PORT/DATABASE, with ?host=FOLDER for a Unix socket and " +
      "?sslmode=disable or ?sslmode=verify-full&sslrootcert=FILE for TLS",
    pattern: isPostgresUrl,
  },
  path: { range: "a path", pattern: (text) => text.length > 0 && !text.includes("\0") },
  destination: {
    range: "`public`, `private`, a network such as 10.2.0.0/16, or a host name",
    pattern: (text) => isNetwork(text) || HOST_NAME.test(text),
  },
  socket: {
    range: "an IP address and a port, such as 127.0.0.1:4000 or [::1]:4000",
    pattern: (text) => parseSocketAddress(text) !== undefined,
  },
};

/** Whether a text is an address and the length of a prefix. */
function isNetwork(text: string): boolean {
  const [address = "", bits = "", ...rest] = text.split("/");
  const most = isIP(address) === 4 ? 32 : 128;
  return isIP(address) !== 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= most && rest.length === 0;
}

/** Reads `address:port` or `[IPv6 address]:port`; `undefined` for anything else. */
export function parseSocketAddress(
  text: string,
): { readonly host: string; readonly port: number } | undefined {
  const parts = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):(\d{1,5})$/.exec(text);
  if (parts === null) return undefined;
  const host = parts[1] ?? parts[2] ?? "";
  const port = Number(parts[3]);
  const family = parts[1] === undefined ? 4 : 6;
  return isIP(host) === family && port >= 1 && port <= 65_535 ? { host, port } : undefined;
}

/** TLS that lets in whoever has any certificate protects from nobody: it is all or nothing. */
function isPostgresUrl(text: string): boolean {
  if (!/^postgres(ql)?:\/\//.test(text) || !URL.canParse(text)) return false;
  const { pathname, searchParams } = new URL(text);
  const ssl = searchParams.get("sslmode") ?? "disable";
  return pathname.length > 1 && (ssl === "disable" || ssl === "verify-full");
}

/** One value, and where a person finds it. */
type Given = { readonly one: NamedSetting; readonly value: unknown; readonly folder: string };

function fromEnvironment(
  program: string,
  named: readonly NamedSetting[],
  environment: SettingsSources["environment"],
): readonly Given[] {
  const variables = new Map(named.map((one) => [one.variable, one]));
  const prefix = variableOf(program, "");
  return Object.entries(environment).flatMap(([variable, text]) => {
    if (!variable.startsWith(prefix) || text === undefined) return [];
    const one = variables.get(variable);
    if (one === undefined) throw unknown("the environment", variable, [...variables.keys()]);
    return [checked(one, parseText(one, text), `the environment variable ${variable}`, ".")];
  });
}

function fromFlags(
  keys: ReadonlyMap<string, NamedSetting>,
  flags: SettingsSources["flags"],
): readonly Given[] {
  return Object.entries(flags).map(([key, text]) => {
    const one = keys.get(key);
    if (one === undefined) throw unknown("the command line", key, [...keys.keys()]);
    if (one.setting.secret === true) throw visible(one);
    return checked(one, parseText(one, text), `${key} on the command line`, ".");
  });
}

/** Which file to read; `undefined` where none was named and none is there. */
function settingsFile(
  program: string,
  file: string | undefined,
  dataFolder: unknown,
): string | undefined {
  if (file !== undefined || typeof dataFolder !== "string") return file;
  const usual = join(dataFolder, `${program}.toml`);
  return existsSync(usual) ? usual : undefined;
}

function fromFile(keys: ReadonlyMap<string, NamedSetting>, file: string): readonly Given[] {
  const folder = dirname(resolve(file));
  const found: Given[] = [];
  const visit = (table: object, prefix: string): void => {
    for (const [name, value] of Object.entries(table)) {
      const key = prefix + name;
      const one = keys.get(key);
      if (one !== undefined) found.push(checked(one, value, `${key} in ${file}`, folder));
      else if (isSection(keys, key) && isTable(value)) visit(value, `${key}.`);
      else throw unknown(file, key, [...keys.keys()]);
    }
  };
  visit(parseFile(file), "");
  return found;
}

function parseFile(file: string): object {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw unreadable(file, cause);
  }
  try {
    return parse(text);
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause;
    const problem = cause.message.split("\n", 1)[0];
    throw new OperatorError(
      "settings-invalid",
      `${file} is not valid TOML: ${problem} (line ${cause.line}, column ${cause.column}).`,
      { cause },
    );
  }
}

function parseText(one: NamedSetting, text: string): unknown {
  switch (one.setting.form) {
    case "integer":
      return /^-?\d+$/.test(text) ? Number(text) : text;
    case "boolean":
      return text === "true" || (text === "false" ? false : text);
    case "list":
      return text === "" ? [] : text.split(",").map((part) => part.trim());
    case "text":
      return text;
  }
}

function checked(one: NamedSetting, value: unknown, where: string, folder: string): Given {
  if (Check(one.setting.schema, value)) return { one, value, folder };
  const secret = one.setting.secret === true;
  const shown = secret ? "not as it must be" : (JSON.stringify(value) ?? String(value));
  throw new OperatorError(
    "settings-invalid",
    `${where} is ${shown}; allowed is ${one.setting.range}` +
      `${one.setting.unit === "none" ? "" : ` (unit: ${one.setting.unit})`}.`,
  );
}

/** The values by key, the last one given first; paths are absolute. */
function valuesOf(
  named: readonly NamedSetting[],
  given: readonly Given[],
): ReadonlyMap<string, unknown> {
  const values = new Map<string, unknown>();
  for (const { key, setting } of named) {
    const last = given.findLast(({ one }) => one.key === key);
    if (last === undefined) continue;
    values.set(key, setting.isPath ? absolute(last.value, last.folder) : last.value);
  }
  return values;
}

function absolute(value: unknown, folder: string): unknown {
  if (Array.isArray(value)) return value.map((path) => resolve(folder, String(path)));
  return resolve(folder, String(value));
}

/** Builds the settings object; defaults that begin with `<data>` lie in the data folder. */
function assemble(named: readonly NamedSetting[], values: ReadonlyMap<string, unknown>): object {
  const settings: Record<string, unknown> = {};
  let dataFolder = "";
  for (const { key, path, setting } of named) {
    let value = values.get(key) ?? setting.default;
    if (typeof value === "string" && value.startsWith("<data>")) {
      value = join(dataFolder, value.slice("<data>/".length));
    }
    if (key === "data") dataFolder = String(value);
    let section = settings;
    for (const name of path.slice(0, -1)) {
      section[name] ??= {};
      section = section[name] as Record<string, unknown>;
    }
    if (value !== undefined) section[path.at(-1) ?? ""] = value;
  }
  return settings;
}

function visible({ key, variable }: NamedSetting): OperatorError {
  return new OperatorError(
    "settings-invalid",
    `${key} may hold a password, and everyone on the machine can see command lines: put it into ` +
      `the settings file, or into the environment as ${variable}.`,
  );
}

function unreadable(file: string, cause: unknown): OperatorError {
  return new OperatorError(
    "settings-unreadable",
    `The settings file ${file} cannot be read: ${(cause as Error).message}.`,
    { cause },
  );
}

function unknown(where: string, key: string, known: readonly string[]): OperatorError {
  return new OperatorError(
    "settings-invalid",
    `${key} in ${where} is no setting. There are: ${known.join(", ")}.`,
  );
}

function isSetting(member: unknown): member is Setting<SettingValue> {
  return isTable(member) && "form" in member && "schema" in member;
}

function isTable(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isSection(keys: ReadonlyMap<string, NamedSetting>, key: string): boolean {
  return [...keys.keys()].some((known) => known.startsWith(`${key}.`));
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function variableOf(program: string, key: string): string {
  return `BRANCHLINE_${program}_${key}`.replaceAll(/[.-]/g, "_").toUpperCase();
}
