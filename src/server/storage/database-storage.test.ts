import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Client } from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { lackOfPostgres, PostgresServer } from "../../../test/integration/support/postgres.ts";
import { ServerDatabase } from "../database.ts";
import { blobStorageContract, put } from "./blob-storage.contract.ts";
import { DatabaseStorage } from "./database-storage.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "branchline-storage-"));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

blobStorageContract("a database of SQLite", () => {
  const path = join(folder, "packages.db");
  return Promise.resolve({
    open: () => DatabaseStorage.open({ kind: "sqlite", path }),
    isEmpty: () => {
      const database = new DatabaseSync(path);
      const rows = database.prepare("select mark from blob_chunks").all();
      database.close();
      return Promise.resolve(rows.length === 0);
    },
  });
});

test("B1: the server's own database holds no packages", async () => {
  const place = { kind: "sqlite", path: join(folder, "server.db") } as const;
  await (await ServerDatabase.create(place, "Acme")).close();

  await expect(DatabaseStorage.open(place)).rejects.toMatchObject({ code: "storage-database" });
});

describe.skipIf(lackOfPostgres() !== undefined)("on PostgreSQL", () => {
  let postgres: PostgresServer;

  beforeAll(async () => {
    postgres = await PostgresServer.start();
  });
  afterAll(() => postgres.end());

  blobStorageContract("a database of PostgreSQL", async () => {
    const url = await postgres.createDatabase();
    return {
      open: () => DatabaseStorage.open({ kind: "postgres", url }),
      isEmpty: async () => {
        const client = new Client({ connectionString: url });
        await client.connect();
        const { rows } = await client.query("select mark from blob_chunks");
        await client.end();
        return rows.length === 0;
      },
    };
  });

  test("A4: one that is not there is refused without its password", async () => {
    const url = new URL(await postgres.createDatabase());
    url.pathname = "/nowhere";
    url.password = "not-this-one";

    const opening = DatabaseStorage.open({ kind: "postgres", url: url.href });

    await expect(opening).rejects.toMatchObject({ code: "storage-unusable" });
    await expect(opening).rejects.not.toThrow(/not-this-one/);
  });

  test("goes on by itself when the database was away", async () => {
    const url = await postgres.createDatabase();
    const storage = await DatabaseStorage.open({ kind: "postgres", url });
    const name = await put(storage, Uint8Array.of(1, 2, 3));
    await postgres.down();
    await expect(storage.sizeOf(name)).rejects.toMatchObject({ code: "storage-unusable" });
    await postgres.up();

    expect(await storage.sizeOf(name)).toBe(3);
    await storage.close();
  });
});
