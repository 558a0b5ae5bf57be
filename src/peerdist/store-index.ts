import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { OfferedShape } from "../branchcache/hosted-cache-types.ts";
import { type BlockCipher, CIPHER_NUMBERS } from "../branchcache/retrieval-message.ts";
import { OperatorError } from "../runtime/operator-error.ts";

/** What is kept of a segment. */
export type SegmentRow = OfferedShape & {
  /** When it came to be in the first cache that had it, in milliseconds since 1970. */
  readonly bornAtMs: number;
  readonly others: { readonly any: number; readonly complete: number };
};

/** What is kept of a block: with a cipher, it is kept as it came. */
export type BlockRow = {
  readonly lengthBytes: number;
  readonly cipher?: BlockCipher;
  readonly iv?: Uint8Array;
};

/** How long changes are gathered before they are committed, in milliseconds. */
const COMMIT_MS = 200;

const SCHEMA = `
  PRAGMA locking_mode = EXCLUSIVE;
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  CREATE TABLE IF NOT EXISTS segment (
    id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    length INTEGER NOT NULL,
    block_size INTEGER NOT NULL,
    secret BLOB,
    hash_of_data BLOB,
    block_hashes BLOB,
    born_at_ms INTEGER NOT NULL,
    others INTEGER NOT NULL,
    others_complete INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS block (
    segment_id TEXT NOT NULL,
    block INTEGER NOT NULL,
    length INTEGER NOT NULL,
    cipher INTEGER,
    iv BLOB,
    PRIMARY KEY (segment_id, block)
  ) STRICT, WITHOUT ROWID;
`;

/** The index of a cache of segments, in one SQLite file. */
export class StoreIndex {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #commit: NodeJS.Timeout | undefined;

  /** @throws OperatorError `branchcache-cache-in-use` or `branchcache-cache-unreadable`. */
  constructor(path: string) {
    try {
      this.#database = new DatabaseSync(path);
      this.#database.exec(SCHEMA);
    } catch (cause) {
      throw openError(path, cause);
    }
  }

  /** All segments with their blocks, the oldest first. */
  *load(): Iterable<{ readonly row: SegmentRow; readonly blocks: Map<number, BlockRow> }> {
    const blocks = this.#statement("SELECT * FROM block WHERE segment_id = ?");
    for (const row of this.#statement("SELECT * FROM segment ORDER BY born_at_ms, id").all()) {
      const segment = segmentOf(row);
      const own = blocks.all(segment.segmentId).map((block) => blockOf(block));
      yield { row: segment, blocks: new Map(own) };
    }
  }

  addSegment(row: SegmentRow): void {
    const { segmentId, version, lengthBytes, blockSizeBytes, keys, bornAtMs, others } = row;
    this.#change(
      "INSERT OR REPLACE INTO segment VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      segmentId,
      version,
      lengthBytes,
      blockSizeBytes,
      keys?.secret ?? null,
      keys?.hashOfData ?? null,
      keys?.blockHashes ?? null,
      bornAtMs,
      others.any,
      others.complete,
    );
  }

  addBlock(segmentId: string, blockIndex: number, row: BlockRow): void {
    const cipher = row.cipher === undefined ? null : CIPHER_NUMBERS[row.cipher];
    this.#change(
      "INSERT OR REPLACE INTO block VALUES (?, ?, ?, ?, ?)",
      segmentId,
      blockIndex,
      row.lengthBytes,
      cipher,
      row.iv ?? null,
    );
  }

  removeBlock(segmentId: string, blockIndex: number): void {
    this.#change("DELETE FROM block WHERE segment_id = ? AND block = ?", segmentId, blockIndex);
  }

  removeSegment(segmentId: string): void {
    this.#change("DELETE FROM block WHERE segment_id = ?", segmentId);
    this.#change("DELETE FROM segment WHERE id = ?", segmentId);
  }

  close(): void {
    this.#end();
    this.#database.close();
  }

  #change(sql: string, ...values: readonly (string | number | Uint8Array | null)[]): void {
    // One transaction for all that comes in a moment: one for each block would cost more than it.
    if (this.#commit === undefined) {
      this.#database.exec("BEGIN");
      this.#commit = setTimeout(() => this.#end(), COMMIT_MS);
    }
    this.#statement(sql).run(...values);
  }

  #end(): void {
    if (this.#commit === undefined) return;
    clearTimeout(this.#commit);
    this.#commit = undefined;
    try {
      this.#database.exec("COMMIT");
    } catch {
      // The disk is full: what the index lacks after a restart will be fetched again.
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
    }
  }

  #statement(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const made = this.#database.prepare(sql);
    this.#statements.set(sql, made);
    return made;
  }
}

/** SQLite's number for a database that another connection has. */
const SQLITE_BUSY = 5;

function openError(path: string, cause: unknown): OperatorError {
  const number = cause instanceof Error && "errcode" in cause ? Number(cause.errcode) : 0;
  if (number === SQLITE_BUSY) {
    return new OperatorError(
      "branchcache-cache-in-use",
      `Another program uses ${path}: end it, or name another folder with --data.`,
      { cause },
    );
  }
  return new OperatorError(
    "branchcache-cache-unreadable",
    `${path} cannot be opened (${cause instanceof Error ? cause.message : String(cause)}): check ` +
      "whose it is, or remove its folder, which holds nothing that cannot be fetched again.",
    { cause },
  );
}

const CIPHERS = Object.keys(CIPHER_NUMBERS) as readonly BlockCipher[];

/** A row as the database gives it. */
type Row = Partial<
  Readonly<
    Record<
      | "id"
      | "version"
      | "length"
      | "block_size"
      | "secret"
      | "hash_of_data"
      | "block_hashes"
      | "born_at_ms"
      | "others"
      | "others_complete"
      | "block"
      | "cipher"
      | "iv",
      unknown
    >
  >
>;

function segmentOf(row: Row): SegmentRow {
  const secret = bytesOf(row.secret);
  const hashOfData = bytesOf(row.hash_of_data);
  const blockHashes = bytesOf(row.block_hashes);
  return {
    segmentId: String(row.id),
    version: row.version === 1 ? 1 : 2,
    lengthBytes: Number(row.length),
    blockSizeBytes: Number(row.block_size),
    bornAtMs: Number(row.born_at_ms),
    others: { any: Number(row.others), complete: Number(row.others_complete) },
    ...(secret && hashOfData && blockHashes ? { keys: { secret, hashOfData, blockHashes } } : {}),
  };
}

function blockOf(row: Row): readonly [number, BlockRow] {
  const cipher = row.cipher === null ? undefined : CIPHERS[Number(row.cipher)];
  const iv = bytesOf(row.iv);
  const lengthBytes = Number(row.length);
  return [Number(row.block), { lengthBytes, ...(cipher && { cipher }), ...(iv && { iv }) }];
}

function bytesOf(value: unknown): Uint8Array | undefined {
  return value instanceof Uint8Array ? value : undefined;
}
