import { randomUUID } from "node:crypto";
import { Kysely, type Transaction } from "kysely";
import { OperatorError } from "../../runtime/operator-error.ts";
import { type DatabasePlace, placeText } from "../database-place.ts";
import { openPostgres } from "../postgres.ts";
import { openSqlite } from "../sqlite.ts";
import {
  type BlobName,
  type BlobStorage,
  type ByteRange,
  blobMissing,
  PART_BYTES,
  READ_BYTES_MAX,
  type Writing,
} from "./blob-storage.ts";

/** The tables of a database that holds packages; it has no others. */
type BlobTables = {
  /** Finished blobs. */
  blobs: { name: string; mark: string; size_bytes: number };
  /** Bytes from `offset_bytes` on, of finished blobs and of those that are being written. */
  blob_chunks: { mark: string; offset_bytes: number; bytes: Uint8Array };
};

/** Blobs in a database of the file-storage role: never in that of the server itself (row B1). */
export class DatabaseStorage implements BlobStorage {
  readonly #place: DatabasePlace;
  readonly #database: Kysely<BlobTables>;

  /**
   * Opens a database, and makes its tables where they are missing.
   *
   * @throws OperatorError `storage-database` where it has tables of something else;
   * `storage-unusable`.
   */
  static async open(place: DatabasePlace): Promise<DatabaseStorage> {
    const storage = new DatabaseStorage(place);
    try {
      await storage.#guard(() => storage.#prepare());
      return storage;
    } catch (error) {
      await storage.close();
      throw error;
    }
  }

  private constructor(place: DatabasePlace) {
    this.#place = place;
    const dialect =
      place.kind === "sqlite" ? openSqlite(place.path) : openPostgres(place, { lock: false });
    this.#database = new Kysely<BlobTables>({ dialect });
  }

