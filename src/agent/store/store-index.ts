import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { type ContentId, parseContentId } from "../../base/ids.ts";
import { OperatorError } from "../../runtime/operator-error.ts";
import { errorCode } from "./disk.ts";

/** A content as the index has it. */
export type IndexedContent = {
  readonly contentId: ContentId;
  /** The complete transfer has been verified. */
  readonly finished: boolean;
  /** It has been handed over in the delivery folder. */
  readonly delivered: boolean;
  /** The operator wants it kept. */
  readonly pinned: boolean;
  /** When it was last fetched, served or read: whole hours since 1970. */
  readonly usedAtHour: number;
  /** Numbers of the pieces that are held, ascending. */
  readonly pieces: readonly number[];
};

/** A piece that is verified, written and synced. */
export type IndexedPiece = {
  readonly contentId: ContentId;
  readonly piece: number;
  readonly sha256: Uint8Array;
};

/**
 * The store's memory of what counts: a piece is held if, and only if, it is in here. What a method
 * changes is on disk when it returns or its promise resolves (SQLite with a write-ahead log).
 *
 * Only one process can have it open; the operating system ends that when the process dies.
 */
export class StoreIndex {
  readonly #db: DatabaseSync;
  readonly #path: string;
  #log: Promise<FileHandle> | undefined;
  readonly #addPiece: StatementSync;
  readonly #dropPiece: StatementSync;
  readonly #holders: StatementSync;

  /** @throws OperatorError `store-in-use`, `store-damaged`, `store-too-new`. */
  static open(folder: string): StoreIndex {
    const path = join(folder, "index.sqlite");
    let db: DatabaseSync | undefined;
    try {
      db = new DatabaseSync(path, { timeout: LOCK_WAIT_MS });
      prepareSchema(db);
      return new StoreIndex(db, path);
    } catch (error) {
      db?.close();
      throw openError(folder, error);
    }
  }

  private constructor(db: DatabaseSync, path: string) {
    this.#db = db;
    this.#path = path;
    this.#addPiece = db.prepare(
      `INSERT OR IGNORE INTO piece (content, piece, sha256)
       SELECT number, ?, ? FROM content WHERE id = ?`,
    );
    this.#dropPiece = db.prepare(
      "DELETE FROM piece WHERE content = (SELECT number FROM content WHERE id = ?) AND piece = ?",
    );
    this.#holders = db.prepare(
      `SELECT content.id AS id, piece.piece AS piece FROM piece
       JOIN content ON content.number = piece.content WHERE piece.sha256 = ? LIMIT 4`,
    );
  }

  /** Everything that is in the index. */
  contents(): readonly IndexedContent[] {
    const pieces = this.#db.prepare("SELECT piece FROM piece WHERE content = ? ORDER BY piece");
    const rows = this.#db.prepare("SELECT * FROM content ORDER BY number").all();
    return rows.flatMap(({ number = null, id, finished, delivered, pinned, used_at_hour }) => {
      const contentId = parseContentId(String(id));
      if (contentId === undefined) return [];
      return {
        contentId,
        finished: finished === 1,
        delivered: delivered === 1,
        pinned: pinned === 1,
        usedAtHour: Number(used_at_hour),
        pieces: pieces.all(number).map(({ piece }) => Number(piece)),
      };
    });
  }

  /** Notes a content of which nothing is held yet. */
  addContent(
    contentId: ContentId,
    state: Pick<IndexedContent, "delivered" | "pinned" | "usedAtHour">,
  ): void {
    this.#db
      .prepare("INSERT INTO content (id, delivered, pinned, used_at_hour) VALUES (?, ?, ?, ?)")
      .run(contentId, state.delivered ? 1 : 0, state.pinned ? 1 : 0, state.usedAtHour);
  }

  removeContent(contentId: ContentId): void {
    this.#db.prepare("DELETE FROM content WHERE id = ?").run(contentId);
  }

  /**
   * Marks pieces as held, all or none of them; they count when the promise resolves.
   *
   * The commit leaves the sync of the write-ahead log to us, and ours does not hold up the thread:
   * on a busy disk SQLite's own took a third of a core's time during a transfer.
   */
  async addPieces(pieces: readonly IndexedPiece[]): Promise<void> {
    this.#db.exec("PRAGMA synchronous = NORMAL");
    try {
      this.#transaction(() => {
        for (const { contentId, piece, sha256 } of pieces) {
          this.#addPiece.run(piece, sha256, contentId);
        }
      });
    } finally {
      this.#db.exec("PRAGMA synchronous = FULL");
    }
    this.#log ??= open(`${this.#path}-wal`, "r+");
    await (await this.#log).datasync();
  }

  /** Marks pieces as not held any more, and their content as neither finished nor delivered. */
  dropPieces(contentId: ContentId, pieces: readonly number[]): void {
    this.#transaction(() => {
      for (const piece of pieces) this.#dropPiece.run(contentId, piece);
      this.#setState(contentId, { finished: false, delivered: false });
    });
  }

  /** Notes that nothing of a content is held any more, though it has been handed over. */
  evict(contentId: ContentId): void {
    this.#transaction(() => {
      this.#db
        .prepare("DELETE FROM piece WHERE content = (SELECT number FROM content WHERE id = ?)")
        .run(contentId);
      this.#setState(contentId, { finished: false, delivered: true });
    });
  }

  /** Notes whether the operator wants a content kept. */
  pin(contentId: ContentId, pinned: boolean): void {
    this.#db.prepare("UPDATE content SET pinned = ? WHERE id = ?").run(pinned ? 1 : 0, contentId);
  }

  /** Notes when contents were last used. */
  use(contents: readonly Pick<IndexedContent, "contentId" | "usedAtHour">[]): void {
    if (contents.length === 0) return;
    this.#transaction(() => {
      const update = this.#db.prepare("UPDATE content SET used_at_hour = ? WHERE id = ?");
      for (const { contentId, usedAtHour } of contents) update.run(usedAtHour, contentId);
    });
  }

  /** Marks a content as finished. */
  finish(contentId: ContentId, delivered: boolean): void {
    this.#setState(contentId, { finished: true, delivered });
  }

  /** Up to four places in the store where a piece with this SHA-256 is held. */
  holdersOf(sha256: Uint8Array): readonly Omit<IndexedPiece, "sha256">[] {
    return this.#holders.all(sha256).flatMap(({ id, piece }) => {
      const contentId = parseContentId(String(id));
      return contentId === undefined ? [] : { contentId, piece: Number(piece) };
    });
  }

  async close(): Promise<void> {
    // Before the database, which removes the log when it closes.
    await (await this.#log?.catch(() => undefined))?.close();
    this.#db.close();
  }

  #setState(contentId: ContentId, state: Pick<IndexedContent, "finished" | "delivered">): void {
    this.#db
      .prepare("UPDATE content SET finished = ?, delivered = ? WHERE id = ?")
      .run(state.finished ? 1 : 0, state.delivered ? 1 : 0, contentId);
  }

  #transaction(change: () => void): void {
    transaction(this.#db, change);
  }
}

