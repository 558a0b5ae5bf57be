import { KIB, MS, SECOND } from "../../src/base/units.ts";
import type { SimDevice } from "../../src/sim/device.ts";
import { Organisation } from "../../src/sim/organisation.ts";
import type { SimPackage } from "../../src/sim/package.ts";
import { judgeCache } from "../../src/swarm/cache-policy.ts";
import { AloneCounts, type Counts, plus } from "./alone-counts.ts";
import { SLOW_LINE } from "./fixtures/slow-line.ts";

/** How an office is left alone. */
export type AloneOptions = {
  readonly seed: number;
  /** For how many days of the simulated world it reaches nobody outside. */
  readonly days: number;
  /** How long its devices are switched on each day, in minutes. */
  readonly awakeMinutes: number;
  /** How many days a content may lie unused in the caches of its devices. */
  readonly cacheDays: number;
  /** Told when a day is over. */
  readonly onDay?: (day: number) => void;
};

/** What became of the office. */
export type AloneResult = {
  /** Devices that were told of a content, had nothing of it, and got it from the office alone. */
  readonly deployed: number;
  readonly deployedOf: number;
  /** How often the device that fetches for the office was switched off, and was succeeded. */
  readonly losses: number;
  readonly successions: number;
  /** The longest that the office had nobody that fetches for it, in seconds. */
  readonly successionSeconds: number;
  /** Evenings on which not exactly one device took itself for the one that fetches. */
  readonly splitDays: number;
  /** Copies that caches let go of, and how many the office had left of that content at least. */
  readonly evictions: number;
  readonly copiesLeft: number;
  /** How long after the return until all was as it should be, in seconds; absent where never. */
  readonly consistentSeconds: number | undefined;
  /** What the server and the devices say differently, a sentence each. */
  readonly differences: readonly string[];
  /** What crossed the line of the content that was under way, over its size. */
  readonly copies: number;
  /** What devices had counted when they lost their power, and the server had not heard. */
  readonly lostCounts: Counts;
};

const PACKAGE = { pieces: 40, pieceBytes: 16 * KIB };

/** How much of the second package the office has when it is cut off. */
const CUT_AT = 0.4;

/** How often it is looked at what takes long to find out. */
const LOOK_US = 50 * MS;

const DAY_MS = 86_400_000;
const DAY_US = DAY_MS * MS;

/** For which part of a day's work the device that fetches for the office is off. */
const OFF_SHARE = 0.3;

/** How long it takes until the server has said what follows from what it was told. */
const SETTLED_S = 3;

/** How long things may take at most that should be a matter of seconds. */
const PATIENCE_S = 600;

/**
 * An office that loses its line in the middle of a transfer, and the server with it, for days: what
 * it does meanwhile, and whether everybody says the same when the line is back. Every evening
 * everything is switched off, and every morning devices begin with what they remember.
 */
export class AloneDays {
  readonly #options: AloneOptions;
  readonly #organisation: Organisation;
  readonly #branch: readonly SimDevice[];
  readonly #counts: AloneCounts;
  /** When a device was first seen to have a content, in days. */
  readonly #hadSince = new Map<string, number>();
  #losses = 0;
  #successions = 0;
  #successionSeconds = 0;
  #splitDays = 0;
  #evictions = 0;
  #copiesLeft = Number.POSITIVE_INFINITY;

  /** Has it all happen. */
  static run(options: AloneOptions): AloneResult {
    return new AloneDays(options).#run();
  }

