import type { Kysely, Selectable } from "kysely";
import { toHex } from "../../base/hex.ts";
import type { ContentId } from "../../base/ids.ts";
import type { Manifest } from "../../content/manifest.ts";
import { decodeSignedManifest } from "../../content/manifest-codec.ts";
import type { Patience } from "../patience.ts";
import type { Tables } from "../schema.ts";
import type { Writing } from "./blob-storage.ts";

/** An upload as the database has it. */
export type UploadRow = {
  readonly uploadId: string;
  readonly contentId: ContentId;
  /** Of the configuration of the file storage that it is written to. */
  readonly storageId: string;
  readonly name: string;
  readonly version: string;
  readonly type: string;
  readonly publisher: string;
  readonly sha256: string;
  readonly writing: Writing;
  readonly startedBy: string;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
};

/** What the database knows of uploads. */
export class UploadRows {
  readonly #database: Kysely<Tables>;
  readonly #patience: Patience;

  constructor(database: Kysely<Tables>, patience: Patience) {
    this.#database = database;
    this.#patience = patience;
  }

  /** All uploads. */
  async load(): Promise<readonly UploadRow[]> {
    const rows = await this.#patience.until(() =>
      this.#database
        .selectFrom("uploads")
        .select(["upload_id", "content_id", "storage_id", "writing_json", "started_by"])
        .select(["created_at_ms", "updated_at_ms"])
        .orderBy("created_at_ms")
        .execute(),
    );
    const uploads: UploadRow[] = [];
    for (const row of rows) {
      // One after the other: together manifests may be large.
      const manifest = await this.manifest(row.upload_id);
      const decoded = manifest && decodeSignedManifest(manifest);
      if (decoded?.ok === true) uploads.push(rowOf(row, decoded.value.manifest));
    }
    return uploads;
  }

  /** The signed manifest of an upload. */
  async manifest(uploadId: string): Promise<Uint8Array | undefined> {
    const row = await this.#patience.until(() =>
      this.#database
        .selectFrom("uploads")
        .select("manifest")
        .where("upload_id", "=", uploadId)
        .executeTakeFirst(),
    );
    return row && new Uint8Array(row.manifest);
  }

  async add(row: UploadRow, manifest: Uint8Array): Promise<void> {
    await this.#patience.until(() =>
      this.#database
        .insertInto("uploads")
        .values({
          ...{ upload_id: row.uploadId, content_id: row.contentId, storage_id: row.storageId },
          ...{ manifest, size_bytes: row.writing.sizeBytes, done_bytes: row.writing.doneBytes },
          ...{ writing_json: JSON.stringify(row.writing), started_by: row.startedBy },
          ...{ created_at_ms: row.createdAtMs, updated_at_ms: row.updatedAtMs },
        })
        .onConflict((conflict) => conflict.column("upload_id").doNothing())
        .execute(),
    );
  }

  /** Notes down how far an upload is. */
  async update({ uploadId, writing, updatedAtMs }: UploadRow): Promise<void> {
    await this.#patience.until(() =>
      this.#database
        .updateTable("uploads")
        .set({
          done_bytes: writing.doneBytes,
          writing_json: JSON.stringify(writing),
          updated_at_ms: updatedAtMs,
        })
        .where("upload_id", "=", uploadId)
        .execute(),
    );
  }

  async remove(uploadId: string): Promise<void> {
    await this.#patience.until(() =>
      this.#database.deleteFrom("uploads").where("upload_id", "=", uploadId).execute(),
    );
  }
}

/** What a manifest says that is shown of an upload. */
export function shownOf(
  manifest: Manifest,
): Pick<UploadRow, "name" | "version" | "type" | "publisher" | "sha256"> {
  const { name, version, type } = manifest;
  const [publisher, sha256] = [toHex(manifest.publisher), toHex(manifest.sha256)];
  return { name, version, type, publisher, sha256 };
}

type Kept = Omit<Selectable<Tables["uploads"]>, "manifest" | "size_bytes" | "done_bytes">;

function rowOf(row: Kept, manifest: Manifest): UploadRow {
  return {
    ...{ uploadId: row.upload_id, contentId: row.content_id as ContentId },
    storageId: row.storage_id,
    ...shownOf(manifest),
    writing: JSON.parse(row.writing_json) as Writing,
    ...{ startedBy: row.started_by, createdAtMs: row.created_at_ms },
    updatedAtMs: row.updated_at_ms,
  };
}
