import { randomUUID } from "node:crypto";
import type { FileStorageRow } from "../../coordinator/state.ts";
import { OperatorError } from "../../runtime/operator-error.ts";
import type { BlobStorage } from "./blob-storage.ts";
import { checkStorage } from "./check-storage.ts";
import {
  needsSecret,
  openBlobStorage,
  type StorageInput,
  type StorageRow,
  type StorageSurroundings,
  storageOf,
} from "./kinds.ts";
import { addStorageSecret, keepStorageSecret, loadStorageSecret } from "./storage-secret.ts";

/** What the file storage stands on. */
export type FileStorageParts = {
  /** What is configured now, as the database has it. */
  readonly configured: () => FileStorageRow | undefined;
  /** The file for the secret of it. */
  readonly secretFile: string;
  readonly surroundings: StorageSurroundings;
};

/** Has written down, durably, what is configured from now on. */
export type ChangeStorage = (
  row: Omit<FileStorageRow, "configuredAtMs"> | undefined,
) => Promise<void>;

/** Whether a change may be made; `moves` where packages are to be kept elsewhere than now. */
export type Allowed = (change: { readonly moves: boolean }) => void;

/**
 * The one place where packages are kept (row A4). Whoever needs packages asks whether it is
 * configured, and the gateway and the uploads read and write through it.
 */
export class FileStorage {
  readonly #parts: FileStorageParts;
  #open: { readonly storageId: string; readonly storage: Promise<BlobStorage> } | undefined;
  /** Configuring is done by one after the other. */
  #changing: Promise<unknown> = Promise.resolve();

  constructor(parts: FileStorageParts) {
    this.#parts = parts;
  }

  /** Whether one is configured; whether it works at this moment is another question. */
  get isConfigured(): boolean {
    return this.#parts.configured() !== undefined;
  }

  /** What is configured, without its secret. */
  get row(): FileStorageRow | undefined {
    return this.#parts.configured();
  }

  /**
   * The storage, opened when it is first needed.
   *
   * @throws OperatorError `storage-not-configured`, or why it cannot be opened.
   */
  async storage(): Promise<BlobStorage> {
    const row = this.#parts.configured();
    if (row === undefined) throw notConfigured();
    if (this.#open?.storageId !== row.storageId) {
      const before = this.#close();
      const storage = this.#openRow(row);
      this.#open = { storageId: row.storageId, storage };
      // What could not be opened is tried anew by the next who needs it.
      storage.catch(() => {
        if (this.#open?.storage === storage) this.#open = undefined;
      });
      await before;
      return await storage;
    }
    return await this.#open.storage;
  }

  /**
   * Tries a storage for real, and then has it used.
   *
   * @param allowed - Throws where it must not be changed after all; told whether it is another
   * place than now.
   * @throws OperatorError what is wrong with it.
   */
  configure(input: StorageInput, change: ChangeStorage, allowed: Allowed): Promise<void> {
    return this.#inTurn(async () => {
      const { secret, ...place } = storageOf(input, this.#parts.surroundings);
      const before = this.#parts.configured();
      // The same place with another key is the same storage: what is under way goes on.
      const same = before !== undefined && isSamePlace(before, place);
      const row = { ...place, storageId: same ? before.storageId : randomUUID() };
      const tried = await openBlobStorage(row, secret, this.#parts.surroundings);
      try {
        await checkStorage(tried);
      } finally {
        await tried.close();
      }
      allowed({ moves: !same });
      const { secretFile } = this.#parts;
      if (secret !== undefined) await addStorageSecret(secretFile, row.storageId, secret);
      await change(row);
      await keepStorageSecret(secretFile, row.storageId);
      await this.#close();
    });
  }

  /** Has no storage used any more; what lies in it stays. */
  clear(change: ChangeStorage, allowed: Allowed): Promise<void> {
    return this.#inTurn(async () => {
      allowed({ moves: true });
      await change(undefined);
      await keepStorageSecret(this.#parts.secretFile, undefined);
      await this.#close();
    });
  }

  /** Tries the storage that is configured. @throws OperatorError what is wrong with it. */
  async check(): Promise<void> {
    await checkStorage(await this.storage());
  }

  async close(): Promise<void> {
    await this.#changing.catch(() => undefined);
    await this.#close();
  }

  async #openRow(row: FileStorageRow): Promise<BlobStorage> {
    const { secretFile, surroundings } = this.#parts;
    const secret = needsSecret(row)
      ? await loadStorageSecret(secretFile, row.storageId)
      : undefined;
    return await openBlobStorage(row, secret, surroundings);
  }

  async #close(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    await open?.storage.then(
      (storage) => storage.close(),
      () => undefined,
    );
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#changing.then(work, work);
    this.#changing = done.catch(() => undefined);
    return done;
  }
}

function isSamePlace(before: FileStorageRow, place: Omit<StorageRow, "storageId">): boolean {
  const { kind, location } = before;
  const [one, other] = [before.details, place.details].map((details) =>
    JSON.stringify(Object.entries(details).filter(([name]) => name !== "accessKeyId")),
  );
  return kind === place.kind && location === place.location && one === other;
}

/** What is told to whoever needs a file storage where none is configured. */
export function notConfigured(): OperatorError {
  const mend = 'configure one first, with "branchline storage set"';
  const sentence = `No file storage is configured, which this needs: ${mend}.`;
  return new OperatorError("storage-not-configured", sentence);
}
