import { mkdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Kysely } from "kysely";
import { writeSecretFile } from "../../runtime/identity/secret-file.ts";
import { OperatorError } from "../../runtime/operator-error.ts";
import { type Connection, hasTables, migrate, openToWrite } from "../connection.ts";
import { type DatabasePlace, databasePlace, placeText } from "../database-place.ts";
import { type ServerFiles, serverFiles, stateFiles } from "../files.ts";
import { MIGRATIONS, TABLE_KEYS, type Tables } from "../schema.ts";
import type { ServerSettings } from "../settings.ts";
import { BACKUP_FORMAT, type BackupHead, backupLines, rowToInsert, unreadable } from "./format.ts";

/** What a restore has brought back. */
export type Restored = {
  readonly organisation: string;
  readonly fingerprint: string;
  /** When the backup was made. */
  readonly madeAtMs: number;
  readonly rows: number;
  /** Settings and publishers of then, put here to be compared with those of today. */
  readonly besideFolder: string;
  readonly besideFiles: readonly string[];
  /** Where the state that was there before lies now; absent where there was none. */
  readonly replacedFolder?: string;
};

/**
 * Brings a server back from a backup, into the database that the settings name.
 *
 * The whole backup is read once before anything is changed. Devices take what the restored server
 * says: each start has a greater epoch than any before it, because it follows the wall clock.
 *
 * @throws OperatorError `backup-unreadable`, `backup-newer`, `restore-not-empty`,
 * `database-in-use`, and what opening the database says.
 */
export async function restore(
  settings: Pick<ServerSettings, "data" | "database">,
  { file, force }: { readonly file: string; readonly force: boolean },
): Promise<Restored> {
  const backup = await readBackup(file);
  const { data } = settings;
  const { state } = serverFiles(data);
  const old = (await stat(state).catch(() => undefined)) !== undefined;
  if (old && !force) throw notEmpty(data);
  const draft = join(data, "state.new");
  await mkdir(data, { recursive: true, mode: 0o700 });
  await rm(draft, { recursive: true, force: true });
  const files = stateFiles(draft);
  for (const [name, path] of identityFiles(files)) {
    await writeSecretFile(path, backup.files.get(name) ?? "");
  }
  try {
    await using _ = await holdOld(settings, old);
    await fillDatabase(databasePlace(settings, files), { backup, file, force });
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    throw error;
  }
  const replaced = old ? await moveAway(state) : undefined;
  await rename(draft, state);
  const besideFolder = join(data, "restored");
  const besideFiles = [...backup.files.keys()].filter((name) => !IDENTITY.includes(name));
  for (const name of besideFiles) {
    await writeSecretFile(join(besideFolder, name), backup.files.get(name) ?? "");
  }
  const { organisation, fingerprint, madeAtMs } = backup.head;
  return {
    ...{ organisation, fingerprint, madeAtMs, rows: backup.rows, besideFolder, besideFiles },
    ...(replaced === undefined ? {} : { replacedFolder: replaced }),
  };
}

/** The files of a backup that go back to their place. */
const IDENTITY: readonly string[] = ["authority.pem", "identity.pem"];

type Backup = {
  readonly head: BackupHead;
  readonly files: ReadonlyMap<string, string>;
  readonly rows: number;
};

/** Reads a backup to its end, so that nothing is begun with half of one. */
async function readBackup(file: string): Promise<Backup> {
  let head: BackupHead | undefined;
  let ended = false;
  let rows = 0;
  const files = new Map<string, string>();
  for await (const line of backupLines(file)) {
    if (head === undefined && line.kind !== "head") throw unreadable(file, "it has no head");
    if (line.kind === "head") head = judged(file, line);
    else if (line.kind === "file") files.set(line.name, line.text);
    else if (line.kind === "rows") rows += line.rows.length;
    else ended = line.rows === rows;
  }
  if (head === undefined || !ended) throw unreadable(file, "its end is missing");
  const missing = IDENTITY.find((name) => !files.has(name));
  if (missing !== undefined) throw unreadable(file, `${missing} is missing`);
  return { head, files, rows };
}

