import type { ColumnType, Insertable, Kysely } from "kysely";
import type { Migration } from "kysely/migration";
import { add, type Counters } from "../coordinator/state.ts";
import { API_MIGRATION, type ApiTables } from "./schema-api.ts";
import { DEPLOYMENTS_MIGRATION, type DeploymentTables } from "./schema-deployments.ts";
import { INSIGHT_MIGRATION, type InsightTables, REVISIONS_MIGRATION } from "./schema-insight.ts";
import { type PortsColumn, PROFILES_MIGRATION, type ProfileTables } from "./schema-profiles.ts";
import { STORAGE_MIGRATION, type StorageTables } from "./schema-storage.ts";

// One schema for SQLite and PostgreSQL: ids and JSON are text, truth values 0 or 1, times are
// milliseconds since 1970. SQLite takes any name for a type, so bytes have PostgreSQL's.

/** The tables of the server's database. */
export type Tables = ApiTables &
  DeploymentTables &
  ProfileTables &
  StorageTables &
  InsightTables & {
    organisation: {
      /** Always 1: there is one row. */
      id: number;
      name: string;
      epoch: number;
      offices_generated: number;
      /** The number of the last changes that were made: none are made twice. */
      batch: ColumnType<number, number | undefined, number>;
    };
    security_keys: {
      id: string;
      /** SHA-256 of the key in hexadecimal digits; the key itself is kept nowhere. */
      hash: string;
      uses: number;
      uses_max: number | null;
      created_at_ms: number;
      expires_at_ms: number | null;
      revoked_at_ms: number | null;
    };
    devices: {
      device_id: string;
      host_name: string;
      machine_id: string;
      office: string;
      hosts_json: string;
      seen_host: string;
      port_offset: number;
      ports_json: PortsColumn;
      facts_json: string;
      product_version: string;
      enrolled_at_ms: number;
      last_seen_at_ms: number;
      /** What the machine says that it is: names and values. */
      attributes_json: ColumnType<string, string | undefined, string>;
      shunned_at_ms: ColumnType<number | null, number | null | undefined, number | null>;
      retired_at_ms: ColumnType<number | null, number | null | undefined, number | null>;
    };
    contents: {
      content_id: string;
      name: string;
      version: string;
      type: string;
      size_bytes: number;
      pieces: number;
      files: number;
      files_json: string;
      publisher: string;
      publisher_name: string;
      sha256: string;
      published_at_ms: number;
      published_by: string;
      manifest: Uint8Array;
    };
    offices: {
      name: string;
      /** In the order of entry. */
      position: number;
      parent: string | null;
      type: string;
      time_zone: ColumnType<string | null, string | null | undefined, string | null>;
      details_json: ColumnType<string, string | undefined, string>;
      /** 32 bytes; the offices of a database from before them have none. */
      key: ColumnType<Uint8Array | null, Uint8Array | null | undefined, Uint8Array | null>;
    };
    subnets: { office: string; position: number; text: string };
    deployments: {
      deployment_id: string;
      content_id: string;
      targets_json: string;
      priority: string;
      /** Among those of its priority: lower is served first. */
      place: number;
      not_before_ms: number | null;
      not_after_ms: number | null;
      windows_json: string;
      run_action: number;
      /** What operators have said of it since. */
      directives_json: string;
      /** Rises with everything that operators change of it. */
      revision: ColumnType<number, number | undefined, number>;
      created_at_ms: number;
      finished_at_ms: ColumnType<number | null, number | null | undefined, number | null>;
      cancelled_at_ms: number | null;
    };
    progress: {
      content_id: string;
      device_id: string;
      boot_id: number;
      state: string;
      pieces: number;
      pieces_held: number;
      held_bytes: number;
      base_json: string;
      current_json: string;
      rvp: number;
      problem: string;
      updated_at_ms: number;
      far_json: string;
      office: string;
    };
    ledger: {
      content_id: string;
      office: string;
      wan_bytes: number;
      lan_bytes: number;
      origin_bytes: number;
      devices: number;
    };
    /** What the topology was before each of its last changes. */
    topology_changes: {
      number: number;
      at_ms: number;
      who: string;
      action: string;
      summary_json: string;
      before_json: string;
    };
    origins: {
      /** In the order of entry. */
      position: number;
      kind: string;
      location: string;
    };
    accusations: {
      reporter: string;
      accused: string;
      content_id: string;
      offence: string;
      at_ms: number;
    };
  };

