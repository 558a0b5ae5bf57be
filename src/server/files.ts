import { join } from "node:path";

/** Where a server keeps what is its own. */
export type ServerFiles = {
  /** Made as a whole by `server init`: everything in it belongs together. */
  readonly state: string;
  readonly authority: string;
  readonly identity: string;
  readonly database: string;
  /** The key or password of the file storage; only where one is configured that has any. */
  readonly storageSecret: string;
  /** Packages, where a database in the data folder is the file storage. */
  readonly packages: string;
  readonly controlSocket: string;
};

/** The files of the server with this data folder. */
export function serverFiles(data: string): ServerFiles {
  return {
    ...stateFiles(join(data, "state")),
    storageSecret: join(data, "storage-secret.json"),
    packages: join(data, "packages.db"),
    controlSocket: join(data, "control.sock"),
  };
}

/** The files of a server's state, wherever it lies. */
export function stateFiles(
  state: string,
): Omit<ServerFiles, "controlSocket" | "storageSecret" | "packages"> {
  return {
    state,
    authority: join(state, "authority.pem"),
    identity: join(state, "identity.pem"),
    database: join(state, "server.db"),
  };
}
