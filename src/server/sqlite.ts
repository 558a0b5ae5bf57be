import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { type SqliteDatabase, SqliteDialect, type SqliteStatement } from "kysely";

/** Most prepared statements that are kept; our queries are fewer. */
const STATEMENTS_MAX = 256;

/**
 * Opens a SQLite file for Kysely through the SQLite that Node brings.
 *
 * What a transaction has committed survives a loss of power: a write-ahead log, synced at each
 * commit.
 */
export function openSqlite(path: string): SqliteDialect {
  const database = new DatabaseSync(path);
  database.exec("pragma journal_mode = wal");
  database.exec("pragma synchronous = full");
  database.exec("pragma foreign_keys = on");
  database.exec("pragma busy_timeout = 5000");
  return new SqliteDialect({ database: adapt(database) });
}

function adapt(database: DatabaseSync): SqliteDatabase {
  const statements = new Map<string, SqliteStatement>();
  return {
    close: () => database.close(),
    prepare: (sql) => {
      const known = statements.get(sql);
      if (known !== undefined) return known;
      if (statements.size >= STATEMENTS_MAX) statements.clear();
      const statement = adaptStatement(database.prepare(sql));
      statements.set(sql, statement);
      return statement;
    },
  };
}

function adaptStatement(statement: StatementSync): SqliteStatement {
  // Kysely gives only what our queries bind: text, numbers, bytes and null.
  const bound = (parameters: readonly unknown[]): SQLInputValue[] => parameters as SQLInputValue[];
  return {
    reader: statement.columns().length > 0,
    all: (parameters) => statement.all(...bound(parameters)),
    run: (parameters) => statement.run(...bound(parameters)),
    iterate: (parameters) => statement.iterate(...bound(parameters)),
  };
}

/** How long to wait for a predecessor that is just ending, in milliseconds. */
const LOCK_WAIT_MS = 2_000;

/** SQLite's result code for a lock that another process has. */
const SQLITE_BUSY = 5;

/**
 * Takes the lock of a database, which the system takes back when the process ends, however it
 * ends. It is a file of its own, so that others may read the database meanwhile.
 *
 * @returns What gives it back; `undefined` where another process has it.
 */
export function lockSqlite(path: string): { release(): void } | undefined {
  const lock = new DatabaseSync(`${path}.lock`, { timeout: LOCK_WAIT_MS });
  try {
    lock.exec("begin exclusive");
    return {
      release: () => {
        if (lock.isOpen) lock.close();
      },
    };
  } catch (error) {
    lock.close();
    const result = error instanceof Error && "errcode" in error ? Number(error.errcode) & 0xff : 0;
    if (result === SQLITE_BUSY) return undefined;
    throw error;
  }
}
