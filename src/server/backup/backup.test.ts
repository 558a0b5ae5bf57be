import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Databases, KINDS } from "../../../test/integration/support/databases.ts";
import { loadSettings } from "../../runtime/settings.ts";
import { openToRead, openToWrite } from "../connection.ts";
import { ServerDatabase } from "../database.ts";
import { type DatabasePlace, databasePlace } from "../database-place.ts";
import { serverFiles } from "../files.ts";
import { initialiseServer } from "../initialise.ts";
import { TABLE_KEYS } from "../schema.ts";
import { SERVER_SETTINGS, type ServerSettings } from "../settings.ts";
import { CHANGES, STATE } from "../test-state.ts";
import { backUp } from "./backup.ts";
import { restore } from "./restore.ts";

let databases: Databases;
let count = 0;

beforeAll(async () => {
  databases = await Databases.open();
});
afterAll(() => databases.close());

const WAYS = KINDS.flatMap((from) =>
  KINDS.map((to) => ({ from: from.kind, to: to.kind, lack: from.lack ?? to.lack })),
);

describe.each(WAYS)("a backup of $from restored into $to", ({ from, to, lack }) => {
  beforeEach((context) => context.skip(lack !== undefined, lack));

  test("brings everything back, and begins a new epoch", async () => {
    const source = await newServer(from);
    const before = await withState(source);
    const file = join(databases.folder, `${count}.backup`);
    // While the server runs: its database is held by it.
    const running = await open(source);
    const made = await backUp(source, { file });
    await running.close();

    const target = await emptySettings(to);
    const done = await restore(target, { file, force: false });

    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(done).toMatchObject({ organisation: "Acme", rows: made.rows });
    const database = await open(target);
    const after = await database.start(0);
    await database.close();
    expect(after).toEqual({ ...before, epoch: before.epoch + 1 });
    for (const name of ["authority", "identity"] as const) {
      const files = [source, target].map(({ data }) => serverFiles(data)[name]);
      const texts = await Promise.all(files.map((path) => readFile(path, "utf8")));
      expect(texts[1]).toBe(texts[0]);
    }
    expect(await readFile(join(done.besideFolder, "server.toml"), "utf8")).toContain("# ours");
  });
});

