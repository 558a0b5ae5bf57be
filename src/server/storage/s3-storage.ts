import {
  type BlobName,
  type BlobStorage,
  type ByteRange,
  blobMissing,
  PART_BYTES,
  READ_BYTES_MAX,
  type Writing,
} from "./blob-storage.ts";
import { elementOf, type S3Answer, type S3Requests } from "./s3-requests.ts";

/** Most parts of one upload are 10,000; we plan for fewer, because ours are a little uneven. */
const PARTS_PLANNED = 9_000;

/**
 * A bucket as file storage: a blob is an object, written as a multipart upload, of which nothing is
 * seen before it is complete.
 */
export class S3Storage implements BlobStorage {
  readonly #requests: S3Requests;

  constructor(requests: S3Requests) {
    this.#requests = requests;
  }

  async sizeOf(name: BlobName): Promise<number | undefined> {
    const { status, headers } = await this.#requests.ask({ method: "HEAD", name });
    if (status === 404) return undefined;
    const length = Number(headers["content-length"] ?? Number.NaN);
    if (status === 200 && Number.isSafeInteger(length)) return length;
    throw this.#odd(status);
  }

  async *read(name: BlobName, { offsetBytes, lengthBytes }: ByteRange): AsyncIterable<Uint8Array> {
    if (lengthBytes === 0) {
      if ((await this.sizeOf(name)) === undefined) throw blobMissing(name);
      return;
    }
    const range = `bytes=${offsetBytes}-${offsetBytes + lengthBytes - 1}`;
    const response = await this.#requests.open({ method: "GET", name, headers: { range } });
    try {
      if (response.statusCode === 404) throw blobMissing(name);
      let got = 0;
      for await (const part of response as AsyncIterable<Uint8Array>) {
        got += part.length;
        if (got > lengthBytes) throw this.#requests.unusable("it sends more than was asked for");
        for (let at = 0; at < part.length; at += READ_BYTES_MAX) {
          yield part.subarray(at, at + READ_BYTES_MAX);
        }
      }
      if (got < lengthBytes) throw blobMissing(name);
    } finally {
      response.destroy();
    }
  }

  async begin(name: BlobName, sizeBytes: number): Promise<Writing> {
    const begun = { name, sizeBytes, doneBytes: 0, parts: [] };
    // An upload of no part cannot be completed.
    if (sizeBytes === 0) return { ...begun, mark: "" };
    const { status, text } = await this.#requests.ask({
      ...{ method: "POST", name, query: { uploads: "" } },
    });
    const mark = elementOf(text, "UploadId");
    if (status !== 200 || mark === undefined) throw this.#odd(status);
    return { ...begun, mark };
  }

  async append(writing: Writing, bytes: Uint8Array): Promise<Writing> {
    const { name, mark: uploadId, parts, doneBytes } = writing;
    const query = { partNumber: String(parts.length + 1), uploadId };
    const answer = await this.#requests.ask({ method: "PUT", name, query, body: bytes });
    const { etag } = answer.headers;
    if (answer.status !== 200 || etag === undefined) throw this.#odd(answer.status);
    return { ...writing, doneBytes: doneBytes + bytes.length, parts: [...parts, etag] };
  }

  async isThere({ name, mark: uploadId, sizeBytes }: Writing): Promise<boolean> {
    if (uploadId !== "") {
      const query = { uploadId, "max-parts": "1" };
      const { status } = await this.#requests.ask({ method: "GET", name, query });
      if (status === 200) return true;
      if (status !== 404) throw this.#odd(status);
    }
    // It may have been finished just before a crash.
    return uploadId === "" || (await this.sizeOf(name)) === sizeBytes;
  }

  async finish({ name, mark: uploadId, parts, sizeBytes }: Writing): Promise<void> {
    if (uploadId === "") {
      const put = await this.#requests.ask({ method: "PUT", name, body: new Uint8Array() });
      if (put.status !== 200) throw this.#odd(put.status);
      return;
    }
    const listed = parts.map(
      (etag, index) =>
        `<Part><PartNumber>${index + 1}</PartNumber><ETag>${escaped(etag)}</ETag></Part>`,
    );
    const text = `<CompleteMultipartUpload>${listed.join("")}</CompleteMultipartUpload>`;
    const answer = await this.#requests.ask({
      ...{ method: "POST", name, query: { uploadId }, body: Buffer.from(text) },
    });
    if (isDone(answer)) return;
    // Of a completion whose answer was lost, the upload is gone and the object is there.
    if (answer.status === 404 && (await this.sizeOf(name)) === sizeBytes) return;
    if (answer.status === 404) throw blobMissing(name);
    throw this.#odd(answer.status, elementOf(answer.text, "Code"));
  }

  async abandon({ name, mark: uploadId }: Writing): Promise<void> {
    if (uploadId === "") return;
    const { status } = await this.#requests.ask({ method: "DELETE", name, query: { uploadId } });
    if (status !== 204 && status !== 200 && status !== 404) throw this.#odd(status);
  }

  async remove(name: BlobName): Promise<void> {
    const { status } = await this.#requests.ask({ method: "DELETE", name });
    if (status !== 204 && status !== 200 && status !== 404) throw this.#odd(status);
  }

  partBytes(sizeBytes: number): number {
    return Math.max(PART_BYTES, Math.ceil(sizeBytes / PARTS_PLANNED));
  }

  close(): Promise<void> {
    this.#requests.close();
    return Promise.resolve();
  }

  #odd(status: number, code = ""): Error {
    return this.#requests.unusable(`it answers ${status} ${code}`.trim());
  }
}

/** Whether an upload is complete: an answer may begin well and end as an error. */
function isDone({ status, text }: S3Answer): boolean {
  return status === 200 && !text.includes("<Error>");
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
