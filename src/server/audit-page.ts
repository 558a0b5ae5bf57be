import type { Kysely } from "kysely";
import type { Tables } from "./schema.ts";

/** One row of what operators did. */
type Row = {
  readonly id: string;
  readonly atMs: number;
  readonly who: string;
  readonly action: string;
  readonly subject: string;
  readonly before: string;
  readonly after: string;
};

/**
 * What operators did, the newest first: a page of it, and how many rows there are in all.
 *
 * @param after - The id of the last row of the page before.
 */
export async function auditPage(
  database: Kysely<Tables>,
  limit: number,
  after?: string,
): Promise<{ readonly rows: Row[]; readonly total: number }> {
  const [epoch = 0, number = 0] = (after ?? "").split("-").map(Number);
  const count = await database
    .selectFrom("audit")
    .select(({ fn }) => fn.countAll().as("rows"))
    .executeTakeFirst();
  let query = database.selectFrom("audit").selectAll();
  if (after !== undefined) {
    query = query.where((by) =>
      by.or([
        by("epoch", "<", epoch),
        by.and([by("epoch", "=", epoch), by("number", "<", number)]),
      ]),
    );
  }
  const rows = await query
    .orderBy("epoch", "desc")
    .orderBy("number", "desc")
    .limit(limit)
    .execute();
  return {
    total: Number(count?.rows ?? 0),
    rows: rows.map((row) => ({
      id: `${row.epoch}-${row.number}`,
      atMs: row.at_ms,
      who: row.who,
      action: row.action,
      subject: row.subject,
      before: row.before_json,
      after: row.after_json,
    })),
  };
}
