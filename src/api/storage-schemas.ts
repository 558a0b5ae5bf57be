import { type Static, Type } from "typebox";
import { AtMs } from "./common.ts";
import { exact } from "./route.ts";

/** What a file storage may be (row A4). */
export const StorageKindWord = Type.Enum(["directory", "s3", "database"]);

/** A directory of the server's machine, which is there and holds nothing else. */
export const DirectoryInput = exact({
  kind: Type.Literal("directory"),
  /** Absolute. */
  path: Type.String({ minLength: 1, maxLength: 1_024, pattern: "^[^\\u0000-\\u001f]+$" }),
});

/** An S3-compatible bucket. */
export const BucketInput = exact({
  kind: Type.Literal("s3"),
  /** `https://s3.example`; packages lie there under `/BUCKET/PREFIX/`. */
  endpoint: Type.String({ minLength: 1, maxLength: 512 }),
  region: Type.String({ pattern: "^[a-zA-Z0-9-]{1,64}$" }),
  bucket: Type.String({ pattern: "^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$" }),
  prefix: Type.Optional(Type.String({ pattern: "^[a-zA-Z0-9._/-]{0,200}$" })),
  accessKeyId: Type.String({ pattern: "^[\\x21-\\x7e]{1,128}$" }),
  /** It is never shown again. */
  secretAccessKey: Type.String({ pattern: "^[\\x21-\\x7e]{1,256}$" }),
});

/** A database that holds nothing but packages. */
export const DatabaseInput = exact({
  kind: Type.Literal("database"),
  /** PostgreSQL; its password is never shown again. Absent: a file in the server's data folder. */
  url: Type.Optional(Type.String({ minLength: 1, maxLength: 2_048 })),
});

/** A file storage to be configured. */
export const StorageInput = Type.Union([DirectoryInput, BucketInput, DatabaseInput]);

/** The file storage, without its secrets. */
export const StorageView = exact({
  /** Whether there is one at all: profiles and uploads need it. */
  configured: Type.Boolean(),
  kind: Type.Optional(StorageKindWord),
  /** A path, or an address without a password. */
  location: Type.Optional(Type.String()),
  /** What else was said of it, by name. */
  details: Type.Optional(Type.Record(Type.String(), Type.String())),
  configuredAtMs: Type.Optional(AtMs),
});

/** How a trial of the file storage went. */
export const StorageCheck = exact({
  /** Whether something could be written, read back, read in part, and removed. */
  works: Type.Boolean(),
  /** What is wrong and how to mend it; absent where nothing is. */
  problem: Type.Optional(exact({ code: Type.String(), detail: Type.String() })),
});

export type StorageView = Static<typeof StorageView>;
