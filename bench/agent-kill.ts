import { Prng } from "../src/base/prng.ts";
import { MIB } from "../src/base/units.ts";
import { pause } from "../src/cli/interruption.ts";
import { intactOf } from "./content/compare.ts";
import { digits, officeFigures } from "./figures.ts";
import type { NetworkPlan } from "./net/network.ts";
import type { BenchOptions } from "./options.ts";
import type { Distribution } from "./organisation/distribution.ts";
import { type Machine, Organisation } from "./organisation/organisation.ts";
import type { Bench, Stage } from "./stage.ts";
import { beginRandomFile } from "./tree.ts";

/** How many agents are killed, each when the tree has got to a share that was drawn. */
const KILLS = 16;

/** How often is looked how far the tree is, in milliseconds. */
const LOOK_MS = 50;

/** How finely shares are drawn. */
const SHARES = 1_000;

/** How long a killed agent stays away, in milliseconds. */
const AWAY_MS = 1_000;

/** What may be fetched again for each kill: what one association may have under way. */
const AGAIN_BYTES_MAX = 4 * MIB;

/** Agents everywhere lose their lives at random moments, and come back. */
export const AGENT_KILL: Bench = {
  claim: "agents are killed at random moments in the whole tree: only what was in flight is lost",
  run: async (stage) => {
    const organisation = await Organisation.start(stage, plan(stage.options));
    const distribution = await beginRandomFile(stage, organisation);
    const reaper = new Reaper(stage, organisation, distribution);
    const [measured] = await Promise.all([
      distribution.finish().finally(() => reaper.stop()),
      reaper.run(),
    ]);
    const againBytes = await reaper.againBytes();
    const intact = await intactOf(distribution);
    const wanted = organisation.devices.length;
    const { sizeBytes } = distribution.content;
    const againBytesPerKill = Math.round(againBytes / Math.max(1, reaper.kills));
    return {
      ok: intact.length === wanted && reaper.kills > 0 && againBytesPerKill <= AGAIN_BYTES_MAX,
      verified: intact.length,
      wanted,
      seconds: digits(measured.seconds, 2),
      kills: reaper.kills,
      killsUnderWay: reaper.killsUnderWay,
      againBytesPerKill,
      againBytesMax: AGAIN_BYTES_MAX,
      againShare: digits(againBytes / (sizeBytes * (wanted - 1)), 4),
      offices: officeFigures(organisation, measured, sizeBytes),
      sizeBytes,
      seed: stage.options.seed,
      processorsBusy: digits(measured.processorsBusy, 2),
    };
  },
};

function plan({ rateBitsPerS }: BenchOptions): NetworkPlan {
  const offices = [
    { name: "Central", devices: 2 },
    { name: "A", parent: "Central", devices: 3 },
    { name: "B", parent: "Central", devices: 3 },
    { name: "A1", parent: "A", devices: 3 },
  ];
  return { rateBitsPerS, offices };
}

/** Kills agents, has them come back, and counts what all of them have received in all their lives. */
class Reaper {
  readonly #stage: Stage;
  readonly #organisation: Organisation;
  readonly #distribution: Distribution;
  readonly #chance: Prng;
  /** What was received in lives that are over. */
  #endedBytes = 0;
  #stopped = false;
  kills = 0;
  /** Of these, how many hit an agent that had begun and not finished. */
  killsUnderWay = 0;

  constructor(stage: Stage, organisation: Organisation, distribution: Distribution) {
    this.#stage = stage;
    this.#organisation = organisation;
    this.#distribution = distribution;
    this.#chance = new Prng(stage.options.seed);
  }

  /** Goes on until everyone has the content, or enough have been killed; then all live again. */
  async run(): Promise<void> {
    const { devices } = this.#organisation;
    const drawn = Array.from({ length: KILLS }, () => this.#chance.below(SHARES) / SHARES);
    const comingBack: Promise<void>[] = [];
    for (const share of drawn.sort((one, other) => one - other)) {
      while (this.#distribution.share < share && !this.#stopped) {
        await pause(LOOK_MS, this.#stage.signal);
      }
      if (this.#stopped) break;
      const living = devices.filter(({ program }) => program?.running === true);
      const victim = living[this.#chance.below(living.length)];
      if (victim === undefined) continue;
      await this.#kill(victim);
      comingBack.push(this.#comeBack(victim));
    }
    await Promise.all(comingBack);
  }

  /** Kills nobody any more. */
  stop(): void {
    this.#stopped = true;
  }

  /** What has been received more than once, over all devices. */
  async againBytes(): Promise<number> {
    let bytes = this.#endedBytes;
    for (const device of this.#organisation.devices) bytes += (await this.#look(device)).inBytes;
    // Who published it has received nothing.
    const fetching = this.#organisation.devices.length - 1;
    return bytes - fetching * this.#distribution.content.sizeBytes;
  }

  async #kill(victim: Machine): Promise<void> {
    const { inBytes, share } = await this.#look(victim);
    await this.#organisation.kill(victim);
    this.#endedBytes += inBytes;
    this.kills += 1;
    if (share > 0 && share < 1) this.killsUnderWay += 1;
    this.#stage.say(`${victim.name} is killed at ${Math.floor(share * 100)} %`);
  }

  async #comeBack(victim: Machine): Promise<void> {
    await pause(AWAY_MS, this.#stage.signal);
    this.#organisation.startAgent(victim);
  }

  /** What an agent has received in this life, and how much it holds. */
  async #look(device: Machine): Promise<{ readonly inBytes: number; readonly share: number }> {
    const { contentId, sizeBytes } = this.#distribution.content;
    const content = await this.#organisation.contentOn(device, contentId);
    const { wanInBytes = 0, lanInBytes = 0, heldBytes = 0 } = content ?? {};
    return { inBytes: wanInBytes + lanInBytes, share: heldBytes / sizeBytes };
  }
}