/** Version of the tables, kept in SQLite's `user_version`. */
const SCHEMA_VERSION = 2;

/** How long to wait for a predecessor that is just ending, in milliseconds. */
const LOCK_WAIT_MS = 500;

function prepareSchema(db: DatabaseSync): void {
  // With exclusive locking, the first transaction takes the lock and the connection keeps it.
  db.exec(`
    PRAGMA locking_mode = EXCLUSIVE;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
  `);
  transaction(db, () => {
    const { user_version: version } = db.prepare("PRAGMA user_version").get() ?? {};
    if (Number(version) > SCHEMA_VERSION) throw new OperatorError("store-too-new", TOO_NEW);
    db.exec(`
      CREATE TABLE IF NOT EXISTS content (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        finished INTEGER NOT NULL DEFAULT 0,
        delivered INTEGER NOT NULL DEFAULT 0
      ) STRICT;
      CREATE TABLE IF NOT EXISTS piece (
        content INTEGER NOT NULL REFERENCES content (number) ON DELETE CASCADE,
        piece INTEGER NOT NULL,
        sha256 BLOB NOT NULL,
        PRIMARY KEY (content, piece)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX IF NOT EXISTS piece_sha256 ON piece (sha256);
    `);
    // What was there before anybody looked counts as used now: it must not be too old at once.
    if (Number(version) < 2) {
      db.exec(`
        ALTER TABLE content ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE content ADD COLUMN used_at_hour INTEGER NOT NULL DEFAULT 0;
        UPDATE content SET used_at_hour = unixepoch() / 3600;
      `);
    }
    db.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`);
  });
}

function transaction(db: DatabaseSync, change: () => void): void {
  db.exec("BEGIN IMMEDIATE");
  try {
    change();
    db.exec("COMMIT");
  } catch (error) {
    // Some errors, such as a full disk, may have ended the transaction already.
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

const TOO_NEW =
  "The content store was written by a newer Branchline. Install that version again, or choose " +
  "another folder for the store.";

/** SQLite's result codes for a lock that another process has, and for a file that is damaged. */
const SQLITE_BUSY = 5;
const SQLITE_CORRUPT = 11;
const SQLITE_NOT_A_DATABASE = 26;

function openError(folder: string, error: unknown): unknown {
  if (errorCode(error) === undefined || !(error instanceof Error)) return error;
  const result = "errcode" in error ? Number(error.errcode) & 0xff : 0;
  if (result === SQLITE_BUSY) {
    return new OperatorError(
      "store-in-use",
      `The content store ${folder} is in use by another agent. Stop that one first, or give this ` +
        "one a folder of its own.",
      { cause: error },
    );
  }
  if (result === SQLITE_CORRUPT || result === SQLITE_NOT_A_DATABASE) {
    return new OperatorError(
      "store-damaged",
      `The index of the content store ${folder} is damaged. Remove that folder: its contents ` +
        "will be fetched again.",
      { cause: error },
    );
  }
  return new OperatorError(
    "store-unusable",
    `The content store ${folder} cannot be opened: ${error.message}. Check the folder's ` +
      "permissions and the free space on its disk.",
    { cause: error },
  );
}