describe.each(KINDS)("a restore into $kind", ({ kind, lack }) => {
  beforeEach((context) => context.skip(lack !== undefined, lack));

  test("replaces a server only when it is told to, and keeps what it had", async () => {
    const source = await newServer(kind);
    const file = await backupOf(source);
    const target = await newServer(kind, "Other");

    await expect(restore(target, { file, force: false })).rejects.toMatchObject({
      code: "restore-not-empty",
    });
    expect(await organisationOf(target)).toBe("Other");
    const done = await restore(target, { file, force: true });

    expect(await organisationOf(target)).toBe("Acme");
    expect((await stat(done.replacedFolder ?? "")).isDirectory()).toBe(true);
  });

  test("is refused while a server uses what would be replaced", async () => {
    const source = await newServer(kind);
    const file = await backupOf(source);
    const running = await open(source);

    await expect(restore(source, { file, force: true })).rejects.toMatchObject({
      code: "database-in-use",
    });
    expect(await running.organisation()).toBe("Acme");
    await running.close();
    expect(await organisationOf(source)).toBe("Acme");
  });

  test("of a file that is cut off, changed or of a later version changes nothing", async () => {
    const source = await newServer(kind);
    const file = await backupOf(source);
    const bytes = await readFile(file);
    const lines = gunzipSync(bytes).toString("utf8");
    const bad = [
      ["backup-unreadable", bytes.subarray(0, bytes.length - 9)],
      ["backup-unreadable", Buffer.from("no backup at all")],
      ["backup-unreadable", gzipSync(lines.split("\n").slice(0, -2).join("\n"))],
      ["backup-unreadable", gzipSync(lines.replace("authority.pem", "else.pem"))],
      ["backup-newer", gzipSync(lines.replace('"format":1', '"format":2'))],
      ["backup-newer", gzipSync(lines.replace(/"migration":"[^"]+"/, '"migration":"9999-later"'))],
    ] as const;

    for (const [code, content] of bad) {
      const path = join(databases.folder, "bad.backup");
      await writeFile(path, content);
      await expect(restore(source, { file: path, force: true })).rejects.toMatchObject({ code });
    }
    expect(await organisationOf(source)).toBe("Acme");
  });

  test("brings a backup of an older schema up to date", async () => {
    const source = await newServer(kind);
    const file = await backupOf(source);
    const lines = gunzipSync(await readFile(file)).toString("utf8");
    const old = lines
      .replace(/"migration":"[^"]+"/, '"migration":"0002-tree"')
      .replace(/,"batch":\d+/, "");
    await writeFile(file, gzipSync(old));
    const target = await emptySettings(kind);

    await restore(target, { file, force: false });

    expect(await organisationOf(target)).toBe("Acme");
  });

  test("every table has its place in a backup", async () => {
    const source = await newServer(kind);
    const { kysely, close } = await openToRead(placeOf(source));
    const tables = await kysely.introspection.getTables();
    await close();

    expect(tables.map(({ name }) => name).toSorted()).toEqual(Object.keys(TABLE_KEYS).toSorted());
  });
});

test("a backup overwrites no other one, and says where it cannot be written", async () => {
  const source = await newServer("sqlite");
  const file = await backupOf(source);

  await expect(backUp(source, { file })).rejects.toMatchObject({ code: "backup-exists" });
  await expect(backUp(source, { file: "/none/at/all" })).rejects.toMatchObject({
    code: "backup-not-written",
  });
});

test("a table of many rows is read whole, by a key of several columns", async () => {
  const source = await newServer("sqlite");
  const rows = Array.from({ length: 2_500 }, (_, index) => ({
    office: `Office ${index % 7}`,
    position: index,
    text: "10.0.0.0/8",
  }));
  const names = [...new Set(rows.map(({ office }) => office))];
  const writer = await openToWrite(placeOf(source));
  const offices = names.map((name, position) => ({ name, position, type: "default" }));
  await writer.kysely.insertInto("offices").values(offices).execute();
  await writer.kysely.insertInto("subnets").values(rows).execute();
  await writer.close();
  const file = await backupOf(source);
  const target = await emptySettings("sqlite");

  await restore(target, { file, force: false });

  const reader = await openToRead(placeOf(target));
  const found = await reader.kysely.selectFrom("subnets").selectAll().orderBy("position").execute();
  await reader.close();
  expect(found).toEqual(rows);
});

/** Settings with a data folder and a database in which nothing is. */
async function emptySettings(kind: DatabasePlace["kind"]): Promise<ServerSettings> {
  count += 1;
  const place = kind === "sqlite" ? undefined : await databases.emptyPlace(kind);
  const data = join(databases.folder, `data-${count}`);
  const settings = loadSettings(SERVER_SETTINGS, { environment: {}, flags: { data } });
  return { ...settings, database: place?.kind === "postgres" ? { url: place.url } : {} };
}

async function newServer(
  kind: DatabasePlace["kind"],
  organisation = "Acme",
): Promise<ServerSettings> {
  const settings = { ...(await emptySettings(kind)), organisation };
  await mkdir(settings.data);
  await writeFile(join(settings.data, "server.toml"), "# ours\n");
  await initialiseServer(settings);
  return settings;
}

async function withState(settings: ServerSettings): Promise<typeof STATE> {
  const database = await open(settings);
  await database.apply(CHANGES);
  const state = await database.start(1_800_000_000_000);
  await database.close();
  expect({ ...state, epoch: STATE.epoch }).toEqual(STATE);
  return state;
}

async function backupOf(settings: ServerSettings): Promise<string> {
  count += 1;
  const file = join(databases.folder, `${count}.backup`);
  await backUp(settings, { file });
  return file;
}

async function organisationOf(settings: ServerSettings): Promise<string> {
  const database = await open(settings);
  const name = await database.organisation();
  await database.close();
  return name;
}

function open(settings: ServerSettings): Promise<ServerDatabase> {
  return ServerDatabase.open(placeOf(settings));
}

function placeOf(settings: ServerSettings): DatabasePlace {
  return databasePlace(settings, serverFiles(settings.data));
}
