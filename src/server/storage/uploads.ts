import { createHash, randomUUID } from "node:crypto";
import { equalBytes } from "../../base/bytes.ts";
import { type ContentId, contentIdOf } from "../../base/ids.ts";
import type { Manifest } from "../../content/manifest.ts";
import { decodeSignedManifest } from "../../content/manifest-codec.ts";
import type { ManifestOutcome } from "../../coordinator/contract.ts";
import { nodeCrypto } from "../../runtime/crypto.ts";
import { RequestRefused } from "../../runtime/http/problem.ts";
import { originName } from "../../swarm/origin-name.ts";
import type { BlobName, BlobStorage, Writing } from "./blob-storage.ts";
import type { FileStorage } from "./file-storage.ts";
import { shownOf, type UploadRow, type UploadRows } from "./upload-rows.ts";
import { UploadSession } from "./upload-session.ts";

/** Most uploads there may be at a time. */
export const UPLOADS_MAX = 64;

/** Most uploads of which bytes are in memory: each may have a part of some megabytes. */
export const SESSIONS_MAX = 8;

/** A manifest that has been found to be a publisher's. */
export type Judged = Extract<ManifestOutcome, { kind: "accepted" }>;

/** What uploads stand on. */
export type UploadsParts = {
  readonly rows: UploadRows;
  readonly fileStorage: FileStorage;
  /** Whether the organisation knows a content already. */
  readonly isPublished: (contentId: ContentId) => boolean;
  /** Whether a publisher whom the server accepts has signed it. */
  readonly judge: (contentId: ContentId, manifest: Uint8Array) => ManifestOutcome;
  readonly wallMs: () => number;
  /** How long an upload is kept to which nothing comes, in milliseconds. */
  readonly keepMs: number;
};

/** Has the organisation know a content whose package lies in the file storage. */
export type Publish = (content: Judged, manifest: Uint8Array) => Promise<void>;

/** How an upload stands. */
export type UploadStanding = UploadRow & { readonly haveBytes: number };

/** An upload whose bytes come now. */
type Live = { readonly session: UploadSession; busy: boolean };

/**
 * Packages on their way into the file storage, under manifests that their publishers signed before.
 * Of one content there is one upload, whoever sends it, and one request at a time brings bytes.
 *
 * What is durable in the storage is in the database too, so that an upload goes on after a crash.
 */
export class Uploads {
  readonly #parts: UploadsParts;
  readonly #rows = new Map<string, UploadRow>();
  /** The last used stands at the end. */
  readonly #live = new Map<string, Live>();
  #turn: Promise<unknown> = Promise.resolve();

  static async open(parts: UploadsParts): Promise<Uploads> {
    const uploads = new Uploads(parts);
    for (const row of await parts.rows.load()) uploads.#rows.set(row.uploadId, row);
    return uploads;
  }

  private constructor(parts: UploadsParts) {
    this.#parts = parts;
  }

  /** How many there are. */
  get count(): number {
    return this.#rows.size;
  }

