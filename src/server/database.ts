import { stat } from "node:fs/promises";
import { Kysely } from "kysely";
import { Migrator } from "kysely/migration";
import type { Change, ContentFile, CoordinatorState } from "../coordinator/state.ts";
import { OperatorError } from "../runtime/operator-error.ts";
import { applyChanges } from "./changes.ts";
import { loadState } from "./load.ts";
import { MIGRATIONS, type Tables } from "./schema.ts";
import { SecurityKeys } from "./security-keys.ts";
import { openSqlite } from "./sqlite.ts";

/** The server's database: everything of the server that survives a restart. */
export class ServerDatabase {
  readonly securityKeys: SecurityKeys;
  readonly #database: Kysely<Tables>;

  private constructor(database: Kysely<Tables>) {
    this.#database = database;
    this.securityKeys = new SecurityKeys(database);
  }

  /** Makes the database of a new organisation. */
  static async create(path: string, organisation: string): Promise<ServerDatabase> {
    const database = await migrated(path);
    const row = { id: 1, name: organisation, epoch: 0, offices_generated: 1 };
    await database.insertInto("organisation").values(row).execute();
    return new ServerDatabase(database);
  }

  /**
   * Opens a database, and brings an older one up to date.
   *
   * @throws OperatorError `database-missing`, `database-newer` or `database-unreadable`.
   */
  static async open(path: string): Promise<ServerDatabase> {
    const found = await stat(path).catch(() => undefined);
    if (found === undefined) {
      const mend = 'set the server up with "branchline server init" first';
      throw new OperatorError("database-missing", `There is no database at ${path}: ${mend}.`);
    }
    return new ServerDatabase(await migrated(path));
  }

  /** The organisation's name. */
  async organisation(): Promise<string> {
    const row = await this.#database.selectFrom("organisation").select("name").executeTakeFirst();
    return row?.name ?? "";
  }

  /**
   * Begins a new epoch and reads what the coordinator starts with.
   *
   * The epoch follows the wall clock, so that a server which was restored from a backup does not
   * use one again that devices have seen already.
   */
  async start(wallMs: number): Promise<CoordinatorState> {
    const row = await this.#database.selectFrom("organisation").select("epoch").executeTakeFirst();
    const epoch = Math.max((row?.epoch ?? 0) + 1, Math.floor(wallMs / 1_000));
    await this.#database.updateTable("organisation").set({ epoch }).execute();
    return await loadState(this.#database, epoch);
  }

  /** Makes changes in their order, in one transaction. */
  apply(changes: readonly Change[]): Promise<void> {
    return applyChanges(this.#database, changes);
  }

  /** The files of a content; empty for an unknown one. */
  async contentFiles(contentId: string): Promise<readonly ContentFile[]> {
    const row = await this.#database
      .selectFrom("contents")
      .select("files_json")
      .where("content_id", "=", contentId)
      .executeTakeFirst();
    return row === undefined ? [] : (JSON.parse(row.files_json) as ContentFile[]);
  }

  /** The signed manifest of a content, as it travels. */
  async manifest(contentId: string): Promise<Uint8Array | undefined> {
    const row = await this.#database
      .selectFrom("contents")
      .select("manifest")
      .where("content_id", "=", contentId)
      .executeTakeFirst();
    return row?.manifest;
  }

  close(): Promise<void> {
    return this.#database.destroy();
  }
}

async function migrated(path: string): Promise<Kysely<Tables>> {
  let database: Kysely<Tables> | undefined;
  try {
    database = new Kysely<Tables>({ dialect: openSqlite(path) });
    const migrator = new Migrator({
      db: database,
      provider: { getMigrations: () => Promise.resolve({ ...MIGRATIONS }) },
    });
    const { error } = await migrator.migrateToLatest();
    if (error !== undefined) throw error;
    return database;
  } catch (cause) {
    await database?.destroy();
    const text = cause instanceof Error ? cause.message : String(cause);
    if (/corrupted migrations/.test(text)) {
      const mend = "install that version again, or put back a copy from before it";
      const sentence = `${path} was written by a later version of Branchline: ${mend}.`;
      throw new OperatorError("database-newer", sentence, { cause });
    }
    const mend = "check its owner and the disk, or put back a copy";
    const sentence = `The database ${path} could not be opened (${text}): ${mend}.`;
    throw new OperatorError("database-unreadable", sentence, { cause });
  }
}
