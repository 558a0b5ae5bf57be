import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { DeviceExplanation } from "../../src/api/insight-schemas.ts";
import { BRANCH, type Machine, Organisation } from "./support/organisation.ts";
import { noise } from "./support/packages.ts";
import { runForJson } from "./support/programs.ts";
import { waitFor } from "./support/waiting.ts";

const TIMEOUT_MS = 120_000;

const SIZE_BYTES = 8_000_000;

test(
  "D4: the server tells of every device from whom its pieces came and why, and of one that is away",
  async () => {
    const organisation = await Organisation.start({ central: 1, branch: 2 });
    const file = join(organisation.folder, "tool.bin");
    await writeFile(file, noise(1, SIZE_BYTES));
    const { contentId } = await organisation.publish({ path: file, name: "tool", version: "1" });
    await organisation.distributed(await organisation.deploy({ contentId }));
    const branch = organisation.agentsOf(BRANCH);

    const ids = new Map<Machine, string>();
    for (const agent of branch) ids.set(agent, (await organisation.status(agent)).deviceId);
    const ask = (agent: Machine) => explain(organisation, ids.get(agent) ?? "", contentId);

    const told = await Promise.all(branch.map(ask));

    for (const one of told) {
      expect(one).toMatchObject({ answer: "told", name: "tool", version: "1" });
      expect(one.totals.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(SIZE_BYTES);
      const held = one.ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
      expect(held).toBe(one.pieces);
      expect(one.ranges.every(({ reason }) => reason !== "")).toBe(true);
      expect(one.reported).toMatchObject({ state: "complete", heldBytes: SIZE_BYTES });
    }
    // One copy came over the line, from the publisher in the Central Office.
    const kinds = told.flatMap(({ totals }) =>
      totals.map(({ source, bytes }) => ({ source, bytes })),
    );
    const far = kinds.filter(({ source }) => source.kind === "far-device");
    expect(far.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(SIZE_BYTES);

    const [away] = branch;
    if (away === undefined) throw new Error("the branch has devices");
    await away.program?.end();
    const left = await waitFor("the server to miss it", async () => {
      const one = await ask(away);
      return one.answer === "away" ? one : undefined;
    });
    expect(left).toMatchObject({ ranges: [], reported: { state: "complete" } });
  },
  TIMEOUT_MS,
);

async function explain(
  { commands, server }: Organisation,
  deviceId: string,
  contentId: string,
): Promise<DeviceExplanation> {
  const words = ["explain", "--device", deviceId, "--content", contentId.slice(0, 8)];
  return await runForJson<DeviceExplanation>([...words, "--data", server.data], commands);
}
