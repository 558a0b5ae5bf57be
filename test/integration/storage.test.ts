import { randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { SERVER_ROUTES } from "../../src/api/server-routes.ts";
import type { UploadView } from "../../src/api/upload-schemas.ts";
import { blobNameOf } from "../../src/server/storage/uploads.ts";
import { Organisation, type Published } from "./support/organisation.ts";
import { Program, runForJson, runForProblem } from "./support/programs.ts";
import { waitFor } from "./support/waiting.ts";

const TIMEOUT_MS = 180_000;

test(
  "A4: an upload goes on by itself after a SIGKILL of the server, and when it is begun again",
  async () => {
    const organisation = await startOrganisation({ central: 0, branch: 0 });
    const { server } = organisation;
    const path = join(organisation.folder, "large.bin");
    const bytes = randomBytes(150_000_000);
    await writeFile(path, bytes);

    const first = startPublishing(organisation, path);
    await underWay(organisation);
    await server.program?.kill();
    await first.kill();
    const kept = await readdir(organisation.packages);
    await organisation.startServer();
    const [atRestart] = await uploadsOf(organisation);
    const second = startPublishing(organisation, path);
    await underWay(organisation, (atRestart?.haveBytes ?? 0) + 1);
    await server.program?.kill();
    await organisation.startServer();
    expect({ code: await second.ended, log: second.log }).toEqual({ code: 0, log: "" });

    expect(kept).toEqual([expect.stringMatching(/^\.upload-/)]);
    expect(atRestart?.haveBytes).toBeGreaterThan(0);
    const { contentId } = JSON.parse(second.stdout) as Published;
    // Signed anew it would be another content, and nothing could be gone on with.
    expect(contentId).toBe(atRestart?.contentId);
    expect(await readdir(organisation.packages)).toEqual([blobNameOf(contentId as never)]);
    const stored = await readFile(join(organisation.packages, blobNameOf(contentId as never)));
    expect(stored.equals(bytes)).toBe(true);
    expect(await uploadsOf(organisation)).toEqual([]);
  },
  TIMEOUT_MS,
);

test("A4: without file storage an upload is refused, saying what to do", async () => {
  const organisation = await Organisation.make({ central: 0, branch: 0 });
  await organisation.initialise();
  await organisation.startServer();
  const path = join(organisation.folder, "tool.bin");
  await writeFile(path, "tool");

  const local = ["--server-data", organisation.server.data];
  const problem = await runForProblem([...publication(organisation, path), ...local], {
    home: organisation.folder,
  });

  expect(problem).toMatchObject({ code: "storage-not-configured" });
  expect(problem.message).toContain("branchline storage set");
});

test(
  "B12: devices fetch an uploaded package from the server, once over the line, and go on after a SIGKILL",
  async () => {
    const organisation = await startOrganisation({ central: 2, branch: 2 });
    const { server } = organisation;
    const path = join(organisation.folder, "large.bin");
    const bytes = randomBytes(40_000_000);
    await writeFile(path, bytes);
    const publishing = startPublishing(organisation, path);
    expect({ code: await publishing.ended, log: publishing.log }).toEqual({ code: 0, log: "" });
    const { contentId } = JSON.parse(publishing.stdout) as Published;

    const deploymentId = await organisation.deploy({ contentId });
    await waitFor("the first bytes from the server", async () => {
      const states = await Promise.all(
        organisation.agents.map((agent) => organisation.contentOn(agent, contentId)),
      );
      return states.find((state) => (state?.heldBytes ?? 0) > 0);
    });
    await server.program?.kill();
    await organisation.startServer();
    const deployment = await organisation.distributed(deploymentId);

    expect(deployment.devices.map(({ state }) => state)).toEqual(Array(4).fill("complete"));
    for (const agent of organisation.agents) {
      const state = await organisation.contentOn(agent, contentId);
      const delivered = join(state?.deliveredTo ?? "", "large.bin");
      expect(bytes.equals(await readFile(delivered))).toBe(true);
    }
    const control = await organisation.control(server);
    const { entries } = await control(SERVER_ROUTES.showLedger, { query: {} });
    const fromStorage = entries.reduce((sum, { originBytes }) => sum + originBytes, 0);
    expect(fromStorage).toBeGreaterThanOrEqual(bytes.length);
    expect(fromStorage).toBeLessThan(1.2 * bytes.length);
  },
  TIMEOUT_MS,
);

/** An organisation with a directory as file storage, and a token for its API. */
async function startOrganisation(plan: { readonly central: number; readonly branch: number }) {
  const organisation = await Organisation.make(plan);
  const packages = join(organisation.folder, "packages");
  await mkdir(packages);
  await organisation.initialise();
  await organisation.bringUp();
  const { data } = organisation.server;
  const { commands } = organisation;
  await runForJson(["storage", "set", "directory", packages, "--data", data], commands);
  const create = ["server", "token", "create", "publisher", "--data", data];
  const { token } = await runForJson<{ token: string }>(create, commands);
  await writeFile(join(organisation.folder, "token"), token);
  return Object.assign(organisation, { packages });
}

function publication(organisation: Organisation, path: string): readonly string[] {
  const what = [path, "--name", "large", "--version", "1", "--type", "application"];
  return ["publish", ...what, "--key", join(organisation.folder, "it.key")];
}

/** `publish` from anywhere, over TLS. */
function startPublishing(organisation: Organisation, path: string): Program {
  const { address } = organisation.server;
  const where = ["--server", `https://${address}:8443`, "--fingerprint", organisation.fingerprint];
  const token = ["--token-file", join(organisation.folder, "token")];
  const words = [...publication(organisation, path), ...where, ...token, "--json"];
  return Program.start(words, organisation.commands, []);
}

async function uploadsOf(organisation: Organisation): Promise<readonly UploadView[]> {
  const control = await organisation.control(organisation.server);
  return (await control(SERVER_ROUTES.listUploads)).uploads;
}

/** Waits until something of an upload is durable. */
async function underWay(organisation: Organisation, fromBytes = 9 * 1024 * 1024): Promise<void> {
  const look = async () => (await uploadsOf(organisation)).find((one) => one.haveBytes > fromBytes);
  await waitFor("an upload to be under way", look, { lookMs: 5 });
}
