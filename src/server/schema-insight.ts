import type { Kysely } from "kysely";
import type { Migration } from "kysely/migration";

/** The tables that came with insight; see `schema.ts` for the rules of all. */
export type InsightTables = {
  /**
   * Rows of `progress` of contents that nobody distributes any more, many in one and compressed. A
   * row of `progress` is newer than one of the same device in here.
   */
  progress_packs: {
    content_id: string;
    /** From 0; each holds the rows of at most so many devices. */
    part: number;
    rows: number;
    packed: Uint8Array;
    packed_at_ms: number;
  };
};

/** Makes them. */
export const INSIGHT_MIGRATION: Migration = {
  up: async ({ schema }: Kysely<unknown>) => {
    await schema
      .createTable("progress_packs")
      .addColumn("content_id", "text", (column) =>
        column.notNull().references("contents.content_id"),
      )
      .addColumn("part", "integer", (column) => column.notNull())
      .addColumn("rows", "integer", (column) => column.notNull())
      .addColumn("packed", "bytea", (column) => column.notNull())
      .addColumn("packed_at_ms", "bigint", (column) => column.notNull())
      .addPrimaryKeyConstraint("progress_packs_key", ["content_id", "part"])
      .execute();
  },
};

/** Numbers what operators say of a deployment. */
export const REVISIONS_MIGRATION: Migration = {
  up: async ({ schema }: Kysely<unknown>) => {
    await schema
      .alterTable("deployments")
      .addColumn("revision", "integer", (column) => column.notNull().defaultTo(1))
      .execute();
  },
};
