import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Databases } from "../../test/integration/support/databases.ts";
import { lackOfPostgres } from "../../test/integration/support/postgres.ts";
import { openToRead } from "./connection.ts";
import { ServerDatabase } from "./database.ts";
import { CHANGES, CONTENT, DEVICE, FILES } from "./test-state.ts";

let databases: Databases;

beforeAll(async () => {
  databases = await Databases.open();
});
afterAll(() => databases.close());

describe.skipIf(lackOfPostgres() !== undefined)("a PostgreSQL server", () => {
  test.each([
    ["a wrong password", "database-login", (url: string) => url.replace(/:[^:@/]+@/, ":wrong@")],
    ["no password", "database-login", (url: string) => url.replace(/:[^:@/]+@/, "@")],
    ["an unknown user", "database-login", (url: string) => url.replace("branchline:", "else:")],
    ["no such database", "database-missing", (url: string) => url.replace(/organisation_\d+/, "x")],
    ["nobody at the socket", "database-unreachable", (url: string) => `${url}/none`],
    [
      "nobody at the port",
      "database-unreachable",
      (url: string) => url.replace(/localhost(.*)\?.*/, "127.0.0.1:1$1"),
    ],
    ["no TLS where it must be", "database-tls", (url: string) => `${url}&sslmode=verify-full`],
    [
      "no file of certificates",
      "database-tls",
      (url: string) => `${url}&sslmode=verify-full&sslrootcert=/none/at/all`,
    ],
  ])("that has %s is refused as %s, without the password", async (_, code, change) => {
    const url = change(await databases.postgres.createDatabase());

    const error: unknown = await ServerDatabase.create({ kind: "postgres", url }, "Acme").catch(
      (cause: unknown) => cause,
    );

    expect(error).toMatchObject({ code });
    expect(String(error)).not.toMatch(/signs|:wrong/);
  });

  test("must have a database in UTF-8", async () => {
    const url = await databases.postgres.createDatabase("encoding 'SQL_ASCII' template template0");

    await expect(ServerDatabase.create({ kind: "postgres", url }, "Acme")).rejects.toMatchObject({
      code: "database-unsuitable",
    });
  });

  test("that goes away is waited for: what was asked meanwhile is done once, and said", async () => {
    const said: string[] = [];
    const watch = { onAway: () => said.push("away"), onBack: () => said.push("back") };
    const place = await databases.emptyPlace("postgres");
    await (await ServerDatabase.create(place, "Acme")).close();
    const database = await ServerDatabase.open(place, watch);
    await database.start(0);
    await database.apply(CHANGES);

    await databases.postgres.down();
    const late = database.apply([{ kind: "device-put", device: { ...DEVICE, office: "North" } }]);
    const read = database.contentFiles(CONTENT);
    await expect.poll(() => database.isAway).toBe(true);
    await databases.postgres.up();
    await Promise.all([late, read]);

    expect(await read).toEqual(FILES);
    expect(said).toEqual(["away", "back"]);
    const { devices } = await database.start(0);
    expect(devices[0]?.office).toBe("North");
    await database.close();
  });

  test("changes whose confirmation was lost are not made twice", async () => {
    const place = await databases.emptyPlace("postgres");
    const database = await ServerDatabase.create(place, "Acme");
    await database.start(0);
    await database.apply(CHANGES.slice(0, -1));
    // As if the connection had broken behind the commit: the batch is there, and nobody knows.
    const other = await openToRead(place);
    await other.kysely.updateTable("organisation").set({ batch: 2 }).execute();
    await other.close();

    await database.apply(CHANGES.slice(-1));

    expect((await database.start(0)).accusations).toEqual([]);
    await database.close();
  });

  test("that stays away holds up nobody who wants to end", async () => {
    const place = await databases.emptyPlace("postgres");
    const database = await ServerDatabase.create(place, "Acme");
    await database.start(0);
    await databases.postgres.down();

    const late = database.apply([{ kind: "device-put", device: DEVICE }]);
    database.giveUp();

    await expect(late).rejects.toMatchObject({ code: "database-away" });
    await database.close();
    await databases.postgres.up();
  });
});
