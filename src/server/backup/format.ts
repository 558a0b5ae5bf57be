import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { OperatorError } from "../../runtime/operator-error.ts";

// A backup is lines of JSON, compressed: a head, files, rows of tables, an end. It belongs to no
// kind of database, so that what was one's can be restored into the other. Everyone can look into
// it with zcat.

/** What a backup is of, and what wrote it. */
export type BackupHead = {
  readonly kind: "head";
  readonly format: typeof BACKUP_FORMAT;
  readonly productVersion: string;
  readonly organisation: string;
  readonly fingerprint: string;
  readonly madeAtMs: number;
  /** The last step of the schema that the tables had. */
  readonly migration: string;
};

/** One line of a backup. */
export type BackupLine =
  | BackupHead
  | { readonly kind: "file"; readonly name: string; readonly text: string }
  | { readonly kind: "rows"; readonly table: string; readonly rows: readonly BackupRow[] }
  | { readonly kind: "end"; readonly rows: number };

/** A row by its columns; bytes are base64 under a name that no text has. */
export type BackupRow = Readonly<Record<string, BackupValue>>;
type BackupValue = string | number | null | { readonly base64: string };

/** The version of the format; it rises when older programs can no longer read it. */
export const BACKUP_FORMAT = 1;

/** A row as a database gives it, in the form in which it is kept. */
export function rowToKeep(row: Readonly<Record<string, unknown>>): BackupRow {
  return Object.fromEntries(
    Object.entries(row).map(([column, value]) => [
      column,
      value instanceof Uint8Array
        ? { base64: Buffer.from(value).toString("base64") }
        : (value as string | number | null),
    ]),
  );
}

/** The row as a database takes it. */
export function rowToInsert(row: BackupRow): Record<string, string | number | null | Uint8Array> {
  return Object.fromEntries(
    Object.entries(row).map(([column, value]) => [
      column,
      typeof value === "object" && value !== null
        ? new Uint8Array(Buffer.from(value.base64, "base64"))
        : value,
    ]),
  );
}

/** The lines of a backup. @throws OperatorError `backup-unreadable`. */
export async function* backupLines(file: string): AsyncGenerator<BackupLine> {
  const input = createReadStream(file);
  // An error of either ends the other; whoever reads the lines gets it below.
  const text = pipeline(input, createGunzip(), () => {});
  try {
    for await (const line of createInterface({ input: text, crlfDelay: Infinity })) {
      yield JSON.parse(line) as BackupLine;
    }
    if (text.errored !== null) throw text.errored;
  } catch (cause) {
    throw unreadable(file, cause instanceof Error ? cause.message : String(cause), cause);
  }
}

/** That a file is no whole backup. */
export function unreadable(file: string, why: string, cause?: unknown): OperatorError {
  const sentence = `${file} is no whole backup (${why}): take another one. Nothing was changed.`;
  return new OperatorError("backup-unreadable", sentence, { cause });
}
