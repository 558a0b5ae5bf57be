import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type {
  AuditView,
  DeploymentDetail,
  SteeringResult,
} from "../../src/api/deployment-schemas.ts";
import { PIECE_BYTES_MAX } from "../../src/content/chunker.ts";
import { BRANCH, type Machine, Organisation } from "./support/organisation.ts";
import { noise } from "./support/packages.ts";
import { runForJson } from "./support/programs.ts";
import { waitFor } from "./support/waiting.ts";

const TIMEOUT_MS = 150_000;

const SIZE_BYTES = 24_000_000;

test(
  "C3: a deployment that is paused stays so through SIGKILL, and one away learns that it is cancelled",
  async () => {
    const organisation = await Organisation.start({ central: 1, branch: 2, lineMbit: 16 });
    const file = join(organisation.folder, "tool.bin");
    await writeFile(file, noise(1, SIZE_BYTES));
    const { contentId } = await organisation.publish({ path: file, name: "tool", version: "1" });
    const deploymentId = await organisation.deploy({ contentId });
    const branch = organisation.agentsOf(BRANCH);
    await waitFor("the package to be on its way", async () => {
      const held = await heldBytes(organisation, branch, contentId);
      return held.every((bytes) => bytes > PIECE_BYTES_MAX) || undefined;
    });

    const paused = await steer(organisation, "pause", deploymentId);
    await organisation.server.program?.kill();

    expect(paused).toMatchObject({ changed: 1, devices: 3, reached: 3 });
    await waitFor("everyone to have heard it", async () => {
      const holds = await Promise.all(
        branch.map(async (agent) => (await organisation.contentOn(agent, contentId))?.hold),
      );
      return holds.every((hold) => hold === "paused") || undefined;
    });
    const before = await heldBytes(organisation, branch, contentId);
    await organisation.startServer();
    await waitFor("everyone to be back", async () => {
      const { devices } = await organisation.deployment(deploymentId);
      return devices.every(({ present }) => present) || undefined;
    });
    const after = await heldBytes(organisation, branch, contentId);
    for (const [index, bytes] of after.entries()) {
      expect(bytes).toBeLessThan(SIZE_BYTES);
      // What had begun to come may end.
      expect(bytes - (before[index] ?? 0)).toBeLessThanOrEqual(4 * PIECE_BYTES_MAX);
    }
    const standing = await show(organisation, deploymentId);
    expect(standing.devices.map((one) => one.standing.kind)).toEqual([
      "paused",
      "paused",
      "paused",
    ]);

    const [away, there] = branch;
    if (away === undefined || there === undefined) throw new Error("the branch has two devices");
    expect(await away.program?.end()).toBe(0);
    await steer(organisation, "cancel", deploymentId);
    await waitFor("what is unfinished to be let go of", () =>
      isFreed(organisation, there, contentId),
    );
    organisation.startAgent(away);
    await waitFor("the other to hear of it", () => isFreed(organisation, away, contentId));

    const { rows } = await run<{ rows: AuditView[] }>(organisation, "audit", "list");
    const actions = rows.map(({ action, who, subject }) => [action, who, subject]);
    expect(actions.slice(0, 3)).toEqual([
      ["deployment-cancel", "local", deploymentId],
      ["deployment-pause", "local", deploymentId],
      ["deployment-create", "local", deploymentId],
    ]);

    const again = await run<{ deploymentId: string }>(
      organisation,
      ...["deploy", contentId, "--office", BRANCH, "--where", "os!=plan9", "--priority", "high"],
    );
    await waitFor(
      "the branch to have it after all",
      async () => {
        const { devices } = await show(organisation, again.deploymentId);
        return devices.every(({ state }) => state === "complete") || undefined;
      },
      { patienceMs: 100_000 },
    );
  },
  TIMEOUT_MS,
);

async function run<T>(organisation: Organisation, ...args: readonly string[]): Promise<T> {
  const { commands, server } = organisation;
  return await runForJson<T>([...args, "--data", server.data], commands);
}

async function steer(
  organisation: Organisation,
  word: string,
  deploymentId: string,
): Promise<SteeringResult> {
  return await run(organisation, "deployment", word, deploymentId);
}

async function show(organisation: Organisation, deploymentId: string): Promise<DeploymentDetail> {
  return await run(organisation, "deployment", "show", deploymentId);
}

async function heldBytes(
  organisation: Organisation,
  agents: readonly Machine[],
  contentId: string,
): Promise<readonly number[]> {
  return await Promise.all(
    agents.map(async (agent) => (await organisation.contentOn(agent, contentId))?.heldBytes ?? 0),
  );
}

async function isFreed(
  organisation: Organisation,
  agent: Machine,
  contentId: string,
): Promise<true | undefined> {
  const { contents } = await organisation.status(agent).catch(() => ({ contents: undefined }));
  const content = contents?.find((one) => one.contentId === contentId);
  return contents !== undefined && (content?.heldBytes ?? 0) === 0 ? true : undefined;
}
