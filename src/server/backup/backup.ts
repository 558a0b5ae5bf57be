import { open, readFile, rename, rm, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { pipeline, Readable } from "node:stream";
import { createGzip } from "node:zlib";
import { type Kysely, sql, type Transaction } from "kysely";
import { PRODUCT_VERSION } from "../../base/constants.ts";
import { fingerprintOf } from "../../runtime/identity/fingerprint.ts";
import { loadAuthority } from "../../runtime/identity/identity-file.ts";
import { OperatorError } from "../../runtime/operator-error.ts";
import { appliedMigrations, hasTables, openToRead } from "../connection.ts";
import { databasePlace, placeText } from "../database-place.ts";
import { serverFiles } from "../files.ts";
import { MIGRATIONS, TABLE_KEYS, type Tables } from "../schema.ts";
import type { ServerSettings } from "../settings.ts";
import { BACKUP_FORMAT, type BackupHead, type BackupLine, rowToKeep } from "./format.ts";

/** What was put into a backup. */
export type BackedUp = {
  readonly file: string;
  readonly bytes: number;
  readonly organisation: string;
  readonly fingerprint: string;
  readonly rows: number;
  /** The names of the files in it. */
  readonly files: readonly string[];
};

/** How many rows are read at once; a content has its manifest of up to 16 MiB with it. */
const PAGE_ROWS = 1_000;
const PAGE_CONTENTS = 4;

/**
 * Writes everything that is needed to bring the organisation back into one file, for its owner's
 * eyes only: the authority's key, the server's identity, its settings and publishers, and all
 * tables at one moment, whether the server runs or not.
 *
 * @throws OperatorError `backup-exists`, `backup-not-written`, and what opening the database says.
 */
export async function backUp(
  settings: ServerSettings,
  { file, settingsFile }: { readonly file: string; readonly settingsFile?: string },
): Promise<BackedUp> {
  const files = serverFiles(settings.data);
  const authority = await loadAuthority(files.authority);
  const fingerprint = fingerprintOf(authority.certificateDer);
  const organisation = authority.organisation;
  const texts = await readFiles([
    files.authority,
    files.identity,
    settingsFile ?? join(settings.data, "server.toml"),
    ...settings.publishers,
  ]);
  if ((await stat(file).catch(() => undefined)) !== undefined) throw exists(file);
  const place = databasePlace(settings, files);
  const connection = await openToRead(place);
  try {
    const { kysely } = connection;
    if (!(await hasTables(kysely))) throw nothing(placeText(place));
    const head: Omit<BackupHead, "migration"> = {
      kind: "head",
      format: BACKUP_FORMAT,
      productVersion: PRODUCT_VERSION,
      organisation,
      fingerprint,
      madeAtMs: Date.now(),
    };
    const written = await inSnapshot(kysely, place.kind, async (snapshot) =>
      write(file, linesOf(snapshot, { head, texts })),
    );
    return { file, ...written, organisation, fingerprint, files: [...texts.keys()] };
  } finally {
    await connection.close();
  }
}

/** Lets everything be read as it is at one moment, while others go on writing. */
async function inSnapshot<T>(
  kysely: Kysely<Tables>,
  kind: "sqlite" | "postgres",
  read: (snapshot: Transaction<Tables>) => Promise<T>,
): Promise<T> {
  // A transaction of SQLite with its log sees one moment by itself.
  const transaction = kysely.transaction();
  if (kind === "sqlite") return await transaction.execute(read);
  return await transaction
    .setIsolationLevel("repeatable read")
    .setAccessMode("read only")
    .execute(read);
}

async function* linesOf(
  snapshot: Transaction<Tables>,
  given: {
    readonly head: Omit<BackupHead, "migration">;
    readonly texts: ReadonlyMap<string, string>;
  },
): AsyncGenerator<BackupLine> {
  const applied = await appliedMigrations(snapshot);
  const unknown = applied.find((name) => !(name in MIGRATIONS));
  if (unknown !== undefined) throw newer();
  yield { ...given.head, migration: applied.at(-1) ?? "" };
  for (const [name, text] of given.texts) yield { kind: "file", name, text };
  const there = new Set((await snapshot.introspection.getTables()).map(({ name }) => name));
  let rows = 0;
  for (const [table, key] of Object.entries(TABLE_KEYS)) {
    // A database that no server of this version has opened yet lacks what is new in it.
    if (!there.has(table)) continue;
    for await (const page of pagesOf(snapshot, table, key)) {
      rows += page.length;
      yield { kind: "rows", table, rows: page.map(rowToKeep) };
    }
  }
  yield { kind: "end", rows };
}

type Row = Readonly<Record<string, unknown>>;

/** The rows of a table in the order of its key, some at a time. */
async function* pagesOf(
  snapshot: Transaction<Tables>,
  table: string,
  key: readonly string[],
): AsyncGenerator<readonly Row[]> {
  const plain = snapshot as unknown as Transaction<Record<string, Row>>;
  const limit = table === "contents" ? PAGE_CONTENTS : PAGE_ROWS;
  for (let last: Row | undefined; ; ) {
    let query = plain.selectFrom(table).selectAll().limit(limit);
    for (const column of key) query = query.orderBy(column);
    if (last !== undefined) {
      const columns = sql.join(key.map((column) => sql.ref(column)));
      const values = sql.join(key.map((column) => sql.val(last?.[column])));
      query = query.where(sql<boolean>`(${columns}) > (${values})`);
    }
    const page = await query.execute();
    if (page.length > 0) yield page;
    if (page.length < limit) return;
    last = page.at(-1);
  }
}

async function write(
  file: string,
  lines: AsyncGenerator<BackupLine>,
): Promise<{ readonly rows: number; readonly bytes: number }> {
  const draft = `${file}.part`;
  let rows = 0;
  async function* texts(): AsyncGenerator<string> {
    for await (const line of lines) {
      if (line.kind === "end") rows = line.rows;
      yield `${JSON.stringify(line)}\n`;
    }
  }
  try {
    await rm(draft, { force: true });
    await using handle = await open(draft, "wx", 0o600);
    let bytes = 0;
    // An error before the end is thrown where the chunks are read.
    for await (const chunk of pipeline(Readable.from(texts()), createGzip(), () => {})) {
      await handle.write(chunk);
      bytes += chunk.length;
    }
    await handle.sync();
    await rename(draft, file);
    return { rows, bytes };
  } catch (cause) {
    await rm(draft, { force: true });
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
    if (!/^E[A-Z]+$/.test(code)) throw cause;
    const mend = "check that its folder is there and yours, and that the disk has room";
    const sentence = `The backup ${file} could not be written (${code}): ${mend}.`;
    throw new OperatorError("backup-not-written", sentence, { cause });
  }
}

/** The files that are there, by name. */
async function readFiles(paths: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const texts = new Map<string, string>();
  for (const path of paths) {
    const text = await readFile(path, "utf8").catch(() => undefined);
    if (text !== undefined) texts.set(basename(path), text);
  }
  return texts;
}

function exists(file: string): OperatorError {
  const sentence = `${file} is there already: choose another name, so that no backup is lost.`;
  return new OperatorError("backup-exists", sentence);
}

function nothing(shown: string): OperatorError {
  const sentence = `There is no database of Branchline at ${shown} to back up: check the settings.`;
  return new OperatorError("database-missing", sentence);
}

function newer(): OperatorError {
  const sentence =
    "The database was written by a later version of Branchline: back it up with that version.";
  return new OperatorError("database-newer", sentence);
}
