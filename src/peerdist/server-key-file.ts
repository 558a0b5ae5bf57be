import { access, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fromHex, toHex } from "../base/hex.ts";
import { passphraseKey } from "../branchcache/derivation.ts";
import { exportServerKey, importServerKey } from "../branchcache/server-key.ts";
import { readSecretFile, writeSecretFile } from "../runtime/identity/secret-file.ts";
import { OperatorError } from "../runtime/operator-error.ts";
import { branchCacheCrypto } from "./node-crypto.ts";

/** The length of a key that nobody chose, as Windows draws it. */
const KEY_BYTES = 32;

/** The server's secret key; drawn where there is none yet. */
export async function serverKey(dataFolder: string): Promise<Uint8Array> {
  const path = keyPath(dataFolder);
  try {
    await access(path);
  } catch {
    const drawn = branchCacheCrypto.randomBytes(KEY_BYTES);
    await keepServerKey(dataFolder, drawn);
    return drawn;
  }
  const text = (await readSecretFile(path, "run the content server once")).trim();
  const key = fromHex(text);
  if (key !== undefined && key.length > 0) return key;
  throw new OperatorError(
    "branchcache-key-unreadable",
    `${path} is no key: import the key again, or remove the file to have a new one drawn.`,
  );
}

/** Makes the key that a passphrase stands for the server's. */
export async function setPassphrase(dataFolder: string, passphrase: string): Promise<void> {
  await keepServerKey(dataFolder, passphraseKey(needed(passphrase)));
}

/** Writes the key for another server, as `netsh branchcache exportkey` does (CI13). */
export async function exportKey(
  dataFolder: string,
  file: string,
  passphrase: string,
): Promise<void> {
  const key = await serverKey(dataFolder);
  const bytes = exportServerKey(branchCacheCrypto, key, needed(passphrase));
  try {
    await writeFile(file, bytes, { mode: 0o600, flag: "wx" });
  } catch (cause) {
    throw new OperatorError(
      "file-not-written",
      `${file} could not be written: it must not exist yet, in a folder that you may write to.`,
      { cause },
    );
  }
}

/** Takes the key that another server, or Windows, has exported. */
export async function importKey(
  dataFolder: string,
  file: string,
  passphrase: string,
): Promise<void> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(file);
  } catch (cause) {
    throw new OperatorError("file-unreadable", `${file} could not be read.`, { cause });
  }
  const key = importServerKey(branchCacheCrypto, new Uint8Array(bytes), needed(passphrase));
  if (key === undefined) {
    throw new OperatorError(
      "branchcache-key-wrong",
      `${file} is no exported key, or the passphrase is another one. The key stays as it was.`,
    );
  }
  await keepServerKey(dataFolder, key);
}

function needed(passphrase: string): string {
  if (passphrase !== "") return passphrase;
  throw new OperatorError("usage-passphrase", "The passphrase is empty.");
}

async function keepServerKey(dataFolder: string, key: Uint8Array): Promise<void> {
  await writeSecretFile(keyPath(dataFolder), `${toHex(key)}\n`);
}

function keyPath(dataFolder: string): string {
  return join(dataFolder, "server.key");
}
