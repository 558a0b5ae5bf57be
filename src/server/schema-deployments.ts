import type { Kysely } from "kysely";
import type { Migration } from "kysely/migration";

/** The tables that came with steering deployments; see `schema.ts` for the rules of all. */
export type DeploymentTables = {
  /** Named sets of devices. */
  device_groups: {
    name: string;
    /** In the order of creation. */
    position: number;
    devices_json: string;
  };
  /** What operators did. Rows are added, and never changed. */
  audit: {
    epoch: number;
    number: number;
    at_ms: number;
    who: string;
    action: string;
    subject: string;
    before_json: string;
    after_json: string;
  };
};

/** Makes them, and gives deployments, offices and devices what steering needs. */
export const DEPLOYMENTS_MIGRATION: Migration = {
  up: async (database: Kysely<unknown>) => {
    await extendTables(database);
    await createGroups(database);
    await createAudit(database);
  },
};

async function extendTables({ schema }: Kysely<unknown>): Promise<void> {
  const deployments = () => schema.alterTable("deployments");
  const none = { directives_json: "[]", windows_json: "[]" };
  await deployments()
    .addColumn("place", "integer", (column) => column.notNull().defaultTo(0))
    .execute();
  await deployments().addColumn("not_before_ms", "bigint").execute();
  await deployments().addColumn("not_after_ms", "bigint").execute();
  for (const [name, empty] of Object.entries(none)) {
    await deployments()
      .addColumn(name, "text", (column) => column.notNull().defaultTo(empty))
      .execute();
  }
  await deployments()
    .addColumn("run_action", "integer", (column) => column.notNull().defaultTo(0))
    .execute();
  await deployments().addColumn("cancelled_at_ms", "bigint").execute();
  await schema.alterTable("offices").addColumn("time_zone", "text").execute();
  await schema
    .alterTable("devices")
    .addColumn("attributes_json", "text", (column) => column.notNull().defaultTo("[]"))
    .execute();
}

async function createGroups({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .createTable("device_groups")
    .addColumn("name", "text", (column) => column.primaryKey())
    .addColumn("position", "integer", (column) => column.notNull())
    .addColumn("devices_json", "text", (column) => column.notNull())
    .execute();
}

async function createAudit({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .createTable("audit")
    .addColumn("epoch", "bigint", (column) => column.notNull())
    .addColumn("number", "integer", (column) => column.notNull())
    .addColumn("at_ms", "bigint", (column) => column.notNull())
    .addColumn("who", "text", (column) => column.notNull())
    .addColumn("action", "text", (column) => column.notNull())
    .addColumn("subject", "text", (column) => column.notNull())
    .addColumn("before_json", "text", (column) => column.notNull())
    .addColumn("after_json", "text", (column) => column.notNull())
    .addPrimaryKeyConstraint("audit_key", ["epoch", "number"])
    .execute();
}
