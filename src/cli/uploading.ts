import { createReadStream } from "node:fs";
import { SERVER_ROUTES } from "../api/server-routes.ts";
import type { UploadView } from "../api/upload-schemas.ts";
import { equalBytes } from "../base/bytes.ts";
import { toHex } from "../base/hex.ts";
import type { ContentId } from "../base/ids.ts";
import type { Manifest } from "../content/manifest.ts";
import { decodeSignedManifest, encodeManifest } from "../content/manifest-codec.ts";
import { signManifest, verifySignedManifest } from "../content/signed-manifest.ts";
import { OperatorError } from "../runtime/operator-error.ts";
import { loadPublisherKey, manifestCrypto, type PublisherKey } from "../runtime/publisher-key.ts";
import { pause } from "./interruption.ts";
import { unreadable } from "./packaging/package-tree.ts";
import { type PackageSource, type ReadPackage, readPackage } from "./packaging/read-package.ts";
import { expectAcceptable } from "./packaging/write-blob.ts";
import type { ServerConnection } from "./parts.ts";
import type { Publication, Published } from "./publishing.ts";

/** How long an upload is tried again while nothing of it comes through, in milliseconds. */
const PATIENCE_MS = 120_000;

/** The pause between two attempts, in milliseconds. */
const PAUSE_MS = 1_000;

/** How many bytes a request brings: at first, at least, and at most. */
const REQUEST_BYTES = { first: 8 * 1024 * 1024, min: 256 * 1024, max: 64 * 1024 * 1024 } as const;

/** A request should take between these times, in milliseconds; the server waits for 60 s. */
const REQUEST_MS = { short: 5_000, long: 20_000 } as const;

/** What is to be uploaded. */
export type Upload = Omit<Publication, "workFolder" | "agentData"> & {
  readonly server: ServerConnection;
};

/**
 * Publishes a package by uploading it into the server's file storage: it is read and signed here, and
 * then sent. An upload that was interrupted, here or there, goes on where it stopped.
 *
 * @throws OperatorError with the code of the step that failed, or `interrupted`.
 */
export async function uploadPackage(upload: Upload): Promise<Published> {
  const { path, name, version, type, server, signal } = upload;
  const key = await loadPublisherKey(upload.keyFile);
  // Whether the server can take it at all is asked before gigabytes are hashed.
  const { configured } = await server(SERVER_ROUTES.showStorage);
  if (!configured) throw notConfigured();
  const { uploads } = await server(SERVER_ROUTES.listUploads);
  const read = await readPackage(path, {
    ...{ name, version, type, signal, publisher: key.key },
    signedAtS: Math.floor(Date.now() / 1_000),
    onBytes: ({ doneBytes, sizeBytes }) => upload.onProgress("Hashing", doneBytes, sizeBytes),
  });
  const made = signManifest(read.manifest, key);
  const begun = uploads.find((one) => isOf(one, read.manifest));
  const earlier = begun && (await signedEarlier(server, begun, { key, manifest: read.manifest }));
  const { contentId, signed } = earlier ?? made;
  expectAcceptable(path, signed);
  await new Sender(upload, read, signed).send();
  const { sizeBytes, pieces } = read.manifest;
  return { contentId, sizeBytes, pieces: pieces.length };
}

function notConfigured(): OperatorError {
  const sentence =
    'The server has no file storage to upload into: configure one first, with "branchline storage set".';
  return new OperatorError("storage-not-configured", sentence);
}

/** Whether an upload may be of this package. */
function isOf(upload: UploadView, { name, version, type, ...manifest }: Manifest): boolean {
  return (
    upload.name === name &&
    upload.version === version &&
    upload.type === type &&
    upload.publisher === toHex(manifest.publisher) &&
    upload.sha256 === toHex(manifest.sha256)
  );
}

/**
 * What was signed when the upload began: the same package signed anew would be another content.
 * The server is not believed: it must be our own signature, of the very same, but for its time.
 */
async function signedEarlier(
  server: ServerConnection,
  { uploadId, contentId }: UploadView,
  { key, manifest }: { readonly key: PublisherKey; readonly manifest: Manifest },
): Promise<{ readonly contentId: ContentId; readonly signed: Uint8Array } | undefined> {
  const shown = await server(SERVER_ROUTES.showUpload, { params: { uploadId } });
  const signed = new Uint8Array(Buffer.from(shown.manifest, "base64"));
  const id = contentId as ContentId;
  const verified = verifySignedManifest(signed, id, [key.key], manifestCrypto);
  if (!verified.ok) return undefined;
  const { signedAtS } = verified.value;
  const decoded = decodeSignedManifest(signed);
  const same =
    decoded.ok && equalBytes(encodeManifest({ ...manifest, signedAtS }), decoded.value.body);
  return same ? { contentId: id, signed } : undefined;
}

