import type { FileStorageRow } from "../../coordinator/state.ts";
import { Destinations } from "../../runtime/http/destination.ts";
import { OperatorError } from "../../runtime/operator-error.ts";
import { placeText } from "../database-place.ts";
import type { BlobStorage } from "./blob-storage.ts";
import { DatabaseStorage } from "./database-storage.ts";
import { DirectoryStorage } from "./directory-storage.ts";
import { S3Requests } from "./s3-requests.ts";
import { S3Storage } from "./s3-storage.ts";

/** A file storage as somebody wants it. */
export type StorageInput =
  | { readonly kind: "directory"; readonly path: string }
  | {
      readonly kind: "s3";
      readonly endpoint: string;
      readonly region: string;
      readonly bucket: string;
      readonly prefix?: string;
      readonly accessKeyId: string;
      readonly secretAccessKey: string;
    }
  /** Without a URL: a file of SQLite in the server's data folder. */
  | { readonly kind: "database"; readonly url?: string };

/** What is kept of it in the database. */
export type StorageRow = Omit<FileStorageRow, "configuredAtMs">;

/** What this server adds to what is configured. */
export type StorageSurroundings = {
  /** What the setting `storage.allow` says. */
  readonly allow: readonly string[];
  /** The file for packages in a database of the server's own machine. */
  readonly packagesFile: string;
};

/**
 * Parts what may be shown from what may not.
 *
 * @throws OperatorError `storage-url` where an address is none.
 */
export function storageOf(
  input: StorageInput,
  { packagesFile }: StorageSurroundings,
): Omit<StorageRow, "storageId"> & { readonly secret?: string } {
  switch (input.kind) {
    case "directory":
      return { kind: "directory", location: input.path, details: {} };
    case "s3": {
      const { region, bucket, accessKeyId } = input;
      const endpoint = endpointOf(input.endpoint);
      const prefix = prefixOf(input.prefix ?? "");
      return {
        kind: "s3",
        location: `${endpoint}/${bucket}/${prefix}`,
        details: { endpoint, region, bucket, prefix, accessKeyId },
        secret: input.secretAccessKey,
      };
    }
    case "database": {
      if (input.url === undefined) {
        return { kind: "database", location: packagesFile, details: {} };
      }
      const url = postgresUrl(input.url).href;
      const location = placeText({ kind: "postgres", url });
      return { kind: "database", location, details: { engine: "postgresql" }, secret: url };
    }
  }
}

/** Whether opening it needs what only the secret file has. */
export function needsSecret({ kind, details }: Pick<StorageRow, "kind" | "details">): boolean {
  const { engine } = details;
  return kind === "s3" || (kind === "database" && engine === "postgresql");
}

/** Opens a storage of any kind. @throws OperatorError why that does not go. */
export async function openBlobStorage(
  row: Pick<StorageRow, "kind" | "location" | "details">,
  secret: string | undefined,
  { allow, packagesFile }: StorageSurroundings,
): Promise<BlobStorage> {
  const destinations = new Destinations(allow, "storage.allow");
  switch (row.kind) {
    case "directory":
      return await DirectoryStorage.open(row.location);
    case "s3": {
      const {
        endpoint = "",
        region = "",
        bucket = "",
        prefix = "",
        accessKeyId = "",
      } = row.details;
      const place = { endpoint, region, bucket, prefix, accessKeyId };
      return new S3Storage(
        new S3Requests({ ...place, secretAccessKey: secret ?? "" }, destinations),
      );
    }
    case "database": {
      if (!needsSecret(row)) {
        return await DatabaseStorage.open({ kind: "sqlite", path: packagesFile });
      }
      const url = postgresUrl(secret ?? "");
      await destinations.resolve(url.hostname);
      return await DatabaseStorage.open({ kind: "postgres", url: url.href });
    }
  }
}

function endpointOf(text: string): string {
  const url = URL.parse(text);
  const isWeb = url?.protocol === "https:" || url?.protocol === "http:";
  const bare = url?.pathname === "/" && url.search === "" && url.hash === "";
  if (url !== null && isWeb && bare && url.username === "" && url.password === "") {
    return url.origin;
  }
  throw badUrl("The endpoint of a bucket is an address such as https://s3.example, and no more.");
}

function prefixOf(text: string): string {
  const trimmed = text.replace(/^\/+|\/+$/g, "");
  return trimmed === "" ? "" : `${trimmed}/`;
}

/**
 * Reads the URL of a PostgreSQL database. Of its parameters only `sslmode` is taken: others name files
 * of this machine, or another host.
 */
function postgresUrl(text: string): URL {
  const url = URL.parse(text);
  const isPostgres = url?.protocol === "postgres:" || url?.protocol === "postgresql:";
  const known = [...(url?.searchParams.keys() ?? [])].every((name) => name === "sslmode");
  if (url !== null && isPostgres && url.hostname !== "" && url.pathname.length > 1 && known) {
    return url;
  }
  throw badUrl(
    "A database for packages is named as postgres://USER:PASSWORD@HOST/DATABASE, with no parameter " +
      "but sslmode.",
  );
}

function badUrl(sentence: string): OperatorError {
  return new OperatorError("storage-url", sentence);
}