  private constructor(options: AloneOptions) {
    this.#options = options;
    this.#organisation = new Organisation(options.seed, [
      { name: "Central", devices: 1 },
      { name: "Branch", devices: 4, line: SLOW_LINE },
    ]);
    this.#branch = this.#organisation.office("Branch");
    this.#counts = new AloneCounts(this.#organisation, "Branch");
  }

  #run(): AloneResult {
    const organisation = this.#organisation;
    organisation.settle();
    // Two that have heard what they are to have, and nothing more.
    const empty = this.#branch.slice(-2);
    const held = organisation.deploy(PACKAGE);
    for (const device of empty) {
      organisation.runUntil(() => knows(device, held), PATIENCE_S);
      this.#switchOff(device);
    }
    const others = this.#branch.filter((device) => !empty.includes(device));
    organisation.runUntil(() => allHave(others, held), PATIENCE_S);
    // The server says whose copy is the office's, and once more when a better device has one.
    organisation.runUntil(() => false, SETTLED_S);
    const half = organisation.deploy(PACKAGE);
    const cutBytes = CUT_AT * half.sizeBytes;
    this.#looking(() => heldBytes(others, half) >= cutBytes, PATIENCE_S);
    for (const { host } of this.#branch) organisation.confined.add(host);

    const deployed = this.#beAlone(empty, held);

    organisation.confined.clear();
    const backAtUs = organisation.world.nowUs;
    const differences = () =>
      [held, half].flatMap(({ contentId }) => this.#counts.differences(contentId));
    const consistent = this.#looking(() => differences().length === 0, PATIENCE_S);
    const afterUs = organisation.world.nowUs - backAtUs;
    return {
      deployed,
      deployedOf: empty.length,
      losses: this.#losses,
      successions: this.#successions,
      successionSeconds: this.#successionSeconds,
      splitDays: this.#splitDays,
      evictions: this.#evictions,
      copiesLeft: this.#copiesLeft,
      consistentSeconds: consistent ? afterUs / SECOND : undefined,
      differences: differences(),
      copies: this.#counts.counted(half.contentId).wanInBytes / half.sizeBytes,
      lostCounts: plus(this.#counts.lost(held.contentId), this.#counts.lost(half.contentId)),
    };
  }

  /** Lives through the days. Gives how many of the empty devices got what the office holds. */
  #beAlone(empty: readonly SimDevice[], held: SimPackage): number {
    const { days, cacheDays, onDay } = this.#options;
    const { world } = this.#organisation;
    // One comes back at once; the other when caches have let go of what they need not keep.
    const returns = new Map([
      [0, empty[0]],
      [cacheDays + 2, empty[1]],
    ]);
    const away = new Set(empty);
    let deployed = 0;
    for (let day = 0; day < days; day += 1) {
      const morningUs = world.nowUs;
      const newcomer = returns.get(day);
      if (newcomer !== undefined) away.delete(newcomer);
      for (const device of this.#branch) if (!away.has(device) && !device.running) device.start();
      if (newcomer !== undefined && this.#gets(newcomer, held)) deployed += 1;
      this.#work(morningUs);
      this.#tidyCaches(day);
      this.#copiesLeft = Math.min(this.#copiesLeft, this.#copiesOf(held));
      onDay?.(day);
      if (day < days - 1) this.#sleep(morningUs + DAY_US);
    }
    return deployed;
  }

  #gets(device: SimDevice, simPackage: SimPackage): boolean {
    return this.#organisation.runUntil(() => allHave([device], simPackage), PATIENCE_S);
  }

  /** Runs until the evening; for a part of the day the device that fetches for the office is off. */
  #work(morningUs: number): void {
    const workUs = this.#options.awakeMinutes * 60 * SECOND;
    this.#loseHolder(OFF_SHARE * workUs);
    this.#organisation.world.runUntil(morningUs + workUs);
    if (!this.#looking(() => this.#holders().length === 1, 5)) this.#splitDays += 1;
  }

  /** Switches everything off until the next morning, elsewhere too: nights would take long. */
  #sleep(untilUs: number): void {
    const organisation = this.#organisation;
    const elsewhere = organisation.office("Central");
    for (const device of this.#branch) if (device.running) this.#switchOff(device);
    for (const device of elsewhere) device.stop();
    organisation.stopServer();
    organisation.world.runUntil(untilUs);
    organisation.startServer();
    for (const device of elsewhere) device.start();
  }

  /** Switches off the device that fetches for the office, and on again later. */
  #loseHolder(offUs: number): void {
    const organisation = this.#organisation;
    this.#looking(() => this.#holders().length === 1, PATIENCE_S);
    const [holder] = this.#holders();
    if (holder === undefined) return;
    this.#losses += 1;
    this.#switchOff(holder);
    const lostAtUs = organisation.world.nowUs;
    const succeeded = this.#looking(() => this.#holders().length === 1, offUs / SECOND);
    const afterUs = organisation.world.nowUs - lostAtUs;
    if (succeeded) this.#successions += 1;
    this.#successionSeconds = Math.max(this.#successionSeconds, afterUs / SECOND);
    organisation.world.runUntil(lostAtUs + offUs);
    holder.start();
  }

  /** Runs until something is so, or for so many seconds; looks not at every event. */
  #looking(isSo: () => boolean, seconds: number): boolean {
    const { world } = this.#organisation;
    const endUs = world.nowUs + seconds * SECOND;
    while (!isSo()) {
      if (world.nowUs >= endUs) return false;
      world.runUntil(Math.min(endUs, world.nowUs + LOOK_US));
    }
    return true;
  }

  /** The devices of the office that take themselves for the one that fetches for it. */
  #holders(): readonly SimDevice[] {
    return this.#branch.filter((device) => device.status()?.rvp === true);
  }

  #switchOff(device: SimDevice): void {
    this.#counts.ends(device);
    device.stop();
  }

  /** Lets go of what lay too long, as the cache of a real device does. */
  #tidyCaches(day: number): void {
    const { cacheDays } = this.#options;
    for (const device of this.#branch) {
      if (!device.running) continue;
      const finished = (device.status()?.contents ?? []).filter(({ contentId }) =>
        device.store.isFinished(contentId),
      );
      const cached = finished.map(({ contentId, sizeBytes }) => {
        const key = `${device.host} ${contentId}`;
        const since = this.#hadSince.get(key) ?? day;
        this.#hadSince.set(key, since);
        return {
          contentId,
          sizeBytes,
          freedBytes: sizeBytes,
          lastUsedAtMs: since * DAY_MS,
          pinned: false,
          protected: device.store.protectedIds.includes(contentId),
          inUse: false,
        };
      });
      const { evict } = judgeCache(cached, {
        nowMs: day * DAY_MS,
        ageMsMax: cacheDays * DAY_MS,
        cacheBytesMax: Number.POSITIVE_INFINITY,
        neededBytes: 0,
        lackingBytes: 0,
      });
      for (const contentId of evict) {
        device.evict(contentId);
        this.#evictions += 1;
      }
    }
  }

  #copiesOf({ contentId }: SimPackage): number {
    return this.#branch.filter(({ store }) => store.isFinished(contentId)).length;
  }
}

function knows(device: SimDevice, { contentId }: SimPackage): boolean {
  return device.status()?.contents.some((content) => content.contentId === contentId) === true;
}

function allHave(devices: readonly SimDevice[], { contentId }: SimPackage): boolean {
  return devices.every(({ store }) => store.isDelivered(contentId));
}

/** The most that one of these holds. */
function heldBytes(devices: readonly SimDevice[], { contentId }: SimPackage): number {
  const contents = devices.flatMap((device) => device.status()?.contents ?? []);
  const held = contents.filter((content) => content.contentId === contentId);
  return Math.max(0, ...held.map((content) => content.heldBytes));
}
