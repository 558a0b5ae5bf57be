import type { CoordinatorOutbox } from "./contract.ts";
import type { FileStorageRow } from "./state.ts";

/**
 * Which file storage is configured (row A4). Packages lie in it, and never in the server's own
 * database; whether it works is found out outside, before it is said here.
 */
export class FileStorage {
  #row: FileStorageRow | undefined;

  constructor(row: FileStorageRow | undefined) {
    this.#row = row;
  }

  /** Whether there is one: what needs packages, such as a profile, cannot be made without it. */
  get isConfigured(): boolean {
    return this.#row !== undefined;
  }

  /** What is configured, without its secrets; `undefined` where nothing is. */
  get row(): FileStorageRow | undefined {
    return this.#row;
  }

  /** Configures it anew, or not at all any more. */
  set(row: FileStorageRow | undefined, outbox: CoordinatorOutbox): void {
    this.#row = row;
    outbox.persist({ kind: "file-storage-set", ...(row === undefined ? {} : { storage: row }) });
  }
}