/**
 * The columns by which the rows of each table are told apart. A table comes after those that it
 * refers to: a backup is written and restored in this order.
 */
export const TABLE_KEYS: {
  readonly [T in keyof Tables]: readonly (keyof Tables[T] & string)[];
} = {
  organisation: ["id"],
  security_keys: ["id"],
  devices: ["device_id"],
  contents: ["content_id"],
  offices: ["name"],
  subnets: ["office", "position"],
  topology_changes: ["number"],
  deployments: ["deployment_id"],
  device_groups: ["name"],
  audit: ["epoch", "number"],
  progress: ["content_id", "device_id"],
  progress_packs: ["content_id", "part"],
  ledger: ["content_id", "office"],
  origins: ["location"],
  file_storage: ["storage_id"],
  uploads: ["upload_id"],
  accusations: ["reporter", "accused"],
  profiles: ["name"],
  profile_reports: ["device_id"],
  api_tokens: ["token_id"],
  idempotency_keys: ["key"],
  webhooks: ["webhook_id"],
  webhook_deliveries: ["delivery_id"],
};

/** The steps that bring a database to the schema above; they are only ever added to. */
export const MIGRATIONS: Readonly<Record<string, Migration>> = {
  "0001-first": {
    up: async (database: Kysely<unknown>) => {
      await createOrganisation(database);
      await createDevices(database);
      await createContents(database);
      await createOffices(database);
      await createDeployments(database);
    },
  },
  "0002-tree": {
    up: async (database: Kysely<unknown>) => {
      await extendTables(database);
      await createLedger(database);
      await createOrigins(database);
      await createAccusations(database);
    },
  },
  "0003-api": API_MIGRATION,
  "0004-deployments": DEPLOYMENTS_MIGRATION,
  "0005-batches": {
    up: async ({ schema }: Kysely<unknown>) => {
      await schema
        .alterTable("organisation")
        .addColumn("batch", "bigint", (column) => column.notNull().defaultTo(0))
        .execute();
    },
  },
  "0006-topology": {
    up: async ({ schema }: Kysely<unknown>) => {
      await schema
        .alterTable("offices")
        .addColumn("details_json", "text", (column) => column.notNull().defaultTo("{}"))
        .execute();
      await schema
        .createTable("topology_changes")
        .addColumn("number", "bigint", (column) => column.primaryKey())
        .addColumn("at_ms", "bigint", (column) => column.notNull())
        .addColumn("who", "text", (column) => column.notNull())
        .addColumn("action", "text", (column) => column.notNull())
        .addColumn("summary_json", "text", (column) => column.notNull())
        .addColumn("before_json", "text", (column) => column.notNull())
        .execute();
    },
  },
  "0007-storage": STORAGE_MIGRATION,
  "0008-profiles": PROFILES_MIGRATION,
  "0009-insight": INSIGHT_MIGRATION,
  "0010-revisions": REVISIONS_MIGRATION,
};

