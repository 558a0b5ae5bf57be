import type { CacheLimits } from "../effects/storage.ts";
import type { Facts, ProfileReport, ProfileWord } from "../wire/messages.ts";
import {
  type PortMap,
  PROFILE_KEYS,
  PROFILE_PROBLEMS_MAX,
  type ProfileInForce,
  type ProfileMode,
  type ProfileValues,
  sameValue,
} from "../wire/profile.ts";
import type { Act, Core } from "./core.ts";
import type { Memory } from "./memory.ts";
import { isOlder } from "./numbered.ts";

/** On which ports a device listens since its start, and how that came. */
export type Listening = {
  readonly map: PortMap;
  /** The profile that the map is of; absent where it is the device's own. */
  readonly profile?: string;
  /** Why it is not the one of a profile that was meant to be. */
  readonly problem?: string;
};

/**
 * Which values are in force on this device: those of profiles, as the server said last, and the
 * device's own where no profile says anything (PF2).
 */
export class OwnProfile {
  readonly #core: Core;
  readonly #memory: Memory;
  /** What the machine says of itself, before a profile prefers it. */
  #machine: Facts;
  #said: ProfileWord | undefined;
  #limited: CacheLimits | undefined;
  #reported: Omit<ProfileReport, "kind"> | undefined;

  constructor(core: Core, memory: Memory) {
    this.#core = core;
    this.#memory = memory;
    this.#machine = core.facts;
  }

  /** The values in force, and which profile set each. */
  get values(): ProfileInForce {
    const { ownValues = {}, listening } = this.#core.options;
    const own: ProfileValues = { mode: "distributed", ...ownValues };
    const found = PROFILE_KEYS.flatMap((key) => {
      // Ports are those of the start.
      if (key === "ports") return [];
      const said = this.#said?.values[key];
      if (said !== undefined) return [[key, said]];
      return own[key] === undefined ? [] : [[key, { value: own[key] }]];
    });
    const { map: value, profile } = listening ?? { map: {} };
    const ports = { value, ...(profile === undefined ? {} : { profile }) };
    return { ...Object.fromEntries(found), ports } as ProfileInForce;
  }

  /** From whom this device takes packages. */
  get mode(): ProfileMode {
    return this.#said?.values.mode?.value ?? this.#core.options.ownValues?.mode ?? "distributed";
  }

  /** What stands between the device and what profiles say, as sentences. */
  problems(hasOrigins: boolean): readonly string[] {
    const { listening } = this.#core.options;
    const problems: string[] = [];
    if (this.mode === "hosted") problems.push(HOSTED_MEANWHILE);
    if (this.#core.alone && !hasOrigins) problems.push(NO_ORIGINS);
    if (listening?.problem !== undefined) problems.push(listening.problem);
    if (this.#portsWait) problems.push(PORTS_WAIT);
    return problems.slice(0, PROFILE_PROBLEMS_MAX);
  }

  /** The server says what is in force, or what it said is remembered; says whether it was news. */
  onWord(act: Act, word: ProfileWord): boolean {
    if (isOlder(word, this.#said)) return false;
    this.#said = word;
    this.#memory.keep(act, word);
    this.apply(act);
    return true;
  }

  /** The machine says something else of itself: what goes out is what a profile makes of it. */
  factsOf(machine: Facts): Facts {
    this.#machine = machine;
    const preferred = this.#said?.values.preferred?.value ?? machine.preferred;
    return { ...machine, preferred };
  }

  /** Has the store keep to the limits in force, where they are other ones than before. */
  apply(act: Act): void {
    this.#core.alone = this.mode === "local" || this.mode === "disabled";
    this.#core.facts = this.factsOf(this.#machine);
    const { maxAgeDays, diskPercent, minFreeMib } = this.values;
    const limits: CacheLimits = {
      ...(maxAgeDays === undefined ? {} : { maxAgeDays: maxAgeDays.value }),
      ...(diskPercent === undefined ? {} : { diskPercent: diskPercent.value }),
      ...(minFreeMib === undefined ? {} : { minFreeMib: minFreeMib.value }),
      reusesPieces: this.mode !== "disabled",
    };
    if (sameValue(limits, this.#limited)) return;
    this.#limited = limits;
    act.outbox.limitCache(limits);
  }

  /** The server has to be told everything anew. */
  forgetReport(): void {
    this.#reported = undefined;
  }

  /** What the server has to be told; `undefined` where it knows. */
  news(hasOrigins: boolean): ProfileReport | undefined {
    const report = { values: this.values, problems: this.problems(hasOrigins) };
    if (sameValue(report, this.#reported)) return undefined;
    this.#reported = report;
    return { kind: "profile-report", ...report };
  }

  /** Whether a profile, or the end of one, waits for the next start with other ports. */
  get #portsWait(): boolean {
    const { listening } = this.#core.options;
    if (this.#said === undefined || listening?.problem !== undefined) return false;
    const meant = this.#said.values.ports;
    if (meant === undefined) return listening?.profile !== undefined;
    return meant.profile !== listening?.profile || !sameValue(meant.value, listening?.map);
  }
}

const HOSTED_MEANWHILE =
  "Hosted caches are not asked yet: until they are, this device takes packages from its office and " +
  "the offices above, and gives them, as in Distributed mode.";

const NO_ORIGINS =
  "This device takes packages from file storage alone, and the server has named none: configure it.";

const PORTS_WAIT = "Other ports are in force from the agent's next start on: restart it.";
