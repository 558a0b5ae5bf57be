import type { Kysely } from "kysely";
import type { Migration } from "kysely/migration";

/** The tables that came with file storage; see `schema.ts` for the rules of all. */
export type StorageTables = {
  /** Which file storage is configured: one row, or none. It holds no secret. */
  file_storage: {
    storage_id: string;
    kind: string;
    location: string;
    details_json: string;
    configured_at_ms: number;
  };
  /** Packages on their way into the file storage. */
  uploads: {
    upload_id: string;
    content_id: string;
    storage_id: string;
    /** Signed, as it travels. */
    manifest: Uint8Array;
    size_bytes: number;
    /** How much has been verified and is durable in the storage. */
    done_bytes: number;
    /** What the storage needs in order to go on. */
    writing_json: string;
    started_by: string;
    created_at_ms: number;
    updated_at_ms: number;
  };
};

/** Makes them. */
export const STORAGE_MIGRATION: Migration = {
  up: async ({ schema }: Kysely<unknown>) => {
    await schema
      .createTable("file_storage")
      .addColumn("storage_id", "text", (column) => column.primaryKey())
      .addColumn("kind", "text", (column) => column.notNull())
      .addColumn("location", "text", (column) => column.notNull())
      .addColumn("details_json", "text", (column) => column.notNull())
      .addColumn("configured_at_ms", "bigint", (column) => column.notNull())
      .execute();
    await schema
      .createTable("uploads")
      .addColumn("upload_id", "text", (column) => column.primaryKey())
      .addColumn("content_id", "text", (column) => column.notNull().unique())
      .addColumn("storage_id", "text", (column) => column.notNull())
      .addColumn("manifest", "bytea", (column) => column.notNull())
      .addColumn("size_bytes", "bigint", (column) => column.notNull())
      .addColumn("done_bytes", "bigint", (column) => column.notNull())
      .addColumn("writing_json", "text", (column) => column.notNull())
      .addColumn("started_by", "text", (column) => column.notNull())
      .addColumn("created_at_ms", "bigint", (column) => column.notNull())
      .addColumn("updated_at_ms", "bigint", (column) => column.notNull())
      .execute();
  },
};
