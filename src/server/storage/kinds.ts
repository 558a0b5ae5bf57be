import type { FileStorageRow } from "../../coordinator/state.ts";
import type { BlobStorage } from "./blob-storage.ts";
import { DirectoryStorage } from "./directory-storage.ts";

/** A file storage as somebody wants it. */
export type StorageInput = { readonly kind: "directory"; readonly path: string };

/** What is kept of it in the database. */
export type StorageRow = Omit<FileStorageRow, "configuredAtMs">;

/** Parts what may be shown from what may not. */
export function storageOf(
  input: StorageInput,
): Omit<StorageRow, "storageId"> & { readonly secret?: string } {
  return { kind: "directory", location: input.path, details: {} };
}

/** Opens a storage of any kind. @throws OperatorError why that does not go. */
export async function openBlobStorage(
  row: Pick<StorageRow, "kind" | "location" | "details">,
  _secret: string | undefined,
): Promise<BlobStorage> {
  return await DirectoryStorage.open(row.location);
}
