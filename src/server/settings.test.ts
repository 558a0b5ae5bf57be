import { expect, test } from "vitest";
import { loadSettings } from "../runtime/settings.ts";
import { databasePlace, placeText } from "./database-place.ts";
import { serverFiles } from "./files.ts";
import { SERVER_SETTINGS } from "./settings.ts";

const VARIABLE = "BRANCHLINE_SERVER_DATABASE_URL";

test.each([
  "postgres://branchline:secret@db.example/branchline",
  "postgresql://branchline:secret@db.example:5433/branchline?sslmode=verify-full&sslrootcert=/ca",
  "postgres:///branchline?host=/run/postgresql",
])("%s is a place for the database, and shown without its password", (url) => {
  const settings = load({ [VARIABLE]: url });

  const place = databasePlace(settings, serverFiles("/data"));

  expect(place).toEqual({ kind: "postgres", url });
  expect(placeText(place)).toMatch(/\/branchline/);
  expect(placeText(place)).not.toContain("secret");
});

test.each([
  "mysql://branchline:secret@db.example/branchline",
  "postgres://branchline:secret@db.example",
  "postgres://branchline:secret@db.example/branchline?sslmode=require",
  "secret",
])("%s is refused, and not repeated", (url) => {
  expect(() => load({ [VARIABLE]: url })).toThrow(
    expect.objectContaining({
      code: "settings-invalid",
      message: expect.not.stringContaining("secret"),
    }),
  );
});

test("the address of the database is not taken where everyone sees it", () => {
  const flags = { "database.url": "postgres://branchline:secret@db.example/branchline" };

  expect(() => loadSettings(SERVER_SETTINGS, { environment: {}, flags })).toThrow(
    expect.objectContaining({
      code: "settings-invalid",
      message: expect.stringMatching(/^(?!.*secret).*BRANCHLINE_SERVER_DATABASE_URL/),
    }),
  );
});

test("without an address the database is a file in the data folder", () => {
  expect(databasePlace(load({}), serverFiles("/data"))).toEqual({
    kind: "sqlite",
    path: "/data/state/server.db",
  });
});

function load(environment: Readonly<Record<string, string>>) {
  return loadSettings(SERVER_SETTINGS, { environment, flags: {} });
}
