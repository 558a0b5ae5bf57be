import { rm } from "node:fs/promises";
import { readSecretFile, writeSecretFile } from "../../runtime/identity/secret-file.ts";
import { OperatorError } from "../../runtime/operator-error.ts";

// What opens the file storage, a key or a password, lies in a file that only the server's account can
// read, apart from the database, so that neither the API nor a backup can show it. While another
// storage is being configured there are two: whichever is in force after a crash has its own.

/** Secrets by the configuration that they are of. */
type Secrets = Readonly<Record<string, string>>;

/** Keeps one more secret. @throws OperatorError `file-not-written`. */
export async function addStorageSecret(path: string, id: string, secret: string): Promise<void> {
  await write(path, { ...(await read(path)), [id]: secret });
}

/** Forgets all secrets but that of one configuration. */
export async function keepStorageSecret(path: string, id: string | undefined): Promise<void> {
  const secret = id === undefined ? undefined : (await read(path))[id];
  if (id === undefined || secret === undefined) await rm(path, { force: true });
  else await write(path, { [id]: secret });
}

/**
 * Reads the secret of a configuration.
 *
 * @throws OperatorError `storage-secret-missing` where there is none.
 */
export async function loadStorageSecret(path: string, id: string): Promise<string> {
  const secret = (await read(path))[id];
  if (secret !== undefined) return secret;
  const sentence = `The key of the file storage is not in ${path}: configure the storage again.`;
  throw new OperatorError("storage-secret-missing", sentence);
}

async function write(path: string, secrets: Secrets): Promise<void> {
  await writeSecretFile(path, `${JSON.stringify(secrets)}\n`);
}

async function read(path: string): Promise<Secrets> {
  try {
    const kept: unknown = JSON.parse(await readSecretFile(path, "configure the storage again"));
    return typeof kept === "object" && kept !== null ? (kept as Secrets) : {};
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    if (error instanceof OperatorError && error.code === "file-missing") return {};
    throw error;
  }
}
