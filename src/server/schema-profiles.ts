import type { ColumnType, Kysely } from "kysely";
import type { Migration } from "kysely/migration";

/** The tables that came with profiles; see `schema.ts` for the rules of all. */
export type ProfileTables = {
  profiles: {
    name: string;
    /** Of those that reach a device in the same way the lower one wins. */
    rank: number;
    values_json: string;
    /** For whom it is: groups, offices and devices. */
    targets_json: string;
    created_at_ms: number;
    changed_at_ms: number;
  };
  /** What each device said last of the values in force on it. */
  profile_reports: {
    device_id: string;
    values_json: string;
    problems_json: string;
    at_ms: number;
  };
};

/** A device's ports, where the table and its offset do not say them. */
export type PortsColumn = ColumnType<string | null, string | null | undefined, string | null>;

/** Makes them, and lets devices listen on other ports than those of the table. */
export const PROFILES_MIGRATION: Migration = {
  up: async ({ schema }: Kysely<unknown>) => {
    await schema
      .createTable("profiles")
      .addColumn("name", "text", (column) => column.primaryKey())
      .addColumn("rank", "integer", (column) => column.notNull())
      .addColumn("values_json", "text", (column) => column.notNull())
      .addColumn("targets_json", "text", (column) => column.notNull())
      .addColumn("created_at_ms", "bigint", (column) => column.notNull())
      .addColumn("changed_at_ms", "bigint", (column) => column.notNull())
      .execute();
    await schema
      .createTable("profile_reports")
      .addColumn("device_id", "text", (column) =>
        column.primaryKey().references("devices.device_id"),
      )
      .addColumn("values_json", "text", (column) => column.notNull())
      .addColumn("problems_json", "text", (column) => column.notNull())
      .addColumn("at_ms", "bigint", (column) => column.notNull())
      .execute();
    await schema.alterTable("devices").addColumn("ports_json", "text").execute();
  },
};
