import type { Logger } from "pino";
import type { ContentId } from "../base/ids.ts";
import type { Change } from "../coordinator/state.ts";
import { OperatorError } from "../runtime/operator-error.ts";
import type { Origin } from "../wire/messages.ts";
import { putAtOrigin } from "./origin-files.ts";

/** What is to lie where. */
export type OriginFillerOptions = {
  /** The file storage directory. */
  readonly storage: string;
  readonly origins: () => readonly Origin[];
  readonly contents: () => readonly { readonly contentId: ContentId }[];
  readonly log: Logger;
};

/**
 * Brings every published package into every directory that is an origin, one after the other, as
 * far as its bytes lie in the file storage directory of this machine.
 */
export class OriginFiller {
  readonly #options: OriginFillerOptions;
  readonly #done = new Set<string>();
  #running: Promise<void> | undefined;
  #again = false;

  constructor(options: OriginFillerOptions) {
    this.#options = options;
  }

  /** Looks whether something new is to be brought. */
  onChanges(changes: readonly Change[]): void {
    const news = changes.some(({ kind }) => kind === "content-add" || kind === "origins-replace");
    if (news) this.fill();
  }

  /** Brings what is missing, in the background. */
  fill(): void {
    this.#again = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  /** Waits until everything that can be brought has been. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      for (const { kind, location } of this.#options.origins()) {
        if (kind !== "storage" || /^https?:/i.test(location)) continue;
        for (const { contentId } of this.#options.contents()) await this.#put(location, contentId);
      }
    }
  }

  async #put(directory: string, contentId: ContentId): Promise<void> {
    const key = `${contentId} ${directory}`;
    if (this.#done.has(key)) return;
    const { storage, log } = this.#options;
    try {
      const { wasThere } = await putAtOrigin({ storage, contentId, directory });
      this.#done.add(key);
      if (!wasThere) log.info({ contentId, directory }, "origin-filled");
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      const { code, message } = error;
      // Published on another machine: whoever has the bytes there brings them here.
      const level = code === "origin-blob-missing" ? "debug" : "warn";
      log[level]({ contentId, directory, code, reason: message }, "origin-not-filled");
    }
  }
}
