import { stat } from "node:fs/promises";
import type { Kysely, Transaction } from "kysely";
import type { Change, ContentFile, CoordinatorState } from "../coordinator/state.ts";
import type { OnceMemory } from "../runtime/http/app.ts";
import { OperatorError } from "../runtime/operator-error.ts";
import { SqlOnceMemory } from "./api/once-memory.ts";
import { Tokens } from "./api/tokens.ts";
import { type WebhookParts, Webhooks } from "./api/webhooks.ts";
import { auditPage } from "./audit-page.ts";
import { applyChanges } from "./changes.ts";
import { type Connection, hasTables, migrate, openToWrite } from "./connection.ts";
import { openingError } from "./database-errors.ts";
import { type DatabasePlace, placeText } from "./database-place.ts";
import { loadState } from "./load.ts";
import { Patience, type Watch } from "./patience.ts";
import { packProgress } from "./progress-packs.ts";
import type { Tables } from "./schema.ts";
import { SecurityKeys } from "./security-keys.ts";
import { UploadRows } from "./storage/upload-rows.ts";
import { TopologyHistory } from "./topology-history.ts";

/**
 * The server's database: everything of the server that survives a restart.
 *
 * One process has it at a time. When its PostgreSQL goes away for a while, everything that is asked
 * of it waits, but for `close`.
 */
export class ServerDatabase {
  readonly securityKeys: SecurityKeys;
  readonly topologyHistory: TopologyHistory;
  readonly tokens: Tokens;
  readonly onceMemory: OnceMemory;
  readonly #connection: Connection;
  readonly #place: DatabasePlace;
  readonly #patience: Patience;
  #epoch: number;
  /** The number of the last changes, each time one greater. */
  #batch: number;
  #applying: Promise<void> = Promise.resolve();

  private constructor(parts: {
    readonly connection: Connection;
    readonly place: DatabasePlace;
    readonly patience: Patience;
    readonly mark: Mark;
  }) {
    this.#connection = parts.connection;
    this.#place = parts.place;
    this.#patience = parts.patience;
    this.#epoch = parts.mark.epoch;
    this.#batch = parts.mark.batch;
    this.securityKeys = new SecurityKeys(parts.connection.kysely, parts.patience);
    this.topologyHistory = new TopologyHistory(parts.connection.kysely, parts.patience);
    this.tokens = new Tokens(parts.connection.kysely);
    this.onceMemory = new SqlOnceMemory(parts.connection.kysely);
  }

  /**
   * Makes the database of a new organisation.
   *
   * @throws OperatorError `database-not-empty` where there is one, and as {@link open}.
   */
  static async create(place: DatabasePlace, organisation: string): Promise<ServerDatabase> {
    return await withConnection(place, async (connection) => {
      const { kysely } = connection;
      if (await hasTables(kysely)) throw await notEmpty(place, kysely);
      await migrate(place, kysely);
      const row = { id: 1, name: organisation, epoch: 0, offices_generated: 1 };
      await kysely.insertInto("organisation").values(row).execute();
      return new ServerDatabase({
        connection,
        place,
        patience: new Patience(),
        mark: { epoch: 0, batch: 0 },
      });
    });
  }

  /**
   * Opens a database, and brings an older one up to date.
   *
   * @param watch - Told when the database goes away, and when it is back.
   * @throws OperatorError `database-missing`, `database-in-use`, and what `openingError` says.
   */
  static async open(place: DatabasePlace, watch?: Watch): Promise<ServerDatabase> {
    if (place.kind === "sqlite" && (await stat(place.path).catch(() => undefined)) === undefined) {
      throw missing(place);
    }
    return await withConnection(place, async (connection) => {
      const { kysely } = connection;
      if (place.kind === "postgres" && !(await hasTables(kysely))) throw missing(place);
      await migrate(place, kysely);
      const mark = await readMark(kysely);
      if (mark === undefined) throw missing(place);
      return new ServerDatabase({ connection, place, patience: new Patience(watch), mark });
    });
  }

  /** Whether it does not answer now. */
  get isAway(): boolean {
    return this.#patience.isAway;
  }

  /** The organisation's name. */
  async organisation(): Promise<string> {
    const row = await this.#kysely.selectFrom("organisation").select("name").executeTakeFirst();
    return row?.name ?? "";
  }

  /**
   * Begins a new epoch and reads what the coordinator starts with.
   *
   * The epoch follows the wall clock, so that a server which was restored from a backup does not
   * use one again that devices have seen already.
   */
  async start(wallMs: number): Promise<CoordinatorState> {
    const epoch = Math.max(this.#epoch + 1, Math.floor(wallMs / 1_000));
    await this.#kysely.updateTable("organisation").set({ epoch }).execute();
    this.#epoch = epoch;
    await this.tokens.load();
    return await loadState(this.#kysely, epoch);
  }

  /**
   * Makes changes in their order, in one transaction; once, also where a connection breaks after
   * the database has made them and before it could say so.
   *
   * @throws OperatorError `database-in-use` where another server has taken over meanwhile.
   */
  apply(changes: readonly Change[]): Promise<void> {
    if (changes.length === 0) return Promise.resolve();
    const applied = this.#applying.then(() => this.#apply(changes));
    this.#applying = applied.catch(() => {});
    return applied;
  }

  /** The files of a content; empty for an unknown one. */
  async contentFiles(contentId: string): Promise<readonly ContentFile[]> {
    const row = await this.#patience.until(() =>
      this.#kysely
        .selectFrom("contents")
        .select("files_json")
        .where("content_id", "=", contentId)
        .executeTakeFirst(),
    );
    return row === undefined ? [] : (JSON.parse(row.files_json) as ContentFile[]);
  }

  /** The signed manifest of a content, as it travels. */
  async manifest(contentId: string): Promise<Uint8Array | undefined> {
    const row = await this.#patience.until(() =>
      this.#kysely
        .selectFrom("contents")
        .select("manifest")
        .where("content_id", "=", contentId)
        .executeTakeFirst(),
    );
    return row === undefined ? undefined : new Uint8Array(row.manifest);
  }

