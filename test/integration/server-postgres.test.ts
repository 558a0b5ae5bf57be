import { execFileSync } from "node:child_process";
import { cp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SERVER_ROUTES } from "../../src/api/server-routes.ts";
import { type Machine, Organisation } from "./support/organisation.ts";
import { noise } from "./support/packages.ts";
import { lackOfPostgres, PostgresServer } from "./support/postgres.ts";
import { type LogLine, Program, runForProblem } from "./support/programs.ts";
import { waitFor } from "./support/waiting.ts";

const SIZE_BYTES = 3_000_000;

let postgres: PostgresServer;

describe.skipIf(lackOfPostgres() !== undefined)("a server on PostgreSQL", () => {
  beforeAll(async () => {
    postgres = await PostgresServer.start();
  });
  afterAll(() => postgres.end());

  test("distributes, and after a SIGKILL knows everything that it had confirmed", async () => {
    const organisation = await startOrganisation();

    const published = await publish(organisation, "1");
    const first = await organisation.deploy(published);
    const before = await organisation.distributed(first);
    const second = await organisation.deploy(await publish(organisation, "2"));
    await organisation.server.program?.kill();
    await organisation.startServer();

    const after = await organisation.deployment(first);
    expect(after.finishedAtMs).toBe(before.finishedAtMs);
    expect(after.devices.map(({ state }) => state)).toEqual(["complete"]);
    await organisation.distributed(second);
  });

  test("shows its password to nobody, and takes no second server beside it", async () => {
    const organisation = await startOrganisation();
    const { server } = organisation;
    const twin = await twinOf(organisation, server);

    const refused = await runForProblem(["server", "run", "--data", twin], organisation.commands);
    const listed = execFileSync("ps", ["-eo", "args"], { encoding: "utf8" });

    expect(refused.code).toBe("database-in-use");
    expect(listed).toContain(server.data);
    for (const text of [listed, refused.message, server.program?.log]) {
      expect(text).not.toContain("with:signs");
      expect(text).not.toContain("with%3Asigns");
    }
    // The one that was there first has noticed nothing.
    await organisation.deploy(await publish(organisation, "1"));
  });

  test("waits for its database when that goes away, says so, and goes on by itself", async () => {
    const organisation = await startOrganisation();
    const { server } = organisation;
    const published = await publish(organisation, "1");

    await postgres.down();
    // Whether the server knows already when it is asked is left to chance: it refuses then, and
    // else confirms once the database is back.
    const asked = organisation.deploy(published).catch(() => undefined);
    await waitFor("the server to notice", () => eventsOf(server, "database-away")[0]);
    const control = await organisation.control(server);
    const { devices } = await control(SERVER_ROUTES.showServer);
    const args = ["deploy", published.contentId, "--all", "--data", server.data];
    const refused = await runForProblem(args, organisation.commands);
    const token = control(SERVER_ROUTES.createToken, { body: { name: "watcher" } });
    await expect(token).rejects.toMatchObject({ code: "database-away" });
    await postgres.up();
    await waitFor("the server to go on", () => eventsOf(server, "database-back")[0]);

    expect(devices.enrolled).toBe(1);
    expect(refused.code).toBe("database-away");
    expect(eventsOf(server, "api-fault")).toEqual([]);
    await organisation.distributed((await asked) ?? (await organisation.deploy(published)));
    expect(server.program?.running).toBe(true);
  });

  test("ends when it is told to, also while its database is away", async () => {
    const organisation = await startOrganisation();
    const { server } = organisation;
    await postgres.down();

    const code = await server.program?.end();
    await postgres.up();

    expect(server.program?.process.signalCode).toBeNull();
    expect([0, 1]).toContain(code);
  });
});

async function startOrganisation(): Promise<Organisation> {
  const databaseUrl = await postgres.createDatabase();
  return await Organisation.start({ central: 1, branch: 0, databaseUrl });
}

async function publish(organisation: Organisation, version: string) {
  const path = join(organisation.folder, `tool-${version}.bin`);
  await writeFile(path, noise(Number(version), SIZE_BYTES));
  return await organisation.publish({ path, name: "tool", version });
}

/** A data folder with the same identity and database, as somebody copies it to a second machine. */
async function twinOf({ folder }: Organisation, server: Machine): Promise<string> {
  const twin = join(folder, "twin");
  await cp(join(server.data, "state"), join(twin, "state"), { recursive: true });
  await cp(join(server.data, "server.toml"), join(twin, "server.toml"));
  return twin;
}

function eventsOf({ program }: Machine, event: string): readonly LogLine[] {
  return program instanceof Program ? program.events.filter(({ msg }) => msg === event) : [];
}
