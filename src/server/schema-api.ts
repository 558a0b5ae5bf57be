import type { ColumnType, Kysely } from "kysely";
import type { Migration } from "kysely/migration";

/** The tables that the API has for itself; see `schema.ts` for the rules of all. */
export type ApiTables = {
  api_tokens: {
    token_id: string;
    name: string;
    /** SHA-256 of the token in hexadecimal digits; the token itself is kept nowhere. */
    hash: string;
    created_at_ms: number;
    expires_at_ms: number | null;
    used_at_ms: ColumnType<number | null, number | null | undefined, number | null>;
  };
  idempotency_keys: {
    /** SHA-256 of who asked under which key. */
    key: string;
    /** SHA-256 of what was asked. */
    request: string;
    /** Null until it is done, and for ever where the answer is secret. */
    answer_json: ColumnType<string | null, string | null | undefined, string | null>;
    /** 0 from when it begins until it is done. */
    done: number;
    created_at_ms: number;
  };
  webhooks: {
    webhook_id: string;
    url: string;
    kinds_json: string;
    secret: string;
    created_at_ms: number;
  };
  webhook_deliveries: {
    delivery_id: string;
    webhook_id: string;
    kind: string;
    body: string;
    state: string;
    attempts: number;
    created_at_ms: number;
    /** When it is tried next; of no meaning once it is over. */
    next_at_ms: number;
    finished_at_ms: ColumnType<number | null, number | null | undefined, number | null>;
    /** How the last attempt went, for the operator. */
    outcome: string;
  };
};

/** Makes the tables of the API. */
export const API_MIGRATION: Migration = {
  up: async ({ schema }: Kysely<unknown>) => {
    await schema
      .createTable("api_tokens")
      .addColumn("token_id", "text", (column) => column.primaryKey())
      .addColumn("name", "text", (column) => column.notNull())
      .addColumn("hash", "text", (column) => column.notNull().unique())
      .addColumn("created_at_ms", "bigint", (column) => column.notNull())
      .addColumn("expires_at_ms", "bigint")
      .addColumn("used_at_ms", "bigint")
      .execute();
    await schema
      .createTable("idempotency_keys")
      .addColumn("key", "text", (column) => column.primaryKey())
      .addColumn("request", "text", (column) => column.notNull())
      .addColumn("answer_json", "text")
      .addColumn("done", "integer", (column) => column.notNull())
      .addColumn("created_at_ms", "bigint", (column) => column.notNull())
      .execute();
    await schema
      .createTable("webhooks")
      .addColumn("webhook_id", "text", (column) => column.primaryKey())
      .addColumn("url", "text", (column) => column.notNull())
      .addColumn("kinds_json", "text", (column) => column.notNull())
      .addColumn("secret", "text", (column) => column.notNull())
      .addColumn("created_at_ms", "bigint", (column) => column.notNull())
      .execute();
    await schema
      .createTable("webhook_deliveries")
      .addColumn("delivery_id", "text", (column) => column.primaryKey())
      .addColumn("webhook_id", "text", (column) =>
        column.notNull().references("webhooks.webhook_id").onDelete("cascade"),
      )
      .addColumn("kind", "text", (column) => column.notNull())
      .addColumn("body", "text", (column) => column.notNull())
      .addColumn("state", "text", (column) => column.notNull())
      .addColumn("attempts", "integer", (column) => column.notNull())
      .addColumn("created_at_ms", "bigint", (column) => column.notNull())
      .addColumn("next_at_ms", "bigint", (column) => column.notNull())
      .addColumn("finished_at_ms", "bigint")
      .addColumn("outcome", "text", (column) => column.notNull())
      .execute();
    await schema
      .createIndex("webhook_deliveries_by_webhook")
      .on("webhook_deliveries")
      .columns(["webhook_id", "created_at_ms"])
      .execute();
  },
};
