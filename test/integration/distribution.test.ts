import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { AgentStatusView } from "../../src/api/agent-schemas.ts";
import type { DeploymentDetail } from "../../src/api/server-schemas.ts";
import { PIECE_BYTES_MAX } from "../../src/content/chunker.ts";
import { BRANCH, CENTRAL, Organisation, type Published } from "./support/organisation.ts";
import { noise, readTree, writeTree } from "./support/packages.ts";
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

    // The server may be gone and come back between two deployments.
    await organisation.server.program?.kill();
    await organisation.startServer();
    expect(await organisation.deployment(one.deploymentId)).toEqual(one.deployment);

    await writeFile(file, Buffer.concat([first.subarray(0, 12_000_000), noise(2, 7), first.subarray(12_000_013)]));
    const two = await distribute(organisation, { path: file, name: "tool", version: "1.1" });

    await expectDelivered(organisation, "tool/1.1", file);
    // The cut goes through one piece, and what it changes ends two or three pieces later.
    const crossedBytes = await organisation.sentOverLineBytes(two.published.contentId);
    expect(crossedBytes).toBeGreaterThan(0);
    expect(crossedBytes).toBeLessThanOrEqual(3 * PIECE_BYTES_MAX);
    for (const office of two.deployment.offices) expect(office.copies).toBeLessThan(0.15);
  },
  TIMEOUT_MS,
);
