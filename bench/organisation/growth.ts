import { pause } from "../../src/cli/interruption.ts";
import type { Stage } from "../stage.ts";
import type { Distribution } from "./distribution.ts";
import type { Machine, Organisation } from "./organisation.ts";

/** How often it is looked, in milliseconds. */
const LOOK_MS = 100;

/** What a device has of a content, and what it took to get it. */
export type Held = { readonly heldBytes: number; readonly receivedBytes: number };

/** Whose copy of what is watched. */
type Watched = {
  readonly organisation: Organisation;
  readonly distribution: Distribution;
  readonly device: Machine;
};

/** Sees how what a device holds of a content grows, until it has all. */
export class Growth {
  readonly #watched: Watched;
  #stillMs = 0;
  #heldBytes = -1;
  #grownAtMs = performance.now();

  /** Looks until the device has all, or the stage's patience is over. */
  static watch(
    stage: Stage,
    watched: Watched,
  ): { readonly growth: Growth; readonly over: Promise<void> } {
    const growth = new Growth(watched);
    const over = growth.#run(stage);
    // Awaited by whoever began it, unless something else has failed before.
    over.catch(() => {});
    return { growth, over };
  }

  private constructor(watched: Watched) {
    this.#watched = watched;
  }

  /** The longest time in which nothing came, in seconds. */
  get stallSeconds(): number {
    return this.#stillMs / 1000;
  }

  async #run({ signal, options }: Stage): Promise<void> {
    const { organisation, distribution, device } = this.#watched;
    const { sizeBytes } = distribution.content;
    const untilMs = performance.now() + options.patienceMs;
    while (this.#heldBytes < sizeBytes && performance.now() < untilMs) {
      const { heldBytes } = await heldBy(organisation, distribution, device);
      const nowMs = performance.now();
      if (heldBytes > this.#heldBytes) this.#grownAtMs = nowMs;
      this.#heldBytes = Math.max(this.#heldBytes, heldBytes);
      this.#stillMs = Math.max(this.#stillMs, nowMs - this.#grownAtMs);
      await pause(LOOK_MS, signal);
    }
  }
}

/** What a device holds of what is distributed. */
export async function heldBy(
  organisation: Organisation,
  { content }: Distribution,
  device: Machine,
): Promise<Held> {
  const known = await organisation.contentOn(device, content.contentId);
  const { heldBytes = 0, wanInBytes = 0, lanInBytes = 0 } = known ?? {};
  return { heldBytes, receivedBytes: wanInBytes + lanInBytes };
}
