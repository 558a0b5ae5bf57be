import { SECOND } from "../base/units.ts";
import type { Core } from "./core.ts";

/** A silence that is shorter is how the line is felt out, and nothing to wait for. */
const BUSY_US_MIN = SECOND;

/** Whether those who are to send us pieces across the line hold them back, since others use it. */
export class LineBusy {
  readonly #core: Core;
  #forUs = 0;

  constructor(core: Core) {
    this.#core = core;
  }

  /** For how long they did when this was last looked at; 0 where they did not. */
  get forUs(): number {
    return this.#forUs;
  }

  /** Looks; returns whether it has become another story. */
  look(nowUs: number): boolean {
    const { links, endpoint } = this.#core;
    const before = this.#forUs;
    this.#forUs = 0;
    for (const { association, pending } of links.values()) {
      if (pending.size === 0) continue;
      const heldUs = endpoint.hearing(nowUs, association)?.heldBackUs ?? 0;
      if (heldUs >= BUSY_US_MIN) this.#forUs = Math.max(this.#forUs, heldUs);
    }
    return before > 0 !== this.#forUs > 0;
  }
}
