import { Kysely } from "kysely";
import { Migrator } from "kysely/migration";
import { openingError } from "./database-errors.ts";
import { type DatabasePlace, placeText } from "./database-place.ts";
import { databaseInUse, openPostgres } from "./postgres.ts";
import { MIGRATIONS, type Tables } from "./schema.ts";
import { lockSqlite, openSqlite } from "./sqlite.ts";

/** A database that is open. */
export type Connection = {
  readonly kysely: Kysely<Tables>;
  close(): Promise<void>;
};

/**
 * Opens a database that this process alone may change until it closes it.
 *
 * @throws OperatorError `database-in-use`, and what {@link openingError} says.
 */
export async function openToWrite(place: DatabasePlace): Promise<Connection> {
  return await opened(place, () => {
    if (place.kind === "postgres") return plain(openPostgres(place, { lock: true }));
    const lock = lockSqlite(place.path);
    if (lock === undefined) throw databaseInUse(placeText(place));
    const { kysely } = plain(openSqlite(place.path));
    return {
      kysely,
      close: async () => {
        await kysely.destroy();
        lock.release();
      },
    };
  });
}

/** Opens a database to look at it, whoever else uses it. @throws OperatorError as above. */
export async function openToRead(place: DatabasePlace): Promise<Connection> {
  return await opened(place, () =>
    plain(
      place.kind === "postgres" ? openPostgres(place, { lock: false }) : openSqlite(place.path),
    ),
  );
}

/** Brings the tables up to date, or as far as `last`. @throws OperatorError `database-newer`. */
export async function migrate(
  place: DatabasePlace,
  kysely: Kysely<Tables>,
  last?: string,
): Promise<void> {
  const migrator = new Migrator({
    db: kysely,
    provider: { getMigrations: () => Promise.resolve({ ...MIGRATIONS }) },
  });
  const { error } =
    last === undefined ? await migrator.migrateToLatest() : await migrator.migrateTo(last);
  if (error !== undefined) throw openingError(place, error);
}

/** Whether the tables of Branchline are there. */
export async function hasTables({ introspection }: Kysely<Tables>): Promise<boolean> {
  const tables = await introspection.getTables();
  return tables.some(({ name }) => name === "organisation");
}

/** The names of the steps of the schema that have been taken, in their order. */
export async function appliedMigrations(database: Kysely<Tables>): Promise<readonly string[]> {
  const internal = database as unknown as Kysely<{ kysely_migration: { name: string } }>;
  const rows = await internal.selectFrom("kysely_migration").select("name").execute();
  return rows.map(({ name }) => name).toSorted();
}

function plain(dialect: ConstructorParameters<typeof Kysely>[0]["dialect"]): Connection {
  const kysely = new Kysely<Tables>({ dialect });
  return { kysely, close: () => kysely.destroy() };
}

/** Sees that a first question is answered, so that everything that is wrong is said here. */
async function opened(place: DatabasePlace, open: () => Connection): Promise<Connection> {
  let connection: Connection | undefined;
  try {
    connection = open();
    await connection.kysely.introspection.getTables();
    return connection;
  } catch (cause) {
    await connection?.close();
    throw openingError(place, cause);
  }
}
