import { PostgresDialect } from "kysely";
import { type ClientBase, Pool, TypeOverrides } from "pg";
import { OperatorError } from "../runtime/operator-error.ts";
import { type DatabasePlace, placeText } from "./database-place.ts";

/** PostgreSQL's numbers of types that come as text because JavaScript might not hold them. */
const BIGINT = 20;
const NUMERIC = 1700;

/** What the lock of a server is called: "branchli", and the first of its kind. */
const LOCK = [0x6272616e, 0x63686c69] as const;

/** How long to wait for PostgreSQL to see that a predecessor has gone, in milliseconds. */
const LOCK_WAIT_MS = 5_000;
const LOCK_LOOK_MS = 100;

/** How long it may take until a connection stands, in milliseconds. */
const CONNECT_MS = 10_000;

/** After how long without an answer a connection counts as broken, in milliseconds. */
const QUERY_MS = 60_000;

/** The oldest PostgreSQL that is still looked after, as it numbers itself. */
const VERSION_MIN = 130_000;

/**
 * Opens a PostgreSQL database for Kysely.
 *
 * With `lock` there is one connection, which holds a lock as long as it lives: who has lost it can
 * neither read nor write before it has it again, and no two servers ever write side by side.
 */
export function openPostgres(
  place: Extract<DatabasePlace, { kind: "postgres" }>,
  { lock }: { readonly lock: boolean },
): PostgresDialect {
  const types = new TypeOverrides();
  types.setTypeParser(BIGINT, Number);
  types.setTypeParser(NUMERIC, Number);
  const pool = new Pool({
    connectionString: place.url,
    application_name: "branchline",
    types,
    max: 1,
    // The connection is the lock: it stays.
    idleTimeoutMillis: 0,
    connectionTimeoutMillis: CONNECT_MS,
    keepAlive: true,
    query_timeout: QUERY_MS,
    // Its type says that nobody waits for it, but the pool does.
    onConnect: (client) => prepare(client, place, lock),
  });
  // A connection that breaks while nobody uses it is replaced at the next use, which says why not.
  pool.on("error", () => {});
  return new PostgresDialect({ pool });
}

async function prepare(client: ClientBase, place: DatabasePlace, lock: boolean): Promise<void> {
  // A machine that lost its power says no goodbye: without these its lock would last for hours.
  await client.query(
    "set tcp_keepalives_idle = 20; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 4",
  );
  // What has been confirmed survives a loss of power, whatever the database is set to.
  await client.query("set synchronous_commit = on");
  await judgeServer(client, place);
  if (lock) await takeLock(client, place);
}

async function judgeServer(client: ClientBase, place: DatabasePlace): Promise<void> {
  const { rows } = await client.query<{ version: string; encoding: string }>(
    "select current_setting('server_version_num') as version, " +
      "current_setting('server_encoding') as encoding",
  );
  const { version = "", encoding = "" } = rows[0] ?? {};
  if (Number(version) < VERSION_MIN) {
    const sentence = `${placeText(place)} is on a PostgreSQL before 13: update it.`;
    throw new OperatorError("database-unsuitable", sentence);
  }
  if (encoding === "UTF8") return;
  const mend = 'make one with "createdb --encoding UTF8 --template template0"';
  const sentence = `${placeText(place)} has the encoding ${encoding}, and not UTF8: ${mend}.`;
  throw new OperatorError("database-unsuitable", sentence);
}

async function takeLock(client: ClientBase, place: DatabasePlace): Promise<void> {
  const untilMs = performance.now() + LOCK_WAIT_MS;
  while (!(await tryLock(client))) {
    if (performance.now() > untilMs) throw await inUse(client, place);
    await new Promise((resolve) => setTimeout(resolve, LOCK_LOOK_MS));
  }
}

async function tryLock(client: ClientBase): Promise<boolean> {
  const { rows } = await client.query<{ locked: boolean }>(
    "select pg_try_advisory_lock($1, $2) as locked",
    [...LOCK],
  );
  return rows[0]?.locked === true;
}

/** Says who has it, as far as PostgreSQL lets us see. */
async function inUse(client: ClientBase, place: DatabasePlace): Promise<OperatorError> {
  const { rows } = await client.query<{ host: string | null }>(
    "select host(client_addr) as host from pg_stat_activity join pg_locks using (pid) " +
      "where locktype = 'advisory' and classid = $1 and objid = $2 and granted",
    [...LOCK],
  );
  const host = rows[0]?.host ?? null;
  const where = host === null ? "" : ` on ${host}`;
  return databaseInUse(placeText(place), where);
}

/** That another server, or a restore, has the database. */
export function databaseInUse(shown: string, where = ""): OperatorError {
  const mend = "one organisation has one server: end the other one first";
  const sentence = `The database ${shown} is in use by another process${where}: ${mend}.`;
  return new OperatorError("database-in-use", sentence);
}
