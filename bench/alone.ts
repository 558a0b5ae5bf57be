import { join } from "node:path";
import { MIB } from "../src/base/units.ts";
import { pause } from "../src/cli/interruption.ts";
import { AloneDays } from "../test/simulation/alone-days.ts";
import { intactOf } from "./content/compare.ts";
import { writeRandomFile } from "./content/random-file.ts";
import { faultBench } from "./faults.ts";
import { digits, officeFigures } from "./figures.ts";
import { cutLink, slowHost } from "./net/faults.ts";
import { Distribution } from "./organisation/distribution.ts";
import { type Machine, Organisation } from "./organisation/organisation.ts";
import { differencesOf } from "./organisation/standing.ts";
import { waitAtMost } from "./organisation/waiting.ts";
import type { Bench, BenchResult, Stage } from "./stage.ts";

/** The simulated office: how long it is alone, and how long it works each day. */
const DAYS = 7;
const AWAKE_MINUTES = 30;
const CACHE_DAYS = 2;

/** What is wanted: nobody fetches for the office for so long at most, in seconds. */
const SUCCESSION_S_MAX = 15;

/** What may cross the line in all, over the size. */
const COPIES_MAX = 1.1;

/** How long the real office is cut off at least, in milliseconds, and how far it is then. */
const CUT_MS = 60_000;
const CUT_AT = 0.4;

/** What a device hears while it is told what it is to have: little more than that. */
const SLOW_BYTES_PER_S = 16_384;

/** The device that has been told and has nothing; its cache has room for one package and a half. */
const EMPTY = "a-4";
const CACHE_PACKAGES = 1.5;

/** How long is waited for what should take seconds, in milliseconds. */
const PATIENCE_MS = 90_000;

/** An office that reaches neither the server nor any other office. */
export const ALONE: Bench = {
  sizeText: "8MiB",
  ...faultBench({
    claim: "an office cut off for days goes on with what it has, and agrees when it is back",
    faults: ["days", "minute"],
    run: async (stage, fault) =>
      fault === "days" ? runDays(stage) : await new AloneMinute(stage).run(),
  }),
};

/** In a simulated world: days, with the real brains of devices and server. */
function runDays(stage: Stage): BenchResult {
  const startedMs = performance.now();
  const result = AloneDays.run({
    seed: stage.options.seed,
    days: DAYS,
    awakeMinutes: AWAKE_MINUTES,
    cacheDays: CACHE_DAYS,
    onDay: (day) => stage.say(`day ${day + 1} of ${DAYS} is over`),
  });
  const { differences, consistentSeconds, copies, successionSeconds, ...rest } = result;
  return {
    ok:
      differences.length === 0 &&
      result.deployed === result.deployedOf &&
      result.successions === result.losses &&
      successionSeconds <= SUCCESSION_S_MAX &&
      result.splitDays === 0 &&
      result.evictions > 0 &&
      result.copiesLeft > 0 &&
      copies <= COPIES_MAX,
    seconds: digits((performance.now() - startedMs) / 1000, 1),
    days: DAYS,
    ...rest,
    successionSeconds: digits(successionSeconds, 2),
    consistentSeconds: consistentSeconds === undefined ? null : digits(consistentSeconds, 2),
    differences,
    copies: digits(copies, 4),
  };
}