  /** All uploads, the newest first. */
  list(): readonly UploadStanding[] {
    return [...this.#rows.values()].map((row) => this.#standing(row)).reverse();
  }

  /** One upload and its manifest. @throws RequestRefused `upload-unknown`. */
  async show(
    uploadId: string,
  ): Promise<{ readonly standing: UploadStanding; readonly manifest: Uint8Array }> {
    const row = this.#row(uploadId);
    return { standing: this.#standing(row), manifest: await this.#manifest(row) };
  }

  /**
   * Begins an upload, or finds the one of the same content. Where the storage has the package
   * already, the content is published, and there is no upload.
   *
   * @throws RequestRefused `manifest-refused` or `too-many-uploads`, and as the storage does.
   */
  begin(
    manifest: Uint8Array,
    by: string,
    publish: Publish,
  ): Promise<{ readonly contentId: ContentId; readonly standing?: UploadStanding }> {
    return this.#inTurn(async () => {
      const { contentId, decoded, judged } = this.#judge(manifest);
      const { fileStorage } = this.#parts;
      const storage = await fileStorage.storage();
      const name = blobNameOf(contentId);
      if ((await storage.sizeOf(name)) === decoded.sizeBytes) {
        if (!this.#parts.isPublished(contentId)) await publish(judged, manifest);
        return { contentId };
      }
      const known = [...this.#rows.values()].find((row) => row.contentId === contentId);
      if (known !== undefined) return { contentId, standing: this.#standing(known) };
      if (this.#rows.size >= UPLOADS_MAX) throw tooMany();
      const nowMs = this.#parts.wallMs();
      const row: UploadRow = {
        ...{ uploadId: randomUUID(), contentId, storageId: fileStorage.row?.storageId ?? "" },
        ...shownOf(decoded),
        writing: await storage.begin(name, decoded.sizeBytes),
        ...{ startedBy: by, createdAtMs: nowMs, updatedAtMs: nowMs },
      };
      await this.#parts.rows.add(row, manifest);
      this.#rows.set(row.uploadId, row);
      return { contentId, standing: this.#standing(row) };
    });
  }

  /**
   * Takes the next bytes of an upload, as they come.
   *
   * @throws RequestRefused `upload-unknown`, `upload-busy`, `upload-offset`; what `UploadSession`
   * refuses, after which there is no upload any more; and as the storage does.
   */
  async take(
    uploadId: string,
    offsetBytes: number,
    bytes: AsyncIterable<Uint8Array>,
  ): Promise<UploadStanding> {
    return await this.#use(uploadId, async (session) => {
      if (session.haveBytes !== offsetBytes) throw wrongOffset(session.haveBytes);
      for await (const part of bytes) await this.#feed(uploadId, session, part);
      return this.#standing(this.#row(uploadId));
    });
  }

  /**
   * Ends an upload all of whose bytes have come: the package is in the storage, and published.
   *
   * @throws RequestRefused `upload-incomplete`, `upload-wrong-bytes`, and as `take` does.
   */
  async complete(uploadId: string, publish: Publish): Promise<ContentId> {
    return await this.#use(uploadId, async (session) => {
      const { contentId, writing } = this.#row(uploadId);
      if (!session.isWhole) throw incomplete(session.haveBytes);
      const storage = await this.#parts.fileStorage.storage();
      const manifest = await this.#manifest(this.#row(uploadId));
      const { decoded, judged } = this.#judge(manifest);
      if (session.isRight() === false) throw await this.#spoilt(uploadId);
      await storage.finish(session.writing);
      if (
        session.isRight() === undefined &&
        !(await isWholeRight(storage, writing.name, decoded))
      ) {
        await storage.remove(writing.name);
        throw await this.#spoilt(uploadId);
      }
      await publish(judged, manifest);
      await this.#forget(uploadId);
      return contentId;
    });
  }

  /** Gives an upload up, and removes what came of it. @throws RequestRefused `upload-unknown`. */
  async abandon(uploadId: string): Promise<UploadStanding> {
    const standing = this.#standing(this.#row(uploadId));
    if (this.#live.get(uploadId)?.busy === true) throw busy();
    await this.#drop(standing);
    return standing;
  }

  /** Gives up those to which nothing has come for long. */
  async expire(): Promise<number> {
    const { wallMs, keepMs } = this.#parts;
    const old = [...this.#rows.values()].filter(
      ({ uploadId, updatedAtMs }) =>
        updatedAtMs + keepMs <= wallMs() && this.#live.get(uploadId)?.busy !== true,
    );
    for (const row of old) await this.#drop(row);
    return old.length;
  }

  async #feed(uploadId: string, session: UploadSession, part: Uint8Array): Promise<void> {
    try {
      await session.take(part);
    } catch (error) {
      // What is not the package is of no use to anybody; what the disk refused may go on later.
      if (error instanceof RequestRefused) await this.#drop(this.#row(uploadId));
      else this.#live.delete(uploadId);
      throw error;
    }
  }

  /** Works on an upload, while nobody else does. */
  async #use<T>(uploadId: string, work: (session: UploadSession) => Promise<T>): Promise<T> {
    const live = await this.#inTurn(async () => {
      const found = await this.#liveOf(uploadId);
      found.busy = true;
      return found;
    });
    try {
      return await work(live.session);
    } finally {
      live.busy = false;
    }
  }

  async #liveOf(uploadId: string): Promise<Live> {
    const row = this.#row(uploadId);
    const known = this.#live.get(uploadId);
    if (known?.busy === true) throw busy();
    if (known !== undefined) {
      this.#live.delete(uploadId);
      this.#live.set(uploadId, known);
      return known;
    }
    this.#makeRoom();
    const live = { session: await this.#open(row), busy: false };
    this.#live.set(uploadId, live);
    return live;
  }

  /** What of an upload is in memory only is sent again. */
  #makeRoom(): void {
    if (this.#live.size < SESSIONS_MAX) return;
    for (const [uploadId, live] of this.#live) {
      if (live.busy) continue;
      this.#live.delete(uploadId);
      return;
    }
    throw busy();
  }

  async #open(row: UploadRow): Promise<UploadSession> {
    const { uploadId } = row;
    const { fileStorage, rows, wallMs } = this.#parts;
    const storage = await fileStorage.storage();
    if (fileStorage.row?.storageId !== row.storageId) throw await this.#spoilt(uploadId);
    const decoded = decodeSignedManifest(await this.#manifest(row));
    if (!decoded.ok) throw await this.#spoilt(uploadId);
    const { manifest } = decoded.value;
    const save = async (writing: Writing): Promise<void> => {
      const noted = { ...row, writing, updatedAtMs: wallMs() };
      await rows.update(noted);
      this.#rows.set(uploadId, noted);
    };
    if (await storage.isThere(row.writing)) {
      return new UploadSession({ ...{ storage, manifest, writing: row.writing }, save });
    }
    // What came before is gone, as after a restore: all of it is sent again.
    const writing = await storage.begin(row.writing.name, manifest.sizeBytes);
    await save(writing);
    return new UploadSession({ ...{ storage, manifest, writing }, save });
  }

  /** Removes an upload that is worth nothing; gives what is to be thrown. */
  async #spoilt(uploadId: string): Promise<RequestRefused> {
    const row = this.#rows.get(uploadId);
    if (row !== undefined) await this.#drop(row);
    const detail =
      "What came is not the package that the manifest is of, and has been removed: publish it again.";
    return new RequestRefused(422, "upload-wrong-bytes", detail);
  }

  async #drop(row: UploadRow): Promise<void> {
    await this.#forget(row.uploadId);
    const { fileStorage } = this.#parts;
    if (fileStorage.row?.storageId !== row.storageId) return;
    const storage = await fileStorage.storage();
    await storage.abandon(row.writing);
  }

  async #forget(uploadId: string): Promise<void> {
    this.#live.delete(uploadId);
    await this.#parts.rows.remove(uploadId);
    this.#rows.delete(uploadId);
  }

  #row(uploadId: string): UploadRow {
    const row = this.#rows.get(uploadId);
    if (row !== undefined) return row;
    const detail = "There is no such upload: it is complete, or was given up. Publish it again.";
    throw new RequestRefused(404, "upload-unknown", detail);
  }

  async #manifest(row: UploadRow): Promise<Uint8Array> {
    return (await this.#parts.rows.manifest(row.uploadId)) ?? new Uint8Array();
  }

  #standing(row: UploadRow): UploadStanding {
    const haveBytes = this.#live.get(row.uploadId)?.session.haveBytes ?? row.writing.doneBytes;
    return { ...row, haveBytes };
  }

  #judge(manifest: Uint8Array): {
    readonly contentId: ContentId;
    readonly decoded: Manifest;
    readonly judged: Judged;
  } {
    const decoded = decodeSignedManifest(manifest);
    if (!decoded.ok) throw manifestRefused(decoded.error.problem);
    const contentId = contentIdOf(nodeCrypto.sha256(decoded.value.body));
    if (contentId === undefined) throw manifestRefused("It has no content id.");
    const judged = this.#parts.judge(contentId, manifest);
    if (judged.kind === "refused") throw manifestRefused(judged.reason);
    return { contentId, decoded: decoded.value.manifest, judged };
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work, work);
    this.#turn = done.catch(() => undefined);
    return done;
  }
}

