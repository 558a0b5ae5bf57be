import { mkdir, open, rename, rm, rmdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { createAuthority, issueServerCertificate } from "../runtime/identity/authority.ts";
import { fingerprintOf } from "../runtime/identity/fingerprint.ts";
import { saveAuthority, saveIdentity } from "../runtime/identity/identity-file.ts";
import { createSigningRequest } from "../runtime/identity/keys.ts";
import { OperatorError } from "../runtime/operator-error.ts";
import { ServerDatabase } from "./database.ts";
import { databasePlace } from "./database-place.ts";
import { serverFiles, stateFiles } from "./files.ts";
import type { ServerSettings } from "./settings.ts";

/** What a new server tells the one who set it up, once. */
export type Initialised = {
  /** Kept by nobody else. */
  readonly securityKey: string;
  /** Of the authority's certificate: devices compare it when they enrol. */
  readonly fingerprint: string;
};

/**
 * Sets up a server: its authority, its own certificate, its database and the first security key.
 *
 * Everything is made beside its place and moved there at once: there is a whole server or none.
 *
 * @throws OperatorError `already-initialised`, `data-folder-unusable`, and what its parts throw.
 */
export async function initialiseServer(
  settings: Pick<ServerSettings, "data" | "organisation" | "database">,
): Promise<Initialised> {
  const { data } = settings;
  const { state } = serverFiles(data);
  if ((await stat(state).catch(() => undefined)) !== undefined) throw alreadyThere(data);
  const draft = join(data, "state.new");
  const made = await makeFolder(data);
  try {
    // What an interrupted attempt left behind belongs to no server.
    await rm(draft, { recursive: true, force: true });
    await mkdir(draft, { mode: 0o700 });
    const initialised = await makeState(draft, settings, Date.now());
    await syncFolder(draft);
    await rename(draft, state);
    await syncFolder(data);
    return initialised;
  } catch (cause) {
    await rm(draft, { recursive: true, force: true });
    if (made !== undefined) await rmdir(data).catch(() => undefined);
    if (cause instanceof OperatorError) throw cause;
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
    if (code === "ENOTEMPTY" || code === "EEXIST") throw alreadyThere(data);
    throw unusable(data, cause);
  }
}

async function makeState(
  folder: string,
  settings: Pick<ServerSettings, "organisation" | "database">,
  nowMs: number,
): Promise<Initialised> {
  const { organisation } = settings;
  const files = stateFiles(folder);
  const nowS = Math.floor(nowMs / 1_000);
  const authority = await createAuthority(organisation, nowS);
  const { privateKeyPem, requestDer } = await createSigningRequest();
  const issued = await issueServerCertificate(authority, requestDer, nowS);
  if (!issued.ok) throw new OperatorError(issued.error.code, issued.error.reason);
  const { certificateDer } = issued.value;
  const authorityDer = authority.certificateDer;
  await saveAuthority(files.authority, authority);
  await saveIdentity(files.identity, { privateKeyPem, certificateDer, authorityDer });
  // Last, because on a PostgreSQL server it is made at its place.
  const database = await ServerDatabase.create(databasePlace(settings, files), organisation);
  try {
    const securityKey = await database.securityKeys.create(nowMs);
    return { securityKey, fingerprint: fingerprintOf(authorityDer) };
  } finally {
    await database.close();
  }
}

/** Makes the folder; `undefined` where it was there. */
async function makeFolder(path: string): Promise<string | undefined> {
  try {
    return await mkdir(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw unusable(path, cause);
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function alreadyThere(data: string): OperatorError {
  return new OperatorError(
    "already-initialised",
    `There is a server in ${data} already: start it with "branchline server run", or choose ` +
      "another data folder.",
  );
}

function unusable(path: string, cause: unknown): OperatorError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : String(cause);
  return new OperatorError(
    "data-folder-unusable",
    `The server cannot be set up in ${path} (${code}): check that the folder belongs to the ` +
      "account that runs Branchline and that the disk has room.",
    { cause },
  );
}
