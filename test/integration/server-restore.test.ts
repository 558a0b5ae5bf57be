import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { SERVER_ROUTES } from "../../src/api/server-routes.ts";
import type { DatabasePlace } from "../../src/server/database-place.ts";
import { Databases, KINDS } from "./support/databases.ts";
import { Organisation } from "./support/organisation.ts";
import { noise } from "./support/packages.ts";
import { runForJson, runForProblem } from "./support/programs.ts";

let databases: Databases;

beforeAll(async () => {
  databases = await Databases.open();
});
afterAll(() => databases.close());

describe.each(KINDS)("a restore into $kind", ({ kind, lack }) => {
  beforeEach((context) => context.skip(lack !== undefined, lack));

  test("MS11: of an old backup has devices take the server's word again", () => backAgain(kind));
});

async function backAgain(kind: DatabasePlace["kind"]): Promise<void> {
  const organisation = await Organisation.start({ central: 1, branch: 0 });
  const { server, commands } = organisation;
  const first = await organisation.deploy(await publish(organisation, "1"));
  await organisation.distributed(first);
  const file = join(organisation.folder, "backup.gz");
  await runForJson(["server", "backup", file, "--data", server.data], commands);
  // The devices hear of more than the backup knows.
  await organisation.distributed(await organisation.deploy(await publish(organisation, "2")));
  const epoch = await epochOf(organisation);
  const args = ["server", "restore", file, "--force", "--data", server.data];
  const place = await databases.emptyPlace(kind);
  const environment: Record<string, string> =
    place.kind === "postgres" ? { BRANCHLINE_SERVER_DATABASE_URL: place.url } : {};

  const early = kind === "sqlite" ? await runForProblem(args, commands) : undefined;
  await server.program?.kill();
  await runForJson(args, { ...commands, environment });
  await organisation.startServer(environment);

  if (early !== undefined) expect(early.code).toBe("database-in-use");
  expect(await epochOf(organisation)).toBeGreaterThan(epoch);
  const control = await organisation.control(server);
  const { deployments } = await control(SERVER_ROUTES.listDeployments);
  expect(deployments.map(({ deploymentId }) => deploymentId)).toEqual([first]);
  const third = await organisation.deploy(await publish(organisation, "3"));
  await organisation.distributed(third);
}

async function publish(organisation: Organisation, version: string) {
  const path = join(organisation.folder, `tool-${version}.bin`);
  await writeFile(path, noise(Number(version), 1_000_000));
  return await organisation.publish({ path, name: "tool", version });
}

async function epochOf(organisation: Organisation): Promise<number> {
  const control = await organisation.control(organisation.server);
  return (await control(SERVER_ROUTES.showServer)).epoch;
}
