import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Prng } from "../../src/base/prng.ts";
import { MIB } from "../../src/base/units.ts";
import { PIECE_BYTES_MAX } from "../../src/content/chunker.ts";
import { PENDING_BYTES_MAX } from "../../src/peer/core.ts";
import { BRANCH, type Machine, Organisation } from "./support/organisation.ts";
import { hashOfFile, noise } from "./support/packages.ts";
import { waitFor } from "./support/waiting.ts";

const SEED = 20;
const KILLS = 20;
const SIZE_BYTES = 24_000_000;

/** Agents of the Central Office, each of which one that fetches over the line may ask. */
const SOURCES = 2;

/** Most bytes of pieces that the store syncs together: none of them counts before that. */
const BATCH_BYTES_MAX = 8 * MIB;

/**
 * What one kill may cost: what was asked for and had not arrived, with the piece that was asked
 * for last, and the batch on its way to the disk.
 */
const IN_FLIGHT_BYTES_MAX = SOURCES * (PENDING_BYTES_MAX + PIECE_BYTES_MAX) + BATCH_BYTES_MAX;

test("a transfer whose receivers are killed 20 times finishes, and only what was in flight crosses twice", async ({
  annotate,
}) => {
  const organisation = await Organisation.start({ central: SOURCES, branch: 3, lineMbit: 40 });
  const path = join(organisation.folder, "tool.bin");
  await writeFile(path, noise(SEED, SIZE_BYTES));
  const published = await organisation.publish({ path, name: "tool", version: "1" });
  const { contentId } = published;
  const wanted = await hashOfFile(path);
  const deliveries = new DeliveryWatch(organisation.agentsOf(BRANCH), "tool/1/tool.bin", wanted);

  const deploymentId = await organisation.deploy(published);
  const killed = await killAtRandom(organisation, contentId, deliveries);
  await waitFor("every branch agent to finish", async () => {
    await deliveries.look();
    const { devices } = await organisation.deployment(deploymentId);
    const complete = devices.filter(({ state }) => state === "complete");
    return complete.length === organisation.agents.length || undefined;
  });

  await deliveries.look();
  expect(deliveries.found).toBe(3);
  const sentBytes = await organisation.sentOverLineBytes(contentId);
  const extraBytes = sentBytes - SIZE_BYTES;
  await annotate(
    `kills: ${killed.join(" ")}; sent over the line: ${sentBytes} bytes for ${SIZE_BYTES}, ` +
      `${Math.round(extraBytes / KILLS)} more for each kill; ` +
      `${crossedBytes(organisation)} bytes on the line with all headers`,
  );
  expect(sentBytes).toBeLessThanOrEqual(SIZE_BYTES + KILLS * IN_FLIGHT_BYTES_MAX);
  for (const { program } of organisation.agents) {
    const bad = program?.events.filter(({ msg }) => BAD_EVENTS.has(msg));
    expect(bad).toEqual([]);
  }
}, 180_000);

/** What an agent logs of a peer that served what does not verify. */
const BAD_EVENTS = new Set(["piece-mismatched", "peer-misbehaved", "content-failed"]);

/**
 * Kills agents of the branch office and starts them again: half of the time the one that fetches
 * for the office. The moments are random shares of the package that have arrived, so that all of
 * them lie within the transfer however fast it is.
 */
async function killAtRandom(
  organisation: Organisation,
  contentId: string,
  deliveries: DeliveryWatch,
): Promise<readonly string[]> {
  const prng = new Prng(SEED);
  const holdings = new Holdings(organisation, contentId);
  const killed: string[] = [];
  for (let kill = 0; kill < KILLS; kill += 1) {
    const share = (kill + prng.below(1000) / 1000) / (KILLS + 1);
    await waitFor(`kill ${kill}`, async () => {
      await deliveries.look();
      return (await holdings.look()) >= share * SIZE_BYTES || undefined;
    });
    const agents = organisation.agentsOf(BRANCH);
    const fetcher = prng.below(2) === 0 ? holdings.fetcher : undefined;
    const victim = fetcher ?? agents[prng.below(agents.length)];
    if (victim === undefined) continue;
    killed.push(`${victim.name}${victim === holdings.fetcher ? " (fetches)" : ""}`);
    await victim.program?.kill();
    await deliveries.look();
    organisation.startAgent(victim);
  }
  return killed;
}

/** Looks at what the branch agents hold: what one has counted, no kill may take from it. */
class Holdings {
  readonly #organisation: Organisation;
  readonly #contentId: string;
  readonly #heldBytes = new Map<string, number>();
  fetcher: Machine | undefined;

  constructor(organisation: Organisation, contentId: string) {
    this.#organisation = organisation;
    this.#contentId = contentId;
  }

  /** Gives how much the agent holds that holds the most. */
  async look(): Promise<number> {
    for (const agent of this.#organisation.agentsOf(BRANCH)) {
      const status = await this.#organisation.status(agent).catch(() => undefined);
      // It is starting.
      if (status === undefined) continue;
      const content = status.contents.find((one) => one.contentId === this.#contentId);
      const [before, now] = [this.#heldBytes.get(agent.name) ?? 0, content?.heldBytes ?? 0];
      if (now < before) throw new Error(`${agent.name} held ${before} bytes and now ${now}`);
      this.#heldBytes.set(agent.name, now);
      if (status.rvp && status.office === BRANCH) this.fetcher = agent;
    }
    return Math.max(...this.#heldBytes.values());
  }
}

/** What the line itself has counted on its way to the branch office. */
function crossedBytes({ line }: Organisation): number {
  return line?.counters().find(({ direction }) => direction === "down")?.bytes ?? 0;
}

/** Looks at what is handed over, whenever there is something: it must be whole and right. */
class DeliveryWatch {
  readonly #places: readonly string[];
  readonly #wanted: string;
  readonly #right = new Set<string>();

  constructor(agents: readonly Machine[], path: string, wanted: string) {
    this.#places = agents.map(({ data }) => join(data, "delivered", path));
    this.#wanted = wanted;
  }

  /** At how many devices it has been handed over. */
  get found(): number {
    return this.#right.size;
  }

  async look(): Promise<void> {
    for (const place of this.#places) {
      if (!existsSync(place)) continue;
      const hash = await hashOfFile(place);
      if (hash !== this.#wanted) throw new Error(`${place} is not what was published`);
      this.#right.add(place);
    }
  }
}
