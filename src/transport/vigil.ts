import { type Due, earlier } from "../base/machine.ts";
import { IDLE_US_MAX, KEEPALIVE_US, OPENER_US, REOPEN_US, SILENCE_US_MAX } from "./constants.ts";

/** What a vigil has to know of the records of an association. */
type Signs = {
  /** When the last record that opened arrived. */
  readonly heardAtUs: number;
  /** Since when the peer owes us an acknowledgement; `undefined` where it owes none. */
  readonly owedSinceUs: number | undefined;
  /** How many times in a row nothing has come back for a probe timeout. */
  readonly backoffs: number;
};

/** What is to be done. */
type Alarm = {
  /** How long the peer has been silent, where that is too long. */
  readonly silentUs: number | undefined;
  /** Something is to be said. */
  readonly speaks: boolean;
  /** Ways are to be opened. */
  readonly opens: boolean;
  /** It seems that nothing gets through. */
  readonly isLost: boolean;
};

/** After so many probes in a row without an answer another way is tried. */
const LOST_PROBES = 2;

/** Watches over an association that is up: whether the peer is there, and the ways are open. */
export class Vigil {
  /** Whether ways have to be kept open for what the peer sends. */
  readonly #opens: boolean;
  #spokeAtUs: number;
  #openedAtUs = -OPENER_US;
  /** The number of probes without an answer when we last looked. */
  #backoffs = 0;

  constructor(nowUs: number, opens: boolean) {
    this.#spokeAtUs = nowUs;
    this.#opens = opens;
  }

  /** Other channels are used from now on: they have to be opened. */
  openAgain(): void {
    this.#openedAtUs = -OPENER_US;
  }

  /** The peer asks who we are: it may see us elsewhere now, and then all ways lead elsewhere. */
  onChallenge(nowUs: number): void {
    if (nowUs - this.#openedAtUs >= REOPEN_US) this.openAgain();
  }

  due(signs: Signs): Due {
    const spokeAtUs = Math.max(signs.heardAtUs, this.#spokeAtUs);
    const keepalive = { atUs: spokeAtUs + KEEPALIVE_US, reason: "keep-alive" };
    const openers = { atUs: this.#openersAtUs(signs.heardAtUs), reason: "openers" };
    return earlier(earlier(keepalive, openers), { atUs: silentAtUs(signs), reason: "silence" });
  }

  /** Looks at the time; what is to be done is said once. */
  watch(nowUs: number, signs: Signs): Alarm {
    const silentUs = nowUs >= silentAtUs(signs) ? nowUs - signs.heardAtUs : undefined;
    const speaks = nowUs - Math.max(signs.heardAtUs, this.#spokeAtUs) >= KEEPALIVE_US;
    if (speaks) this.#spokeAtUs = nowUs;
    // Where nothing comes, what stands between may have shut the ways, or moved them.
    const opens = nowUs >= this.#openersAtUs(signs.heardAtUs) || (speaks && this.#opens);
    if (opens) this.#openedAtUs = nowUs;
    const isLost = signs.backoffs >= LOST_PROBES && signs.backoffs !== this.#backoffs;
    this.#backoffs = signs.backoffs;
    return { silentUs, speaks, opens, isLost };
  }

  #openersAtUs(fromUs: number): number {
    return this.#opens ? Math.max(fromUs, this.#openedAtUs + OPENER_US) : Number.POSITIVE_INFINITY;
  }
}

/** When the peer counts as gone, unless it is heard before. */
function silentAtUs({ heardAtUs, owedSinceUs }: Signs): number {
  const idleAtUs = heardAtUs + IDLE_US_MAX;
  if (owedSinceUs === undefined) return idleAtUs;
  return Math.min(idleAtUs, Math.max(heardAtUs, owedSinceUs) + SILENCE_US_MAX);
}
