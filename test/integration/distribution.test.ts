import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { AgentStatusView } from "../../src/api/agent-schemas.ts";
import type { DeploymentDetail } from "../../src/api/deployment-schemas.ts";
import { PIECE_BYTES_MAX } from "../../src/content/chunker.ts";
import {
  BRANCH,
  CENTRAL,
  Organisation,
  type Package,
  type Published,
} from "./support/organisation.ts";
import { noise, readPackage, readTree, writeTree } from "./support/packages.ts";
import { runForJson } from "./support/programs.ts";

const TIMEOUT_MS = 120_000;

test(
  "a file reaches every device whole, over the line once; its next version crosses as a few pieces",
  async () => {
    const organisation = await Organisation.start({ central: 2, branch: 3 });
    const file = join(organisation.folder, "tool.bin");
    const first = noise(1, 24_000_000);
    await writeFile(file, first, { mode: 0o755 });

    const one = await distribute(organisation, { path: file, name: "tool", version: "1.0" });

    await expectOneCopy(organisation, one.published, one.deployment);
    await expectDelivered(organisation, "tool/1.0", file);

    // A server that is started anew knows all that it knew.
    expect(await organisation.server.program?.end()).toBe(0);
    await organisation.startServer();
    expect(lasting(await organisation.deployment(one.deploymentId))).toEqual(
      lasting(one.deployment),
    );

    await writeFile(
      file,
      Buffer.concat([
        first.subarray(0, MIDDLE_BYTES),
        noise(2, 7),
        first.subarray(MIDDLE_BYTES + 13),
      ]),
    );
    const two = await distribute(organisation, { path: file, name: "tool", version: "1.1" });

    await expectDelivered(organisation, "tool/1.1", file);
    // The piece in which the change lies, and the next, with which the cuts are the same again.
    const crossedBytes = await organisation.sentOverLineBytes(two.published.contentId);
    expect(crossedBytes).toBeGreaterThan(0);
    expect(crossedBytes).toBeLessThanOrEqual(2 * PIECE_BYTES_MAX);
  },
  TIMEOUT_MS,
);

test(
  "a folder arrives with its files, empty folders and executable bits, on one port for all",
  async () => {
    const organisation = await Organisation.start({ central: 2, branch: 3, singlePort: 34_999 });
    const folder = join(organisation.folder, "editor");
    await writeTree(folder, {
      "bin/editor": { bytes: noise(3, 3_000_000), mode: 0o755 },
      "lib/plug in.so": { bytes: noise(4, 2_000_000) },
      "lib/ä/deep/notes.txt": { bytes: noise(5, 17) },
      "empty.conf": { bytes: noise(6, 0) },
      "cache/": undefined,
      "var/log/": undefined,
    });

    const { published, deployment } = await distribute(organisation, {
      path: folder,
      name: "editor",
      version: "2",
    });

    await expectOneCopy(organisation, published, deployment);
    await expectDelivered(organisation, "editor/2", folder);
  },
  TIMEOUT_MS,
);

/** Where the second version differs from the first. */
const MIDDLE_BYTES = 12_000_000;

async function distribute(organisation: Organisation, what: Package) {
  const published = await organisation.publish(what);
  const deploymentId = await organisation.deploy(published);
  const deployment = await organisation.distributed(deploymentId);
  return { published, deploymentId, deployment };
}

/**
 * One copy has crossed the line, as those say who sent it, who got it, and the server. A machine so
 * busy that an RVP seems dead for a moment costs what was just arriving at it: a hundredth at most.
 */
async function expectOneCopy(
  organisation: Organisation,
  { contentId, sizeBytes }: Published,
  deployment: DeploymentDetail,
): Promise<void> {
  const sentBytes = await organisation.sentOverLineBytes(contentId);
  let arrivedBytes = 0;
  for (const agent of organisation.agentsOf(BRANCH)) {
    const args = ["agent", "status", "--data", agent.data];
    const status = await runForJson<AgentStatusView>(args, organisation.commands);
    expect(status).toMatchObject({ office: BRANCH, server: { connected: true } });
    arrivedBytes += status.contents.find((one) => one.contentId === contentId)?.wanInBytes ?? 0;
  }
  for (const bytes of [sentBytes, arrivedBytes]) {
    expect(bytes).toBeGreaterThanOrEqual(sizeBytes);
    expect(bytes).toBeLessThanOrEqual(1.01 * sizeBytes);
  }
  const copies = deployment.offices.map((office) => [office.office, Math.floor(office.copies)]);
  expect(copies).toEqual([
    [CENTRAL, 0],
    [BRANCH, 1],
  ]);
}

/** Every device that had to fetch it has been handed exactly what was published. */
async function expectDelivered(
  organisation: Organisation,
  place: string,
  source: string,
): Promise<void> {
  const wanted = await readPackage(source);
  for (const { data } of organisation.agents) {
    expect(await readTree(join(data, "delivered", place))).toEqual(wanted);
  }
}

/** What is known for good when a deployment is over: not who is there, nor who has sent it. */
function lasting(deployment: DeploymentDetail) {
  const devices = deployment.devices.map(({ deviceId, office, state, wanInBytes, lanInBytes }) => {
    return { deviceId, office, state, wanInBytes, lanInBytes };
  });
  const offices = deployment.offices.map(({ rvp: _rvp, ...office }) => office);
  return { ...deployment, devices, offices };
}
