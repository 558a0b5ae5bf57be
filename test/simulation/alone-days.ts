import type { ContentId } from "../../src/base/ids.ts";
import { KIB, MS, SECOND } from "../../src/base/units.ts";
import type { SimDevice } from "../../src/sim/device.ts";
import type { LinkOptions } from "../../src/sim/link.ts";
import { Organisation } from "../../src/sim/organisation.ts";
import type { SimPackage } from "../../src/sim/package.ts";
import { judgeCache } from "../../src/swarm/cache-policy.ts";

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
  /** Bytes from office mates of which the ledger never heard: their devices lost their power. */
  readonly uncountedLanBytes: number;
};

/** 6.4 Mbit/s with 10 ms each way. */
const LINE: LinkOptions = {
  delayUs: 10 * MS,
  rate: 800_000,
  queueBytes: 80_000,
  lossPercent: 0,
  duplicatePercent: 0,
  jitterUs: 0,
};

const PACKAGE = { pieces: 40, pieceBytes: 32 * KIB };

/** How much of the second package the office has when it is cut off. */
const CUT_AT = 0.4;

const DAY_MS = 86_400_000;
const DAY_US = DAY_MS * MS;

/** For which part of a day's work the device that fetches for the office is off. */
const OFF_SHARE = 0.3;

/** How long things may take at most that should be a matter of seconds. */
const PATIENCE_S = 600;

/**
 * An office that loses its line in the middle of a transfer, and the server with it, for days: what
 * it does meanwhile, and whether everybody says the same when the line is back. Every evening all
 * of its devices are switched off, and every morning they begin with what they remember.
 */