  /** Has what waits for the database fail, so that the process can end. */
  giveUp(): void {
    this.#patience.end();
  }

  /** Those who are told of what happens. */
  openWebhooks(parts: Omit<WebhookParts, "database">): Promise<Webhooks> {
    return Webhooks.open({ ...parts, database: this.#kysely });
  }

  /** What is known of packages on their way into the file storage. */
  uploadRows(): UploadRows {
    return new UploadRows(this.#kysely, this.#patience);
  }

  /** What operators did, the newest first; `after`: behind the row of this id. */
  audit(limit: number, after?: string): ReturnType<typeof auditPage> {
    return auditPage(this.#kysely, limit, after);
  }

  /** How many rows of progress each content has that are not packed. */
  async looseProgress(): Promise<readonly { contentId: string; rows: number }[]> {
    const found = await this.#patience.until(() =>
      this.#kysely
        .selectFrom("progress")
        .select(["content_id", ({ fn }) => fn.countAll().as("rows")])
        .groupBy("content_id")
        .execute(),
    );
    return found.map(({ content_id, rows }) => ({ contentId: content_id, rows: Number(rows) }));
  }

  /** Packs the rows of progress of a content; gives how many. */
  packProgress(contentId: string, wallMs: number): Promise<number> {
    const packed = this.#applying.then(() =>
      this.#patience.until(() =>
        this.#kysely.transaction().execute(async (transaction) => {
          // What a server that has been replaced packs would be older than what is there.
          const mark = await readMark(transaction);
          if (mark?.epoch !== this.#epoch || mark.batch !== this.#batch) {
            throw takenOver(this.#place);
          }
          return await packProgress(transaction, contentId, wallMs);
        }),
      ),
    );
    this.#applying = packed.then(
      () => {},
      () => {},
    );
    return packed;
  }

  /** How many rows of what operators did are older, and from when the oldest is. */
  async auditBefore(
    beforeMs: number,
  ): Promise<{ readonly rows: number; readonly oldestMs: number } | undefined> {
    const found = await this.#patience.until(() =>
      this.#kysely
        .selectFrom("audit")
        .select(({ fn }) => [fn.countAll().as("rows"), fn.min("at_ms").as("oldest")])
        .where("at_ms", "<", beforeMs)
        .executeTakeFirst(),
    );
    const rows = Number(found?.rows ?? 0);
    return rows === 0 ? undefined : { rows, oldestMs: Number(found?.oldest ?? 0) };
  }

  async close(): Promise<void> {
    this.giveUp();
    await this.#connection.close();
  }

  get #kysely(): Kysely<Tables> {
    return this.#connection.kysely;
  }

  async #apply(changes: readonly Change[]): Promise<void> {
    const batch = this.#batch + 1;
    await this.#patience.until(() =>
      this.#kysely.transaction().execute(async (transaction) => {
        if (await this.#isMade(transaction, batch)) return;
        await applyChanges(transaction, changes);
      }),
    );
    this.#batch = batch;
  }

  /** Marks a batch as made; says whether it was already. */
  async #isMade(transaction: Transaction<Tables>, batch: number): Promise<boolean> {
    const marked = await transaction
      .updateTable("organisation")
      .set({ batch })
      .where("epoch", "=", this.#epoch)
      .where("batch", "=", batch - 1)
      .executeTakeFirst();
    if (marked.numUpdatedRows > 0n) return false;
    const mark = await readMark(transaction);
    if (mark?.epoch === this.#epoch && mark.batch === batch) return true;
    throw takenOver(this.#place);
  }
}

/** By what a server knows that nobody else has written since. */
type Mark = { readonly epoch: number; readonly batch: number };

async function readMark(database: Kysely<Tables>): Promise<Mark | undefined> {
  return await database.selectFrom("organisation").select(["epoch", "batch"]).executeTakeFirst();
}

async function withConnection(
  place: DatabasePlace,
  use: (connection: Connection) => Promise<ServerDatabase>,
): Promise<ServerDatabase> {
  const connection = await openToWrite(place);
  try {
    return await use(connection);
  } catch (cause) {
    await connection.close();
    throw openingError(place, cause);
  }
}

function missing(place: DatabasePlace): OperatorError {
  const mend = 'set the server up with "branchline server init", or restore a backup, first';
  const sentence = `There is no database of Branchline at ${placeText(place)}: ${mend}.`;
  return new OperatorError("database-missing", sentence);
}

async function notEmpty(place: DatabasePlace, kysely: Kysely<Tables>): Promise<OperatorError> {
  const row = await kysely.selectFrom("organisation").select("name").executeTakeFirst();
  const has = row === undefined ? "tables of Branchline" : `the organisation "${row.name}"`;
  const mend = "choose another database, or remove its tables";
  const sentence = `${placeText(place)} holds ${has} already: ${mend}.`;
  return new OperatorError("database-not-empty", sentence);
}

function takenOver(place: DatabasePlace): OperatorError {
  const sentence =
    `Another server has used the database ${placeText(place)} while this one had lost it: end ` +
    "one of them. What this one had not confirmed yet is not kept.";
  return new OperatorError("database-taken-over", sentence);
}
