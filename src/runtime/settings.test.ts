import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  booleanSetting,
  choiceSetting,
  integerSetting,
  loadSettings,
  parseSocketAddress,
  pathsSetting,
  type SettingsSchema,
  type SettingsSources,
  textSetting,
} from "./settings.ts";

type Example = {
  readonly data: string;
  readonly publishers: readonly string[];
  readonly network: {
    readonly address?: string;
    readonly portOffset: number;
    readonly line?: string;
  };
  readonly storage: { readonly folder: string };
  readonly facts: { readonly preferred: boolean };
  readonly log: { readonly level: "info" | "warn" };
};

const words = { description: "Something.", unit: "none", extremes: "None." };

const EXAMPLE: SettingsSchema<Example> = {
  program: "agent",
  shape: {
    data: textSetting("path", { ...words, default: "/var/lib/example" }),
    publishers: pathsSetting(words),
    network: {
      address: textSetting("address", words),
      portOffset: integerSetting({ minimum: 0, maximum: 100, default: 7 }, words),
      line: textSetting("socket", words),
    },
    storage: { folder: textSetting("path", { ...words, default: "<data>/storage" }) },
    facts: { preferred: booleanSetting(false, words) },
    log: { level: choiceSetting(["info", "warn"], "info", words) },
  },
};

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "settings-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

test("without a file, variables and flags the defaults hold, and what is unset is absent", () => {
  expect(load({})).toEqual({
    data: "/var/lib/example",
    publishers: [],
    network: { portOffset: 7 },
    storage: { folder: "/var/lib/example/storage" },
    facts: { preferred: false },
    log: { level: "info" },
  });
});

test("flags win over the environment, which wins over the file", () => {
  const file = write("[network]\nport_offset = 1\naddress = '127.0.0.1'\n[log]\nlevel = 'warn'\n");
  const environment = {
    BRANCHLINE_AGENT_NETWORK_PORT_OFFSET: "2",
    BRANCHLINE_AGENT_NETWORK_ADDRESS: "127.0.0.2",
  };

  const settings = load({ file, environment, flags: { "network.port_offset": "3" } });

  expect(settings.network).toEqual({ portOffset: 3, address: "127.0.0.2" });
  expect(settings.log.level).toBe("warn");
});

test("the file in the data folder is read when no other is named", () => {
  writeFileSync(join(folder, "agent.toml"), "facts.preferred = true\n");

  const settings = load({ flags: { data: folder } });

  expect(settings.facts.preferred).toBe(true);
  expect(settings.storage.folder).toBe(join(folder, "storage"));
});

test("relative paths in a file are meant from the file's folder", () => {
  const file = write("data = 'state'\npublishers = ['a.publisher', '/b.publisher']\n");

  const settings = load({ file });

  expect(settings.data).toBe(join(folder, "state"));
  expect(settings.publishers).toEqual([join(folder, "a.publisher"), "/b.publisher"]);
});

test("lists and truth values are read from variables", () => {
  const environment = {
    BRANCHLINE_AGENT_PUBLISHERS: "/a, /b",
    BRANCHLINE_AGENT_FACTS_PREFERRED: "true",
  };

  const settings = load({ environment });

  expect(settings.publishers).toEqual(["/a", "/b"]);
  expect(settings.facts.preferred).toBe(true);
});

test.each([
  [
    "a number out of range",
    "network.port_offset = 101",
    ["network.port_offset", "101", "0 to 100"],
  ],
  ["a number that is none", "network.port_offset = 'x'", ["network.port_offset", "0 to 100"]],
  ["a number that is not whole", "network.port_offset = 1.5", ["1.5", "0 to 100"]],
  ["a word that is no choice", "log.level = 'loud'", ["log.level", "loud", "info, warn"]],
  ["an address that is none", "network.address = 'here'", ["network.address", "here", "IPv4"]],
  ["a truth value that is none", "facts.preferred = 1", ["facts.preferred", "true or false"]],
  ["an unknown key", "network.prot = 1", ["network.prot", "network.port_offset"]],
  ["an unknown section", "[net]\naddress = 'x'", ["net", "network.address"]],
  ["a section that is a value", "network = 4", ["network"]],
  ["something that is not TOML", "data = = 4", ["TOML", "line 1"]],
])("a file with %s is refused, naming the file, the key and what is allowed", (_, text, named) => {
  const file = write(text);

  const refusal = refusalOf({ file });

  expect(refusal.code).toBe("settings-invalid");
  for (const part of [file, ...named]) expect(refusal.message).toContain(part);
});

test("a file that was named and is not there is refused", () => {
  const file = join(folder, "none.toml");

  const refusal = refusalOf({ file });

  expect(refusal.code).toBe("settings-unreadable");
  expect(refusal.message).toContain(file);
});

test("a variable of ours that is no setting is refused; those of others are ignored", () => {
  const environment = { BRANCHLINE_SERVER_DATA: "/x", HOME: "/y" };
  expect(load({ environment }).data).toBe("/var/lib/example");

  const refusal = refusalOf({ environment: { BRANCHLINE_AGENT_NETWORK_PORT: "1" } });
  expect(refusal.message).toContain("BRANCHLINE_AGENT_NETWORK_PORT ");
  expect(refusal.message).toContain("BRANCHLINE_AGENT_NETWORK_PORT_OFFSET");
});

test.each([
  ["127.0.0.1:4000", { host: "127.0.0.1", port: 4000 }],
  ["[2001:db8::1]:1", { host: "2001:db8::1", port: 1 }],
  ["127.0.0.1", undefined],
  ["127.0.0.1:0", undefined],
  ["127.0.0.1:65536", undefined],
  ["::1:4000", undefined],
  ["example:4000", undefined],
])("the address and port %s is read or refused", (text, address) => {
  expect(parseSocketAddress(text)).toEqual(address);
});

function load(sources: Partial<SettingsSources>): Example {
  return loadSettings(EXAMPLE, { environment: {}, flags: {}, ...sources });
}

function refusalOf(sources: Partial<SettingsSources>): { code: string; message: string } {
  try {
    load(sources);
  } catch (error) {
    return error as { code: string; message: string };
  }
  throw new Error("nothing was refused");
}

function write(text: string): string {
  const file = join(folder, "some.toml");
  writeFileSync(file, `${text}\n`);
  return file;
}
