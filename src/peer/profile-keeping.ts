import type { Facts, ProfileWord } from "../wire/messages.ts";
import type { Claims } from "./claims.ts";
import type { PeerStatus } from "./contract.ts";
import { type Act, type Core, report } from "./core.ts";
import type { Memory } from "./memory.ts";
import type { Neighbours } from "./neighbours.ts";
import type { Origins } from "./origins.ts";
import { OwnProfile } from "./profile-in-force.ts";
import type { ServerLink } from "./server-link.ts";

/** What obeying a profile touches. */
type Parts = {
  readonly memory: Memory;
  readonly neighbours: Neighbours;
  readonly claims: Claims;
  readonly origins: Origins;
  readonly server: ServerLink;
};

/** Obeys what profiles say, and tells the server what is in force (PF2 to PF4). */
export class ProfileKeeping {
  readonly #core: Core;
  readonly #parts: Parts;
  readonly #profile: OwnProfile;

  constructor(core: Core, parts: Parts) {
    this.#core = core;
    this.#parts = parts;
    this.#profile = new OwnProfile(core, parts.memory);
  }

  /** The values in force, and what hinders others. */
  get standing(): Pick<PeerStatus, "profile" | "profileProblems"> {
    const profileProblems = this.#profile.problems(this.#parts.origins.any);
    return { profile: this.#profile.values, profileProblems };
  }

  /** The server says what is in force, or what it said is remembered. */
  onWord(act: Act, word: ProfileWord): void {
    const { alone, facts } = this.#core;
    if (!this.#profile.onWord(act, word)) return;
    if (facts.preferred !== this.#core.facts.preferred) this.#onPreference(act);
    if (alone !== this.#core.alone) this.#onCompany(act);
    this.tell(act);
  }

  /** What the machine says of itself has changed. */
  onFacts(act: Act, facts: Facts): void {
    this.#core.facts = this.#profile.factsOf(facts);
    this.#onPreference(act);
  }

  /** The server is there, and has to be told. */
  onServer(act: Act): void {
    this.#profile.forgetReport();
    this.tell(act);
  }

  /** Tells the server, and the log, what is in force where that has changed. */
  tell(act: Act): void {
    const news = this.#profile.news(this.#parts.origins.any);
    if (news === undefined) return;
    const { values, problems } = news;
    const setters = Object.values(values).flatMap(({ profile }) => profile ?? []);
    const profiles = [...new Set(setters)];
    const told = this.#parts.server.say(act, news);
    if (told) report(act, { kind: "profile-taken", mode: this.#profile.mode, profiles, problems });
  }

  #onPreference(act: Act): void {
    this.#parts.server.registerAnew(act);
    this.#parts.claims.refresh(act);
  }

  /** The device is alone from now on, or is not any more. */
  #onCompany(act: Act): void {
    const { neighbours, claims } = this.#parts;
    // Whatever was said on its associations is of no use to either side.
    neighbours.closeAll(act);
    if (this.#core.alone) return;
    neighbours.forgetFailures();
    claims.refresh(act);
    neighbours.connect(act);
  }
}