/** Brings the bytes of one package, again and again where something breaks off. */
class Sender {
  readonly #upload: Upload;
  readonly #sources: readonly PackageSource[];
  readonly #manifest: string;
  #requestBytes: number = REQUEST_BYTES.first;
  #haveBytes = -1;
  #gotOnAtMs = performance.now();
  /** What went wrong while the package was read here; then nobody else is to blame. */
  #ownFault: unknown;

  constructor(upload: Upload, { sources }: ReadPackage, signed: Uint8Array) {
    this.#upload = upload;
    this.#sources = sources;
    this.#manifest = Buffer.from(signed).toString("base64");
  }

  async send(): Promise<void> {
    for (;;) {
      try {
        return await this.#attempt();
      } catch (error) {
        if (this.#ownFault !== undefined) throw this.#ownFault;
        if (!passes(error) || performance.now() - this.#gotOnAtMs > PATIENCE_MS) throw error;
        this.#requestBytes = Math.max(REQUEST_BYTES.min, this.#requestBytes >> 1);
      }
      await pause(PAUSE_MS, this.#upload.signal);
    }
  }

  async #attempt(): Promise<void> {
    const { server, signal, onProgress } = this.#upload;
    const { upload } = await server(SERVER_ROUTES.beginUpload, {
      body: { manifest: this.#manifest },
    });
    if (upload === undefined) return;
    const { uploadId, sizeBytes } = upload;
    this.#isAt(upload.haveBytes);
    while (this.#haveBytes < sizeBytes) {
      signal.throwIfAborted();
      onProgress("Uploading", this.#haveBytes, sizeBytes);
      await this.#request(uploadId, Math.min(this.#requestBytes, sizeBytes - this.#haveBytes));
    }
    onProgress("Uploading", sizeBytes, sizeBytes);
    await server(SERVER_ROUTES.completeUpload, { params: { uploadId } });
  }

  async #request(uploadId: string, lengthBytes: number): Promise<void> {
    const { server, signal } = this.#upload;
    const began = performance.now();
    const body = this.#read(this.#haveBytes, lengthBytes);
    const query = { offset: this.#haveBytes };
    const view = await server(SERVER_ROUTES.sendBytes, { params: { uploadId }, query, body });
    signal.throwIfAborted();
    const took = performance.now() - began;
    if (took < REQUEST_MS.short)
      this.#requestBytes = Math.min(REQUEST_BYTES.max, 2 * this.#requestBytes);
    if (took > REQUEST_MS.long)
      this.#requestBytes = Math.max(REQUEST_BYTES.min, this.#requestBytes >> 1);
    this.#isAt(view.haveBytes);
  }

  #isAt(haveBytes: number): void {
    if (haveBytes > this.#haveBytes) this.#gotOnAtMs = performance.now();
    this.#haveBytes = haveBytes;
  }

  async *#read(offsetBytes: number, lengthBytes: number): AsyncIterable<Uint8Array> {
    try {
      for await (const part of transfer(this.#sources, offsetBytes, lengthBytes)) {
        this.#upload.signal.throwIfAborted();
        yield part;
      }
    } catch (error) {
      // A request that breaks off throws its error in here as well; that one is not ours.
      if (error instanceof OperatorError) this.#ownFault = error;
      else if (isOfFile(error)) this.#ownFault = unreadable(error.path, error);
      throw error;
    }
  }
}

/** Some bytes of the complete transfer: the files of a package one behind the other. */
async function* transfer(
  sources: readonly PackageSource[],
  offsetBytes: number,
  lengthBytes: number,
): AsyncIterable<Uint8Array> {
  let [skip, left] = [offsetBytes, lengthBytes];
  for (const { source, sizeBytes } of sources) {
    if (left === 0) return;
    const take = Math.min(left, sizeBytes - skip);
    if (take <= 0) {
      skip -= sizeBytes;
      continue;
    }
    let got = 0;
    const stream = createReadStream(source, { start: skip, end: skip + take - 1 });
    for await (const part of stream as AsyncIterable<Uint8Array>) {
      got += part.length;
      yield part;
    }
    if (got < take) throw shorter(source);
    left -= take;
    skip = 0;
  }
}

function isOfFile(error: unknown): error is Error & { readonly path: string } {
  return error instanceof Error && "path" in error && typeof error.path === "string";
}

function shorter(source: string): OperatorError {
  const sentence = `${source} has become shorter since it was read: publish it again.`;
  return new OperatorError("package-changed", sentence);
}

/** Whether trying again may help. */
function passes(error: unknown): boolean {
  return error instanceof OperatorError && PASSING.has(error.code);
}

const PASSING: ReadonlySet<string> = new Set([
  "api-unreachable",
  "control-broken",
  "not-running",
  "database-away",
  "storage-unusable",
  "upload-busy",
  "upload-offset",
  "upload-unknown",
]);