  async sizeOf(name: BlobName): Promise<number | undefined> {
    return (await this.#blob(name))?.size_bytes;
  }

  async *read(name: BlobName, { offsetBytes, lengthBytes }: ByteRange): AsyncIterable<Uint8Array> {
    const blob = await this.#blob(name);
    const end = offsetBytes + lengthBytes;
    if (blob === undefined || end > blob.size_bytes) throw blobMissing(name);
    for (let at = offsetBytes; at < end; ) {
      const chunk = await this.#chunkAt(blob.mark, at);
      const from = at - (chunk?.offset_bytes ?? 0);
      const part = chunk?.bytes.subarray(from, from + end - at);
      if (part === undefined || part.length === 0) throw blobMissing(name);
      yield new Uint8Array(part);
      at += part.length;
    }
  }

  begin(name: BlobName, sizeBytes: number): Promise<Writing> {
    return Promise.resolve({ name, sizeBytes, doneBytes: 0, mark: randomUUID(), parts: [] });
  }

  async append(writing: Writing, bytes: Uint8Array): Promise<Writing> {
    const { mark, doneBytes } = writing;
    await this.#guard(() =>
      this.#database.transaction().execute(async (transaction) => {
        // What a crash kept from being noted down is written anew.
        await transaction
          .deleteFrom("blob_chunks")
          .where("mark", "=", mark)
          .where("offset_bytes", ">=", doneBytes)
          .execute();
        for (let at = 0; at < bytes.length; at += READ_BYTES_MAX) {
          const chunk = Buffer.from(bytes.subarray(at, at + READ_BYTES_MAX));
          const values = { mark, offset_bytes: doneBytes + at, bytes: chunk };
          await transaction.insertInto("blob_chunks").values(values).execute();
        }
      }),
    );
    return { ...writing, doneBytes: doneBytes + bytes.length };
  }

  async isThere({ mark, doneBytes }: Writing): Promise<boolean> {
    if (doneBytes === 0) return true;
    const last = await this.#chunkAt(mark, doneBytes - 1);
    return last !== undefined && last.offset_bytes + last.bytes.length >= doneBytes;
  }

  async finish({ name, mark, sizeBytes }: Writing): Promise<void> {
    await this.#guard(() =>
      this.#database.transaction().execute(async (transaction) => {
        const before = await blobOf(transaction, name);
        if (before?.mark === mark) return;
        if (before !== undefined) await removeBlob(transaction, before);
        await transaction
          .deleteFrom("blob_chunks")
          .where("mark", "=", mark)
          .where("offset_bytes", ">=", sizeBytes)
          .execute();
        const blob = { name, mark, size_bytes: sizeBytes };
        await transaction.insertInto("blobs").values(blob).execute();
      }),
    );
  }

  async abandon({ name, mark }: Writing): Promise<void> {
    await this.#guard(() =>
      this.#database.transaction().execute(async (transaction) => {
        if ((await blobOf(transaction, name))?.mark === mark) return;
        await transaction.deleteFrom("blob_chunks").where("mark", "=", mark).execute();
      }),
    );
  }

  async remove(name: BlobName): Promise<void> {
    await this.#guard(() =>
      this.#database.transaction().execute(async (transaction) => {
        const blob = await blobOf(transaction, name);
        if (blob !== undefined) await removeBlob(transaction, blob);
      }),
    );
  }

  partBytes(): number {
    return PART_BYTES;
  }

  async close(): Promise<void> {
    await this.#database.destroy();
  }

  async #blob(name: BlobName): Promise<BlobTables["blobs"] | undefined> {
    return await this.#guard(() => blobOf(this.#database, name));
  }

  /** The chunk with the byte at an offset, or the last one before it. */
  async #chunkAt(
    mark: string,
    atBytes: number,
  ): Promise<Pick<BlobTables["blob_chunks"], "offset_bytes" | "bytes"> | undefined> {
    return await this.#guard(() =>
      this.#database
        .selectFrom("blob_chunks")
        .select(["offset_bytes", "bytes"])
        .where("mark", "=", mark)
        .where("offset_bytes", "<=", atBytes)
        .orderBy("offset_bytes", "desc")
        .limit(1)
        .executeTakeFirst(),
    );
  }

  async #prepare(): Promise<void> {
    const { introspection, schema } = this.#database;
    const foreign = (await introspection.getTables()).find(
      ({ name }) => name !== "blobs" && name !== "blob_chunks",
    );
    if (foreign !== undefined) {
      const sentence =
        `The database ${placeText(this.#place)} has other tables in it ("${foreign.name}"): packages ` +
        "need a database of their own.";
      throw new OperatorError("storage-database", sentence);
    }
    await schema
      .createTable("blobs")
      .ifNotExists()
      .addColumn("name", "text", (column) => column.primaryKey())
      .addColumn("mark", "text", (column) => column.notNull().unique())
      .addColumn("size_bytes", "bigint", (column) => column.notNull())
      .execute();
    await schema
      .createTable("blob_chunks")
      .ifNotExists()
      .addColumn("mark", "text", (column) => column.notNull())
      .addColumn("offset_bytes", "bigint", (column) => column.notNull())
      .addColumn("bytes", "bytea", (column) => column.notNull())
      .addPrimaryKeyConstraint("blob_chunks_key", ["mark", "offset_bytes"])
      .execute();
  }

  async #guard<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof OperatorError || !(error instanceof Error)) throw error;
      const shown = placeText(this.#place);
      if (FULL.test(error.message)) {
        const sentence = `The file storage ${shown} has no room: free some, and try again.`;
        throw new OperatorError("storage-full", sentence, { cause: error });
      }
      const mend = "check its address, that it runs, and that its account may make tables";
      const sentence = `The file storage ${shown} cannot be used (${error.message}): ${mend}.`;
      throw new OperatorError("storage-unusable", sentence, { cause: error });
    }
  }
}

/** How SQLite and PostgreSQL say that a disk is full. */
const FULL = /database or disk is full|No space left on device/;

async function blobOf(
  database: Kysely<BlobTables> | Transaction<BlobTables>,
  name: BlobName,
): Promise<BlobTables["blobs"] | undefined> {
  return await database.selectFrom("blobs").selectAll().where("name", "=", name).executeTakeFirst();
}

async function removeBlob(
  transaction: Transaction<BlobTables>,
  { name, mark }: BlobTables["blobs"],
): Promise<void> {
  await transaction.deleteFrom("blobs").where("name", "=", name).execute();
  await transaction.deleteFrom("blob_chunks").where("mark", "=", mark).execute();
}
