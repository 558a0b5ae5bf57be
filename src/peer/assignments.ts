import type { Deployments } from "../wire/messages.ts";
import type { ContentStates } from "./content-states.ts";
import type { Act } from "./core.ts";
import type { Memory } from "./memory.ts";
import { isOlder } from "./numbered.ts";
import { nextChangeMs, permitsOf } from "./permits.ts";
import { ServerClock } from "./server-clock.ts";

/**
 * What this device is to have, and when: the server's list, which may be old, against the time.
 * Each answer of `true` means that something else than before is to be fetched or left.
 */
export class Assignments {
  readonly #memory: Memory;
  readonly #states: ContentStates;
  readonly #clock = new ServerClock();
  #said: Deployments | undefined;
  /** When a window opens or closes next, by the server's clock. */
  #changesAtMs = Number.POSITIVE_INFINITY;

  constructor(memory: Memory, states: ContentStates) {
    this.#memory = memory;
    this.#states = states;
  }

  /** The server says all that this device is to have, or what it said is remembered. */
  onDeployments(act: Act, said: Deployments, remembered: boolean): boolean {
    if (isOlder(said, this.#said)) return false;
    this.#said = said;
    if (!remembered && said.wallMs !== undefined) this.#clock.onServer(act.nowUs, said.wallMs);
    this.#memory.keep(act, said);
    this.#apply(act);
    this.#states.onCancelled(act, said.cancelled ?? []);
    return true;
  }

  /** What the own wall clock shows. */
  onWallClock(act: Act, wallMs: number, serverConnected: boolean): boolean {
    this.#clock.onOwn(act.nowUs, wallMs, serverConnected);
    if (this.#said === undefined || this.#changesAtMs === Number.POSITIVE_INFINITY) return false;
    this.#apply(act);
    return true;
  }

  /** Looks whether a window has opened or closed. */
  onTick(act: Act): boolean {
    const wallMs = this.#clock.atMs(act.nowUs);
    if (wallMs === undefined || wallMs < this.#changesAtMs) return false;
    this.#apply(act);
    return true;
  }

  #apply(act: Act): void {
    const entries = this.#said?.deployments ?? [];
    const wallMs = this.#clock.atMs(act.nowUs);
    // While the time is not known, any would be a change.
    this.#changesAtMs = nextChangeMs(entries, wallMs ?? 0);
    this.#states.onPermits(act, permitsOf(entries, wallMs));
  }
}
