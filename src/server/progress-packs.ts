import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import type { Kysely, Selectable, Transaction } from "kysely";
import type { Tables } from "./schema.ts";

/** A row of how far a device is with a content, as it lies in its table. */
export type PackedRow = Selectable<Tables["progress"]>;

/** Rows of one pack: as much as is unpacked at a time. */
const PACK_ROWS = 10_000;

const COLUMNS = [
  "device_id",
  "boot_id",
  "state",
  "pieces",
  "pieces_held",
  "held_bytes",
  "base_json",
  "current_json",
  "rvp",
  "problem",
  "updated_at_ms",
  "far_json",
  "office",
] as const satisfies readonly (keyof PackedRow)[];

/**
 * Packs the rows of a content, together with those that were packed before: nothing is lost, and a
 * row takes a seventh of its room. A device that reports again has a row of its own again.
 *
 * @returns How many rows were packed that were not before.
 */
export async function packProgress(
  transaction: Transaction<Tables>,
  contentId: string,
  wallMs: number,
): Promise<number> {
  const loose = await transaction
    .selectFrom("progress")
    .selectAll()
    .where("content_id", "=", contentId)
    .execute();
  if (loose.length === 0) return 0;
  const rows = new Map<string, PackedRow>();
  for await (const row of unpacked(transaction, contentId)) rows.set(row.device_id, row);
  for (const row of loose) rows.set(row.device_id, row);
  // Neighbours are alike in the order of their ids too, and the order is always the same.
  const all = [...rows.values()].toSorted((a, b) => (a.device_id < b.device_id ? -1 : 1));
  await transaction.deleteFrom("progress_packs").where("content_id", "=", contentId).execute();
  for (let part = 0; part * PACK_ROWS < all.length; part += 1) {
    const some = all.slice(part * PACK_ROWS, (part + 1) * PACK_ROWS);
    const pack = { content_id: contentId, part, rows: some.length, packed_at_ms: wallMs };
    const packed = await compressed(some);
    await transaction
      .insertInto("progress_packs")
      .values({ ...pack, packed })
      .execute();
  }
  await transaction.deleteFrom("progress").where("content_id", "=", contentId).execute();
  return loose.length;
}

/** The rows that are packed, of all contents or of one. */
export async function* unpacked(
  database: Kysely<Tables>,
  contentId?: string,
): AsyncGenerator<PackedRow> {
  let query = database.selectFrom("progress_packs").select(["content_id", "part"]);
  if (contentId !== undefined) query = query.where("content_id", "=", contentId);
  for (const { content_id, part } of await query.orderBy("content_id").orderBy("part").execute()) {
    const pack = await database
      .selectFrom("progress_packs")
      .select("packed")
      .where("content_id", "=", content_id)
      .where("part", "=", part)
      .executeTakeFirst();
    if (pack !== undefined) yield* await unpack(content_id, pack.packed);
  }
}

/** Column by column: values of a column are alike, and so take little room together. */
async function compressed(rows: readonly PackedRow[]): Promise<Uint8Array> {
  const columns = COLUMNS.map((column) => rows.map((row) => row[column]));
  return await promisify(gzip)(JSON.stringify(columns), { level: 6 });
}

async function unpack(contentId: string, packed: Uint8Array): Promise<readonly PackedRow[]> {
  const text = (await promisify(gunzip)(packed)).toString("utf8");
  const columns = JSON.parse(text) as readonly (readonly unknown[])[];
  return (columns[0] ?? []).map((_, at) => ({
    content_id: contentId,
    ...Object.fromEntries(COLUMNS.map((column, index) => [column, columns[index]?.[at]])),
  })) as PackedRow[];
}
