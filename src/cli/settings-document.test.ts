import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { AGENT_SETTINGS } from "../agent/settings.ts";
import { loadSettings, namedSettings } from "../runtime/settings.ts";
import { SERVER_SETTINGS } from "../server/settings.ts";
import { settingsDocument } from "./settings-document.ts";

const ALL = [...namedSettings(AGENT_SETTINGS), ...namedSettings(SERVER_SETTINGS)];

test("docs/settings.md is what `npm run docs` writes", () => {
  const file = new URL("../../docs/settings.md", import.meta.url);

  expect(readFileSync(file, "utf8")).toBe(settingsDocument());
});

test.each(ALL)("$variable says what it is, its unit, its range and its extremes", ({ setting }) => {
  for (const text of [setting.description, setting.unit, setting.range, setting.extremes]) {
    expect(text).not.toBe("");
  }
});

test("the defaults are themselves allowed", () => {
  for (const { variable, setting } of ALL) {
    if (setting.default === undefined) continue;
    const schema = variable.startsWith("BRANCHLINE_AGENT_") ? AGENT_SETTINGS : SERVER_SETTINGS;
    const environment = { [variable]: String(setting.default) };
    expect(() => loadSettings<unknown>(schema, { environment, flags: {} })).not.toThrow();
  }
});
