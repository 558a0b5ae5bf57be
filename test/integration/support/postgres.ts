import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { chmod, chown, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";

/** Where Debian has the programs of PostgreSQL, by version. */
const DEBIAN = "/usr/lib/postgresql";

/** The user that the server is asked with, and its password. */
const USER = "branchline";
const PASSWORD = "pass word/with:signs";

/** Why there can be no PostgreSQL server here; `undefined` where there can. */
export function lackOfPostgres(): string | undefined {
  return binaries() === undefined ? "needs PostgreSQL, which is not installed" : undefined;
}

/**
 * A PostgreSQL server of our own, in a temporary folder, on a Unix socket in it.
 *
 * It ends with this process, whatever becomes of that.
 */
export class PostgresServer {
  readonly #folder: string;
  readonly #account: Account;
  #process: ChildProcess | undefined;
  #databases = 0;

  /** Makes a server and starts it. */
  static async start(): Promise<PostgresServer> {
    const folder = await mkdtemp(join(tmpdir(), "bl-pg-"));
    const account = accountOf();
    const words = join(folder, "password");
    await writeFile(words, PASSWORD);
    if (account.uid !== undefined) {
      await chown(folder, account.uid, account.gid ?? account.uid);
      await chmod(words, 0o644);
    }
    const how = ["-U", USER, "-A", "scram-sha-256", "--pwfile", words, "-E", "UTF8", "--no-locale"];
    const initialise = ["-D", join(folder, "data"), ...how, "--no-sync"];
    execFileSync(program("initdb"), initialise, { ...account, cwd: folder, stdio: "pipe" });
    const server = new PostgresServer(folder, account);
    await server.up();
    return server;
  }

  private constructor(folder: string, account: Account) {
    this.#folder = folder;
    this.#account = account;
  }

  /** The address of a database. */
  url(database: string, { user = USER, password = PASSWORD } = {}): string {
    const login = `${encodeURIComponent(user)}:${encodeURIComponent(password)}`;
    return `postgres://${login}@localhost/${database}?host=${encodeURIComponent(this.#folder)}`;
  }

  /** Makes an empty database. Gives its address. */
  async createDatabase(options = ""): Promise<string> {
    this.#databases += 1;
    const name = `organisation_${this.#databases}`;
    await this.query("postgres", `create database ${name} ${options}`);
    return this.url(name);
  }

  /** Has a statement carried out. */
  async query(database: string, statement: string): Promise<readonly unknown[]> {
    const client = new Client({ connectionString: this.url(database) });
    await client.connect();
    try {
      const { rows } = await client.query(statement);
      return rows;
    } finally {
      await client.end();
    }
  }

  /** Starts it, again. */
  async up(): Promise<void> {
    const settings = ["listen_addresses=", `unix_socket_directories=${this.#folder}`, "fsync=off"];
    const args = ["-D", join(this.#folder, "data"), ...settings.flatMap((one) => ["-c", one])];
    // The shell ends the server when our end of its standard input closes.
    const script = '"$@" </dev/null & pid=$!; read -r _; kill -INT $pid; wait $pid';
    this.#process = spawn("/bin/sh", ["-c", script, "sh", program("postgres"), ...args], {
      ...this.#account,
      cwd: this.#folder,
      stdio: ["pipe", "ignore", "ignore"],
    });
    const untilMs = performance.now() + 60_000;
    for (;;) {
      try {
        await this.query("postgres", "select 1");
        return;
      } catch (error) {
        if (performance.now() > untilMs) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }

  /** Stops it: who is connected is thrown out. */
  async down(): Promise<void> {
    const process = this.#process;
    if (process === undefined) return;
    this.#process = undefined;
    const ended = once(process, "close");
    process.stdin?.end();
    await ended;
  }

  /** Stops it, and removes everything. */
  async end(): Promise<void> {
    await this.down();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

type Account = { readonly uid?: number; readonly gid?: number };

/** PostgreSQL does not run as root: root runs it as the user that the package has made. */
function accountOf(): Account {
  if (process.getuid?.() !== 0) return {};
  const idOf = (flag: string): number =>
    Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }));
  return { uid: idOf("-u"), gid: idOf("-g") };
}

function program(name: string): string {
  return join(binaries() ?? "", name);
}

/** The programs of the newest version. */
function binaries(): string | undefined {
  if (!existsSync(DEBIAN)) return undefined;
  const versions = readdirSync(DEBIAN).toSorted((a, b) => Number(b) - Number(a));
  return versions
    .map((version) => join(DEBIAN, version, "bin"))
    .find((folder) => existsSync(join(folder, "initdb")));
}
