import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type {
  DeviceExplanation,
  DistributionSums,
  DistributionView,
  StatisticsSums,
  StatisticsView,
} from "../../src/api/insight-schemas.ts";
import { BRANCH, CENTRAL, type Machine, Organisation } from "./support/organisation.ts";
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

test(
  "A5, C2, D6: what stands where, what it would have cost as unicast, and what the earlier version saved",
  async () => {
    const organisation = await Organisation.start({ central: 1, branch: 2 });
    const file = join(organisation.folder, "tool.bin");
    const bytes = noise(2, SIZE_BYTES);
    await writeFile(file, bytes);
    const one = await organisation.publish({ path: file, name: "tool", version: "1" });
    await organisation.distributed(await organisation.deploy(one));
    await writeFile(file, Buffer.concat([bytes, noise(3, 100_000)]));
    const two = await organisation.publish({ path: file, name: "tool", version: "2" });
    await organisation.distributed(await organisation.deploy(two));
    const ask = <T>(...words: string[]) =>
      runForJson<T>([...words, "--data", organisation.server.data], organisation.commands);

    const stats = await ask<{ entries: StatisticsView[]; sums: StatisticsSums }>(
      ...["stats", "--content", "tool", "--office", BRANCH],
    );
    const [first, second] = stats.entries;
    const places = await ask<{ entries: DistributionView[]; sums: DistributionSums }>(
      ...["distribution", "--type", "application"],
    );

    expect(first).toMatchObject({
      ...{ version: "1", holders: 2, unicastBytes: 2 * SIZE_BYTES, lineBytes: SIZE_BYTES },
      ...{ savedPercent: 50, cacheInBytes: 0, wanInBytes: SIZE_BYTES, lanInBytes: SIZE_BYTES },
    });
    // What both versions have in common came from the devices' own caches: nearly all of it.
    expect(second?.cacheInBytes).toBeGreaterThan(1.5 * SIZE_BYTES);
    expect(second?.lineBytes).toBeLessThan(0.2 * SIZE_BYTES);
    expect(second?.savedPercent).toBeGreaterThan(90);
    expect(stats.sums.unicastBytes).toBe((first?.unicastBytes ?? 0) + (second?.unicastBytes ?? 0));
    expect(
      places.entries.map(({ office, wanted, complete }) => [office, wanted, complete]),
    ).toEqual([
      [CENTRAL, 6, 6],
      [BRANCH, 4, 4],
    ]);
    expect(places.sums).toMatchObject({ wanted: 6, complete: 6, waiting: 0, failed: 0 });
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