function judged(file: string, head: BackupHead): BackupHead {
  if (head.format <= BACKUP_FORMAT && head.migration in MIGRATIONS) return head;
  const mend = "restore it with that version";
  const sentence = `${file} was written by Branchline ${head.productVersion}, a later one: ${mend}.`;
  throw new OperatorError("backup-newer", sentence);
}

/** Keeps a server from using the file that is to be replaced, and finds out whether one does. */
async function holdOld(
  { data }: Pick<ServerSettings, "data">,
  old: boolean,
): Promise<AsyncDisposableStack> {
  const stack = new AsyncDisposableStack();
  const { database: path } = serverFiles(data);
  if (!old || (await stat(path).catch(() => undefined)) === undefined) return stack;
  const connection = await openToWrite({ kind: "sqlite", path });
  stack.defer(() => connection.close());
  return stack;
}

async function fillDatabase(
  place: DatabasePlace,
  given: { readonly backup: Backup; readonly file: string; readonly force: boolean },
): Promise<void> {
  const connection = await openToWrite(place);
  try {
    await fillOpen(place, connection, given);
  } finally {
    await connection.close();
  }
}

async function fillOpen(
  place: DatabasePlace,
  { kysely }: Connection,
  {
    backup,
    file,
    force,
  }: { readonly backup: Backup; readonly file: string; readonly force: boolean },
): Promise<void> {
  const fill = async (database: Kysely<Tables>): Promise<void> => {
    await migrate(place, database, backup.head.migration);
    for await (const line of backupLines(file)) {
      if (line.kind === "rows") await insertRows(database, line.table, line.rows.map(rowToInsert));
    }
    await migrate(place, database);
  };
  // A file is made beside its place, and counts when it has been moved there.
  if (place.kind === "sqlite") return await fill(kysely);
  if ((await hasTables(kysely)) && !force) throw databaseNotEmpty(placeText(place));
  await kysely.transaction().execute(async (transaction) => {
    await dropTables(transaction);
    await fill(transaction);
  });
}

type Row = Readonly<Record<string, unknown>>;

/** Few enough for the parameters of one statement, whatever the number of columns. */
const INSERT_ROWS_MAX = 500;

async function insertRows(
  database: Kysely<Tables>,
  table: string,
  rows: readonly Row[],
): Promise<void> {
  if (!(table in TABLE_KEYS)) return;
  const plain = database as unknown as Kysely<Record<string, Row>>;
  for (let at = 0; at < rows.length; at += INSERT_ROWS_MAX) {
    await plain
      .insertInto(table)
      .values(rows.slice(at, at + INSERT_ROWS_MAX))
      .execute();
  }
}

/** Removes our tables, and nobody else's. */
async function dropTables({ schema, introspection }: Kysely<Tables>): Promise<void> {
  const there = await introspection.getTables({ withInternalKyselyTables: true });
  for (const { name } of there) {
    const ours = name in TABLE_KEYS || name.startsWith("kysely_migration");
    if (ours) await schema.dropTable(name).cascade().execute();
  }
}

function identityFiles(
  files: Pick<ServerFiles, "authority" | "identity">,
): readonly (readonly [string, string])[] {
  return [
    ["authority.pem", files.authority],
    ["identity.pem", files.identity],
  ];
}

/** Keeps what was there: a restore of the wrong backup can be taken back. */
async function moveAway(state: string): Promise<string> {
  const at = new Date().toISOString().replaceAll(/[:.]/g, "-");
  const replaced = `${state}.replaced-${at}`;
  await rename(state, replaced);
  return replaced;
}

function notEmpty(data: string): OperatorError {
  const mend = "choose another data folder, or replace that server with --force";
  const sentence = `There is a server in ${data} already: ${mend}. Nothing was changed.`;
  return new OperatorError("restore-not-empty", sentence);
}

function databaseNotEmpty(shown: string): OperatorError {
  const mend = "name an empty one in database.url, or replace what is there with --force";
  const sentence = `${shown} holds an organisation already: ${mend}. Nothing was changed.`;
  return new OperatorError("restore-not-empty", sentence);
}
