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

/** A file storage to be configured. */
export const StorageInput = DirectoryInput;

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
