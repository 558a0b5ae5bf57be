import type { ContentId } from "../base/ids.ts";
import type { ContentEntry } from "./content-entry.ts";
import type { Act, Core } from "./core.ts";

/**
 * What the cache may let go of: neither what the office's last copy is to be kept of, nor what is
 * on its way to being handed over, nor what is being served.
 */
export class Evictions {
  readonly #core: Core;
  #keep: readonly ContentId[] = [];
  #said: string | undefined;

  constructor(core: Core) {
    this.#core = core;
  }

  /** The server says of which contents this device holds the office's copy. */
  onPolicy(act: Act, keep: readonly ContentId[]): void {
    this.#keep = keep;
    this.refresh(act);
  }

  /** Tells the store what it must keep, where that has changed. */
  refresh(act: Act): void {
    const kept = new Set<ContentId>(this.#keep);
    for (const entry of this.#core.contents.values())
      if (isOnItsWay(entry)) kept.add(entry.contentId);
    for (const { uploads } of this.#core.links.values()) {
      for (const { contentId } of uploads) kept.add(contentId);
    }
    const protectedIds = [...kept].sort();
    const said = protectedIds.join(" ");
    if (said === this.#said) return;
    this.#said = said;
    act.outbox.protectContents(protectedIds);
  }
}

function isOnItsWay({ wanted, delivered, state }: ContentEntry): boolean {
  return (wanted && !delivered) || state === "downloading" || state === "checking";
}