/** The name under which a content lies in the file storage. */
export function blobNameOf(contentId: ContentId): BlobName {
  return originName(nodeCrypto, contentId) as BlobName;
}

/** Reads all of a package back, and compares: where some of it came before a restart. */
async function isWholeRight(
  storage: BlobStorage,
  name: BlobName,
  { sizeBytes, sha256 }: Manifest,
): Promise<boolean> {
  const whole = createHash("sha256");
  const range = { offsetBytes: 0, lengthBytes: sizeBytes };
  for await (const part of storage.read(name, range)) whole.update(part);
  return equalBytes(new Uint8Array(whole.digest()), sha256);
}

function manifestRefused(reason: string): RequestRefused {
  return new RequestRefused(422, "manifest-refused", reason);
}

function busy(): RequestRefused {
  const detail = "Others are bringing bytes of it, or of many packages: ask again in a moment.";
  return new RequestRefused(409, "upload-busy", detail);
}

function wrongOffset(haveBytes: number): RequestRefused {
  const detail = `The next byte to be sent is that at ${haveBytes}.`;
  return new RequestRefused(409, "upload-offset", detail);
}

function incomplete(haveBytes: number): RequestRefused {
  const detail = `Only ${haveBytes} bytes have come: send the rest first.`;
  return new RequestRefused(409, "upload-incomplete", detail);
}

function tooMany(): RequestRefused {
  const detail = `There are ${UPLOADS_MAX} uploads already: end some of them, or give them up.`;
  return new RequestRefused(409, "too-many-uploads", detail);
}
