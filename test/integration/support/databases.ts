import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DatabasePlace } from "../../../src/server/database-place.ts";
import { lackOfPostgres, PostgresServer } from "./postgres.ts";

/** The kinds of database, of which the same is wanted, and why one cannot be tried here. */
export const KINDS: readonly {
  readonly kind: DatabasePlace["kind"];
  readonly lack: string | undefined;
}[] = [
  { kind: "sqlite", lack: undefined },
  { kind: "postgres", lack: lackOfPostgres() },
];

/** A folder for databases of SQLite, and a server for those of PostgreSQL where there can be one. */
export class Databases {
  readonly folder: string;
  readonly #server: PostgresServer | undefined;
  #places = 0;

  static async open(): Promise<Databases> {
    const server = lackOfPostgres() === undefined ? await PostgresServer.start() : undefined;
    return new Databases(await mkdtemp(join(tmpdir(), "branchline-database-")), server);
  }

  private constructor(folder: string, server: PostgresServer | undefined) {
    this.folder = folder;
    this.#server = server;
  }

  get postgres(): PostgresServer {
    if (this.#server === undefined) throw new Error(lackOfPostgres());
    return this.#server;
  }

  /** A place at which nothing is. */
  async emptyPlace(kind: DatabasePlace["kind"]): Promise<DatabasePlace> {
    this.#places += 1;
    return kind === "sqlite"
      ? { kind, path: join(this.folder, `${this.#places}.db`) }
      : { kind, url: await this.postgres.createDatabase() };
  }

  async close(): Promise<void> {
    await this.#server?.end();
    await rm(this.folder, { recursive: true });
  }
}