export class AloneDays {
  readonly #options: AloneOptions;
  readonly #organisation: Organisation;
  readonly #branch: readonly SimDevice[];
  /** Bytes that devices counted in lives that are over. */
  readonly #past = new Map<ContentId, { wanInBytes: number; lanInBytes: number }>();
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
      { name: "Branch", devices: 4, line: LINE },
    ]);
    this.#branch = this.#organisation.office("Branch");
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
    const half = organisation.deploy(PACKAGE);
    const cutBytes = CUT_AT * half.sizeBytes;
    organisation.runUntil(() => heldBytes(others, half) >= cutBytes, PATIENCE_S);
    for (const { host } of this.#branch) organisation.confined.add(host);

    const deployed = this.#beAlone(empty, held);

    organisation.confined.clear();
    const backAtUs = organisation.world.nowUs;
    const packages = [held, half];
    const consistent = organisation.runUntil(
      () => this.#differences(packages).length === 0,
      PATIENCE_S,
    );
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
      differences: this.#differences(packages),
      copies: this.#counted(half).wanInBytes / half.sizeBytes,
      uncountedLanBytes: this.#uncountedLanBytes(packages),
    };
  }

  /** Lives through the days. Gives how many of the empty devices got what the office holds. */
  #beAlone(empty: readonly SimDevice[], held: SimPackage): number {
    const { days, awakeMinutes, cacheDays, onDay } = this.#options;
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
      const eveningUs = morningUs + awakeMinutes * 60 * SECOND;
      const newcomer = returns.get(day);
      if (newcomer !== undefined) away.delete(newcomer);
      for (const device of this.#branch) if (!away.has(device) && !device.running) device.start();
      if (newcomer !== undefined) {
        const there = this.#organisation.runUntil(() => allHave([newcomer], held), PATIENCE_S);
        if (there) deployed += 1;
      }
      this.#loseHolder(OFF_SHARE * (eveningUs - morningUs));
      world.runUntil(eveningUs);
      if (!this.#organisation.runUntil(() => this.#holders().length === 1, 5)) this.#splitDays += 1;
      this.#tidyCaches(day);
      this.#copiesLeft = Math.min(this.#copiesLeft, this.#copiesOf(held));
      onDay?.(day);
      if (day === days - 1) break;
      for (const device of this.#branch) if (device.running) this.#switchOff(device);
      world.runUntil(morningUs + DAY_US);
    }
    return deployed;
  }

  /** Switches off the device that fetches for the office, and on again later. */
  #loseHolder(offUs: number): void {
    const organisation = this.#organisation;
    organisation.runUntil(() => this.#holders().length === 1, PATIENCE_S);
    const [holder] = this.#holders();
    if (holder === undefined) return;
    this.#losses += 1;
    this.#switchOff(holder);
    const lostAtUs = organisation.world.nowUs;
    const succeeded = organisation.runUntil(() => this.#holders().length === 1, offUs / SECOND);
    const afterUs = organisation.world.nowUs - lostAtUs;
    if (succeeded) this.#successions += 1;
    this.#successionSeconds = Math.max(this.#successionSeconds, afterUs / SECOND);
    organisation.world.runUntil(lostAtUs + offUs);
    holder.start();
  }

  /** The devices of the office that take themselves for the one that fetches for it. */
  #holders(): readonly SimDevice[] {
    return this.#branch.filter((device) => device.status()?.rvp === true);
  }

  #switchOff(device: SimDevice): void {
    for (const content of device.status()?.contents ?? []) {
      const past = this.#past.get(content.contentId) ?? { wanInBytes: 0, lanInBytes: 0 };
      past.wanInBytes += content.wanInBytes;
      past.lanInBytes += content.lanInBytes;
      this.#past.set(content.contentId, past);
    }
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

  /** What the server says otherwise than a device, or that is not as it should be. */
  #differences(packages: readonly SimPackage[]): readonly string[] {
    const { coordinator } = this.#organisation.server;
    const found: string[] = [];
    for (const simPackage of packages) {
      const { contentId } = simPackage;
      const deployment = coordinator.deployments().find((row) => row.contentId === contentId);
      const standing = deployment && coordinator.deployment(deployment.deploymentId);
      for (const device of [...this.#organisation.devices.values()].flat()) {
        const said = standing?.devices.find(({ deviceId }) => deviceId === device.deviceId);
        const own = device.status()?.contents.find((content) => content.contentId === contentId);
        if (said?.present !== true) found.push(`${device.host} is not there`);
        if (!device.store.isDelivered(contentId)) found.push(`${device.host} lacks a content`);
        for (const what of ["state", "piecesHeld", "heldBytes"] as const) {
          if (said?.[what] === own?.[what]) continue;
          found.push(`${device.host}: ${what} is ${own?.[what]}, the server says ${said?.[what]}`);
        }
      }
      const charged = standing?.offices.find(({ office }) => office === "Branch")?.wanBytes;
      const { wanInBytes } = this.#counted(simPackage);
      if (charged !== wanInBytes) found.push(`the ledger has ${charged}, not ${wanInBytes}`);
    }
    return found;
  }

  /** What the office's devices have counted of a content, over all their lives. */
  #counted({ contentId }: SimPackage): { readonly wanInBytes: number; readonly lanInBytes: number } {
    const { wanInBytes = 0, lanInBytes = 0 } = this.#past.get(contentId) ?? {};
    const now = this.#branch.flatMap((device) =>
      (device.status()?.contents ?? []).filter((content) => content.contentId === contentId),
    );
    return now.reduce(
      (sum, content) => ({
        wanInBytes: sum.wanInBytes + content.wanInBytes,
        lanInBytes: sum.lanInBytes + content.lanInBytes,
      }),
      { wanInBytes, lanInBytes },
    );
  }

  #uncountedLanBytes(packages: readonly SimPackage[]): number {
    const { coordinator } = this.#organisation.server;
    return packages.reduce((bytes, simPackage) => {
      const row = coordinator
        .ledger(simPackage.contentId)
        .find(({ office }) => office === "Branch");
      return bytes + this.#counted(simPackage).lanInBytes - (row?.lanBytes ?? 0);
    }, 0);
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