/** With real programs: a minute. */
class AloneMinute {
  readonly #stage: Stage;

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  async run(): Promise<BenchResult> {
    const { rateBitsPerS, sizeBytes } = this.#stage.options;
    const offices = [
      { name: "Central", devices: 1 },
      { name: "A", parent: "Central", devices: 4 },
    ];
    const limitMib = Math.floor((CACHE_PACKAGES * sizeBytes) / MIB);
    const organisation = await Organisation.start(
      this.#stage,
      { rateBitsPerS, offices },
      { [EMPTY]: { settings: { cache: { max_mib: limitMib } } } },
    );
    const held = await this.#holdInOffice(organisation);
    const half = await this.#begin(organisation, "half");
    half.excused.add(EMPTY);
    await half.until(() => half.shareIn("A") >= CUT_AT);
    const cutAtShare = half.shareIn("A");
    const mend = await cutLink(organisation.network.link("A"));
    this.#stage.say(`the line of A is cut at ${Math.round(cutAtShare * 100)} %`);
    const alone = await this.#beAlone(organisation, held);
    await mend();
    half.excused.clear();
    const backAtMs = performance.now();
    const measured = await half.finish();
    const all = [...held, half];
    const agreed = await waitAtMost(
      async () => ((await differencesOf(organisation, all)).length === 0 ? true : undefined),
      { signal: this.#stage.signal, patienceMs: PATIENCE_MS },
    );
    const backSeconds = (performance.now() - backAtMs) / 1000;
    const differences = agreed === true ? [] : await differencesOf(organisation, all);
    const intact = await intactOf(half);
    const wanted = organisation.devices.length;
    const { evictions, deployed, successionSeconds, cacheBytesPeak } = alone;
    return {
      ok:
        differences.length === 0 &&
        intact.length === wanted &&
        cutAtShare < 1 &&
        deployed === held.length &&
        evictions > 0 &&
        cacheBytesPeak <= limitMib * MIB &&
        successionSeconds !== undefined &&
        successionSeconds <= SUCCESSION_S_MAX,
      seconds: digits(measured.seconds, 1),
      cutAtShare: digits(cutAtShare, 2),
      deployed,
      evictions,
      cacheBytesPeak,
      cacheBytesMax: limitMib * MIB,
      successionSeconds: successionSeconds === undefined ? null : digits(successionSeconds, 2),
      aloneSeconds: digits(alone.seconds, 1),
      agreedSeconds: digits(backSeconds, 1),
      differences,
      verified: intact.length,
      wanted,
      offices: officeFigures(organisation, measured, half.content.sizeBytes),
      processorsBusy: digits(measured.processorsBusy, 2),
    };
  }

  /** Brings two packages into the office; one of its devices has only been told of them. */
  async #holdInOffice(organisation: Organisation): Promise<readonly Distribution[]> {
    const empty = organisation.device(EMPTY);
    const mend = await slowHost(empty.host, SLOW_BYTES_PER_S);
    const held = [await this.#begin(organisation, "one"), await this.#begin(organisation, "two")];
    for (const { content, excused } of held) {
      excused.add(EMPTY);
      await this.#wait(async () => {
        const told = await organisation.contentOn(empty, content.contentId);
        return told === undefined ? undefined : true;
      });
    }
    await organisation.kill(empty);
    this.#stage.say(`${EMPTY} has been told, and is off`);
    await mend();
    for (const distribution of held) await distribution.finish();
    return held;
  }

  /** What the office does by itself. */
  async #beAlone(organisation: Organisation, held: readonly Distribution[]) {
    const startedMs = performance.now();
    const empty = organisation.device(EMPTY);
    // Known before the empty one is back: it is not to be the one that is killed.
    const rvp = await this.#wait(async () => await this.#rvpOf(organisation));
    organisation.startAgent(empty);
    let successionSeconds: number | undefined;
    if (rvp !== undefined) {
      await organisation.kill(rvp);
      const killedMs = performance.now();
      const successor = await this.#wait(async () => await this.#rvpOf(organisation));
      if (successor !== undefined) successionSeconds = (performance.now() - killedMs) / 1000;
      this.#stage.say(`${rvp.name} is killed, ${successor?.name ?? "nobody"} succeeds`);
    }
    let cacheBytesPeak = 0;
    const delivered = () => held.filter((one) => one.delivered.includes(empty)).length;
    const untilMs = startedMs + CUT_MS + PATIENCE_MS;
    while (performance.now() < untilMs) {
      cacheBytesPeak = Math.max(cacheBytesPeak, await this.#heldBytes(organisation, empty));
      const longEnough = performance.now() > startedMs + CUT_MS;
      if (longEnough && delivered() === held.length) break;
      await pause(LOOK_MS, this.#stage.signal);
    }
    if (rvp !== undefined) await organisation.startAgents([rvp]);
    const deployed = delivered();
    const seconds = (performance.now() - startedMs) / 1000;
    this.#stage.say(`${EMPTY} has ${deployed} packages from its office alone`);
    // What has been handed over and is not held any more has been let go of.
    const { contents } = await organisation.status(empty);
    const gone = contents.filter((one) => one.deliveredTo !== undefined && one.heldBytes === 0);
    return { successionSeconds, cacheBytesPeak, deployed, seconds, evictions: gone.length };
  }

  /** The device of A that runs and fetches for it; `undefined` where not exactly one does. */
  async #rvpOf(organisation: Organisation): Promise<Machine | undefined> {
    const found: Machine[] = [];
    for (const device of organisation.devicesOf("A")) {
      if (device.program === undefined) continue;
      const status = await organisation.status(device).catch(() => undefined);
      if (status?.rvp === true) found.push(device);
    }
    return found.length === 1 ? found[0] : undefined;
  }

  async #heldBytes(organisation: Organisation, device: Machine): Promise<number> {
    const status = await organisation.status(device).catch(() => undefined);
    return (status?.contents ?? []).reduce((bytes, { heldBytes }) => bytes + heldBytes, 0);
  }

  async #begin(organisation: Organisation, name: string): Promise<Distribution> {
    const path = join(this.#stage.folder, `${name}.bin`);
    await writeRandomFile(path, this.#stage.options.sizeBytes);
    const content = { path, name, version: "1" };
    const published = await organisation.publish(content);
    return await Distribution.begin(this.#stage, organisation, { ...content, ...published });
  }

  async #wait<T>(look: () => Promise<T | undefined>): Promise<T | undefined> {
    return await waitAtMost(look, { signal: this.#stage.signal, patienceMs: PATIENCE_MS });
  }
}

const LOOK_MS = 500;
