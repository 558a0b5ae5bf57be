import type { Logger } from "pino";
import type { ContentId } from "../base/ids.ts";
import type { Change } from "../coordinator/state.ts";
import { OperatorError } from "../runtime/operator-error.ts";
import type { Origin } from "../wire/messages.ts";
import { putAtOrigin } from "./origin-files.ts";
import type { FileStorage } from "./storage/file-storage.ts";

/** What may have something to be brought. */
const NEWS: ReadonlySet<Change["kind"]> = new Set([
  "content-add",
  "origins-replace",
  "file-storage-set",
]);

/** What is to lie where. */
export type OriginPlan = {
  readonly origins: () => readonly Origin[];
  readonly contents: () => readonly { readonly contentId: ContentId }[];
};

/**
 * Brings every package of the file storage into every directory that is an origin, one after the
 * other.
 */
export class OriginFiller {
  readonly #storage: FileStorage;
  readonly #plan: OriginPlan;
  readonly #log: Logger;
  readonly #done = new Set<string>();
  #running: Promise<void> | undefined;
  #again = false;

  constructor(storage: FileStorage, plan: OriginPlan, log: Logger) {
    this.#storage = storage;
    this.#plan = plan;
    this.#log = log;
  }

  /** Looks whether something new is to be brought. */
  onChanges(changes: readonly Change[]): void {
    const news = changes.some(({ kind }) => NEWS.has(kind));
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
      if (!this.#storage.isConfigured) return;
      for (const { kind, location } of this.#plan.origins()) {
        if (kind !== "storage" || /^https?:/i.test(location)) continue;
        for (const { contentId } of this.#plan.contents()) await this.#put(location, contentId);
      }
    }
  }

  async #put(directory: string, contentId: ContentId): Promise<void> {
    const key = `${contentId} ${directory}`;
    if (this.#done.has(key)) return;
    try {
      const { wasThere } = await putAtOrigin({
        ...{ storage: await this.#storage.storage(), contentId, directory },
      });
      this.#done.add(key);
      if (!wasThere) this.#log.info({ contentId, directory }, "origin-filled");
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      const { code, message } = error;
      // Published through a device: nobody has brought the bytes.
      const level = code === "blob-missing" ? "debug" : "warn";
      this.#log[level]({ contentId, directory, code, reason: message }, "origin-not-filled");
    }
  }
}
