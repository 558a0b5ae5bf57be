import { rm } from "node:fs/promises";
import { readSecretFile, writeSecretFile } from "../../runtime/identity/secret-file.ts";
import { OperatorError } from "../../runtime/operator-error.ts";

/**
 * What opens the file storage: a key or a password. It lies in a file that only the server's account
 * can read, apart from the database, so that neither the API nor a backup can show it.
 */
export type StorageSecret = {
  /** Of which configuration it is: after another one has been configured it is worth nothing. */
  readonly storageId: string;
  readonly secret: string;
};

/** Keeps a secret. @throws OperatorError `file-not-written`. */
export async function saveStorageSecret(path: string, secret: StorageSecret): Promise<void> {
  await writeSecretFile(path, `${JSON.stringify(secret)}\n`);
}

/** Removes it; does nothing where there is none. */
export async function removeStorageSecret(path: string): Promise<void> {
  await rm(path, { force: true });
}

/**
 * Reads the secret of a configuration.
 *
 * @throws OperatorError `storage-secret-missing` where there is none, or that of another one.
 */
export async function loadStorageSecret(path: string, storageId: string): Promise<string> {
  const mend = "configure the file storage again";
  try {
    const kept = JSON.parse(await readSecretFile(path, mend)) as Partial<StorageSecret>;
    if (kept.storageId === storageId && typeof kept.secret === "string") return kept.secret;
  } catch (error) {
    if (!(error instanceof OperatorError || error instanceof SyntaxError)) throw error;
  }
  const sentence = `The key of the file storage is not at ${path}: ${mend}.`;
  throw new OperatorError("storage-secret-missing", sentence);
}