async function createOrganisation({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .createTable("organisation")
    .addColumn("id", "integer", (column) => column.primaryKey())
    .addColumn("name", "text", (column) => column.notNull())
    .addColumn("epoch", "bigint", (column) => column.notNull())
    .addColumn("offices_generated", "integer", (column) => column.notNull())
    .execute();
  await schema
    .createTable("security_keys")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("hash", "text", (column) => column.notNull().unique())
    .addColumn("uses", "integer", (column) => column.notNull())
    .addColumn("uses_max", "integer")
    .addColumn("created_at_ms", "bigint", (column) => column.notNull())
    .addColumn("expires_at_ms", "bigint")
    .addColumn("revoked_at_ms", "bigint")
    .execute();
}

async function createDevices({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .createTable("devices")
    .addColumn("device_id", "text", (column) => column.primaryKey())
    .addColumn("host_name", "text", (column) => column.notNull())
    .addColumn("machine_id", "text", (column) => column.notNull())
    .addColumn("office", "text", (column) => column.notNull())
    .addColumn("hosts_json", "text", (column) => column.notNull())
    .addColumn("seen_host", "text", (column) => column.notNull())
    .addColumn("port_offset", "integer", (column) => column.notNull())
    .addColumn("facts_json", "text", (column) => column.notNull())
    .addColumn("product_version", "text", (column) => column.notNull())
    .addColumn("enrolled_at_ms", "bigint", (column) => column.notNull())
    .addColumn("last_seen_at_ms", "bigint", (column) => column.notNull())
    .execute();
}

async function createContents({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .createTable("contents")
    .addColumn("content_id", "text", (column) => column.primaryKey())
    .addColumn("name", "text", (column) => column.notNull())
    .addColumn("version", "text", (column) => column.notNull())
    .addColumn("type", "text", (column) => column.notNull())
    .addColumn("size_bytes", "bigint", (column) => column.notNull())
    .addColumn("pieces", "integer", (column) => column.notNull())
    .addColumn("files", "integer", (column) => column.notNull())
    .addColumn("files_json", "text", (column) => column.notNull())
    .addColumn("publisher", "text", (column) => column.notNull())
    .addColumn("publisher_name", "text", (column) => column.notNull())
    .addColumn("sha256", "text", (column) => column.notNull())
    .addColumn("published_at_ms", "bigint", (column) => column.notNull())
    .addColumn("published_by", "text", (column) => column.notNull())
    .addColumn("manifest", "bytea", (column) => column.notNull())
    .execute();
}

async function createOffices({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .createTable("offices")
    .addColumn("name", "text", (column) => column.primaryKey())
    .addColumn("position", "integer", (column) => column.notNull())
    .addColumn("parent", "text")
    .addColumn("type", "text", (column) => column.notNull())
    .execute();
  await schema
    .createTable("subnets")
    .addColumn("office", "text", (column) =>
      column.notNull().references("offices.name").onDelete("cascade"),
    )
    .addColumn("position", "integer", (column) => column.notNull())
    .addColumn("text", "text", (column) => column.notNull())
    .addPrimaryKeyConstraint("subnets_key", ["office", "position"])
    .execute();
}

async function createDeployments({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .createTable("deployments")
    .addColumn("deployment_id", "text", (column) => column.primaryKey())
    .addColumn("content_id", "text", (column) => column.notNull().references("contents.content_id"))
    .addColumn("targets_json", "text", (column) => column.notNull())
    .addColumn("priority", "text", (column) => column.notNull())
    .addColumn("created_at_ms", "bigint", (column) => column.notNull())
    .addColumn("finished_at_ms", "bigint")
    .execute();
  await schema
    .createTable("progress")
    .addColumn("content_id", "text", (column) => column.notNull().references("contents.content_id"))
    .addColumn("device_id", "text", (column) => column.notNull().references("devices.device_id"))
    .addColumn("boot_id", "bigint", (column) => column.notNull())
    .addColumn("state", "text", (column) => column.notNull())
    .addColumn("pieces", "bigint", (column) => column.notNull())
    .addColumn("pieces_held", "bigint", (column) => column.notNull())
    .addColumn("held_bytes", "bigint", (column) => column.notNull())
    .addColumn("base_json", "text", (column) => column.notNull())
    .addColumn("current_json", "text", (column) => column.notNull())
    .addColumn("rvp", "integer", (column) => column.notNull())
    .addColumn("problem", "text", (column) => column.notNull())
    .addColumn("updated_at_ms", "bigint", (column) => column.notNull())
    .addPrimaryKeyConstraint("progress_key", ["content_id", "device_id"])
    .execute();
}

async function extendTables({ schema }: Kysely<unknown>): Promise<void> {
  // SQLite adds one column at a time.
  await schema.alterTable("devices").addColumn("shunned_at_ms", "bigint").execute();
  await schema.alterTable("devices").addColumn("retired_at_ms", "bigint").execute();
  await schema.alterTable("offices").addColumn("key", "bytea").execute();
  await schema
    .alterTable("progress")
    .addColumn("far_json", "text", (column) => column.notNull().defaultTo("[]"))
    .execute();
  await schema
    .alterTable("progress")
    .addColumn("office", "text", (column) => column.notNull().defaultTo(""))
    .execute();
}

async function createLedger(database: Kysely<unknown>): Promise<void> {
  await database.schema
    .createTable("ledger")
    .addColumn("content_id", "text", (column) => column.notNull().references("contents.content_id"))
    .addColumn("office", "text", (column) => column.notNull())
    .addColumn("wan_bytes", "bigint", (column) => column.notNull())
    .addColumn("lan_bytes", "bigint", (column) => column.notNull())
    .addColumn("origin_bytes", "bigint", (column) => column.notNull())
    .addColumn("devices", "integer", (column) => column.notNull())
    .addPrimaryKeyConstraint("ledger_key", ["content_id", "office"])
    .execute();
  await chargeWhatWasReported(database as Kysely<Tables>);
}

/** Until now bytes were kept by device alone: they are charged to the offices of today. */
async function chargeWhatWasReported(database: Kysely<Tables>): Promise<void> {
  const reported = await database
    .selectFrom("progress")
    .innerJoin("devices", "devices.device_id", "progress.device_id")
    .select(["content_id", "devices.office", "progress.device_id", "base_json", "current_json"])
    .execute();
  const rows = new Map<string, Insertable<Tables["ledger"]>>();
  for (const { content_id, office, device_id, base_json, current_json } of reported) {
    const key = `${content_id} ${office}`;
    const none = { wan_bytes: 0, lan_bytes: 0, origin_bytes: 0, devices: 0 };
    const row = rows.get(key) ?? { content_id, office, ...none };
    for (const text of [base_json, current_json]) {
      const { wanInBytes, lanInBytes } = JSON.parse(text) as Counters;
      row.wan_bytes = add(row.wan_bytes, wanInBytes);
      row.lan_bytes = add(row.lan_bytes, lanInBytes);
    }
    row.devices += 1;
    rows.set(key, row);
    await database
      .updateTable("progress")
      .set({ office })
      .where("content_id", "=", content_id)
      .where("device_id", "=", device_id)
      .execute();
  }
  for (const row of rows.values()) await database.insertInto("ledger").values(row).execute();
}

async function createOrigins({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .createTable("origins")
    .addColumn("location", "text", (column) => column.primaryKey())
    .addColumn("position", "integer", (column) => column.notNull())
    .addColumn("kind", "text", (column) => column.notNull())
    .execute();
}

async function createAccusations({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .createTable("accusations")
    .addColumn("reporter", "text", (column) => column.notNull().references("devices.device_id"))
    .addColumn("accused", "text", (column) => column.notNull().references("devices.device_id"))
    .addColumn("content_id", "text", (column) => column.notNull().references("contents.content_id"))
    .addColumn("offence", "text", (column) => column.notNull())
    .addColumn("at_ms", "bigint", (column) => column.notNull())
    .addPrimaryKeyConstraint("accusations_key", ["reporter", "accused"])
    .execute();
}
