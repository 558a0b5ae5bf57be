import type { Insertable, Transaction } from "kysely";
import type { Tables } from "./schema.ts";

/** Most rows of one statement: few enough for the parameters that SQLite and PostgreSQL allow. */
const ROWS_MAX = 256;

/** A table, and the columns by which one row replaces another. */
export type Keyed<T extends keyof Tables> = {
  readonly table: T;
  readonly key: readonly (keyof Tables[T] & string)[];
};

type Row = Readonly<Record<string, unknown>>;

/**
 * Adds rows, or replaces those with the same key, in their order.
 *
 * Rows of one table in a row are one statement: each costs a journey to PostgreSQL and back.
 */
export class Upserts {
  // Which columns a table has is known where rows come in; in here all tables are alike.
  readonly #transaction: Transaction<Record<string, Row>>;
  #into: { readonly table: string; readonly key: readonly string[] } = { table: "", key: [] };
  /** By key: of two rows the later counts. */
  readonly #rows = new Map<string, Row>();

  constructor(transaction: Transaction<Tables>) {
    this.#transaction = transaction as unknown as Transaction<Record<string, Row>>;
  }

  /** Takes a row; it is in the table at the latest after `flush`. */
  async put<T extends keyof Tables>(into: Keyed<T>, row: Insertable<Tables[T]>): Promise<void> {
    if (this.#into.table !== into.table) await this.flush();
    this.#into = into;
    const plain = row as Row;
    this.#rows.set(JSON.stringify(into.key.map((column) => plain[column])), plain);
  }

  /** Brings what was taken into its table. */
  async flush(): Promise<void> {
    const rows = [...this.#rows.values()];
    this.#rows.clear();
    for (let at = 0, count = 0; at < rows.length; at += count) {
      // Powers of two, so that few different statements are prepared and kept.
      count = Math.min(ROWS_MAX, 2 ** Math.floor(Math.log2(rows.length - at)));
      await this.#write(rows.slice(at, at + count));
    }
  }

  async #write(rows: readonly Row[]): Promise<void> {
    const { table, key } = this.#into;
    const others = Object.keys(rows[0] ?? {}).filter((column) => !key.includes(column));
    await this.#transaction
      .insertInto(table)
      .values(rows)
      .onConflict((conflict) =>
        conflict
          .columns([...key])
          .doUpdateSet(({ ref }) =>
            Object.fromEntries(others.map((column) => [column, ref(`excluded.${column}`)])),
          ),
      )
      .execute();
  }
}
