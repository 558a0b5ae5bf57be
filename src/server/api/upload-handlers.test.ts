import { createHash, randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterEach, beforeEach, expect, test } from "vitest";
import { SERVER_ROUTES } from "../../api/server-routes.ts";
import { MIB } from "../../base/units.ts";
import type { Manifest } from "../../content/manifest.ts";
import { signManifest } from "../../content/signed-manifest.ts";
import type { ApiClient } from "../../runtime/http/client.ts";
import { createControlClient } from "../../runtime/http/control-client.ts";
import {
  loadPublisherKey,
  newPublisherKey,
  type PublisherKey,
} from "../../runtime/publisher-key.ts";
import { PART_BYTES } from "../storage/blob-storage.ts";
import { S3_KEY, TestS3 } from "../storage/test-s3.ts";
import { blobNameOf } from "../storage/uploads.ts";
import { closeFixture } from "./test-fixture.ts";
import { TestServer } from "./test-server.ts";

let folder: string;
let packages: string;
let server: TestServer;
let client: ApiClient;
let key: PublisherKey;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "branchline-api-"));
  packages = join(folder, "packages");
  await mkdir(packages);
  await newPublisherKey(join(folder, "it"));
  key = await loadPublisherKey(join(folder, "it.key"));
  await start();
  await client.call(SERVER_ROUTES.setStorage, { body: { kind: "directory", path: packages } });
});

afterEach(() => closeFixture({ folder, server }));

/** What comes before a request with it is cut off. */
class CutOff extends Error {}

async function start(): Promise<void> {
  server = await TestServer.start(folder);
  server.publishers.push(key);
  client = createControlClient(join(folder, "control.sock"));
}

const TWELVE = randomBytes(12 * MIB + 345);

/** A package of one file, cut into pieces of one size, and signed. */
function packageOf(bytes: Uint8Array, changes: Partial<Manifest> = {}) {
  const pieces = Array.from({ length: Math.ceil(bytes.length / MIB) }, (_, index) => {
    const part = bytes.subarray(index * MIB, (index + 1) * MIB);
    return { offsetBytes: index * MIB, sizeBytes: part.length, sha256: hashOf(part) };
  });
  const file = { path: "tool", sizeBytes: bytes.length, mode: 0o644, sha256: hashOf(bytes) };
  const manifest: Manifest = {
    ...{ name: "tool", version: "1", type: "application", signedAtS: 1_800_000_000 },
    ...{ files: [file], emptyFolders: [], sizeBytes: bytes.length, sha256: hashOf(bytes) },
    ...{ pieces, publisher: key.key, ...changes },
  };
  const { contentId, signed } = signManifest(manifest, key);
  return { contentId, manifest: Buffer.from(signed).toString("base64") };
}

function hashOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(bytes).digest());
}

async function begin(manifest: string) {
  const { upload } = await client.call(SERVER_ROUTES.beginUpload, { body: { manifest } });
  if (upload === undefined) throw new Error("it was there");
  return upload;
}

function send(uploadId: string, offset: number, bytes: Uint8Array) {
  const body = Readable.from([bytes]);
  return client.call(SERVER_ROUTES.sendBytes, { params: { uploadId }, query: { offset }, body });
}

const complete = (uploadId: string) =>
  client.call(SERVER_ROUTES.completeUpload, { params: { uploadId } });
const list = async () => (await client.call(SERVER_ROUTES.listUploads)).uploads;

test("A4: a package is uploaded in parts, published, and lies in the storage", async () => {
  const { contentId, manifest } = packageOf(TWELVE);
  const { uploadId, haveBytes } = await begin(manifest);

  expect(haveBytes).toBe(0);
  const half = await send(uploadId, 0, TWELVE.subarray(0, 5_000_000));
  expect(half.haveBytes).toBe(5_000_000);
  await expect(complete(uploadId)).rejects.toMatchObject({ code: "upload-incomplete" });
  await send(uploadId, 5_000_000, TWELVE.subarray(5_000_000));
  expect(await complete(uploadId)).toEqual({ contentId });

  expect(await readdir(packages)).toEqual([blobNameOf(contentId)]);
  expect(TWELVE.equals(await readFile(join(packages, blobNameOf(contentId))))).toBe(true);
  expect(await list()).toEqual([]);
  const shown = await client.call(SERVER_ROUTES.showContent, { params: { contentId } });
  expect(shown).toMatchObject({ contentId, name: "tool", sizeBytes: TWELVE.length });
  const again = await client.call(SERVER_ROUTES.beginUpload, { body: { manifest } });
  expect(again).toEqual({ contentId, wasThere: true });
  const { rows } = await server.database.audit(1);
  expect(rows).toMatchObject([{ action: "upload-package", subject: contentId }]);
});

test.each(["directory", "s3", "database"] as const)(
  "an upload into %s goes on where the storage was when the server ends without warning",
  async (kind) => {
    const s3 = await TestS3.start();
    const bucket = { endpoint: s3.endpoint, region: "eu-test-1", bucket: "packages", ...S3_KEY };
    const body =
      kind === "s3"
        ? { kind, ...bucket }
        : kind === "directory"
          ? { kind, path: packages }
          : { kind };
    await client.call(SERVER_ROUTES.setStorage, { body });
    const { contentId, manifest } = packageOf(TWELVE);
    const { uploadId } = await begin(manifest);
    await send(uploadId, 0, TWELVE.subarray(0, PART_BYTES + 2 * MIB + 99));

    await server.stop();
    await start();

    const [left] = await list();
    expect(left).toMatchObject({ uploadId, haveBytes: PART_BYTES });
    expect((await begin(manifest)).haveBytes).toBe(PART_BYTES);
    await send(uploadId, PART_BYTES, TWELVE.subarray(PART_BYTES));
    await complete(uploadId);
    const again = await client.call(SERVER_ROUTES.beginUpload, { body: { manifest } });
    expect(again).toEqual({ contentId, wasThere: true });
    const object = s3.objects.get(blobNameOf(contentId));
    const file = join(packages, blobNameOf(contentId));
    if (kind === "s3") expect(object && TWELVE.equals(object)).toBe(true);
    if (kind === "directory") expect(TWELVE.equals(await readFile(file))).toBe(true);
    await s3.stop();
  },
);

test("wrong bytes are refused, and leave nothing behind", async () => {
  const { manifest } = packageOf(TWELVE);
  const { uploadId } = await begin(manifest);
  await send(uploadId, 0, TWELVE.subarray(0, 9 * MIB));

  const wrong = send(uploadId, 9 * MIB, new Uint8Array(MIB));

  await expect(wrong).rejects.toMatchObject({ code: "upload-wrong-bytes" });
  await expect(complete(uploadId)).rejects.toMatchObject({ code: "upload-unknown" });
  expect(await readdir(packages)).toEqual([]);
  expect(await list()).toEqual([]);
});

test("more bytes than the manifest says are refused, and leave nothing behind", async () => {
  const bytes = randomBytes(1_000);
  const { uploadId } = await begin(packageOf(bytes).manifest);

  const more = send(uploadId, 0, Buffer.concat([bytes, Uint8Array.of(1)]));

  await expect(more).rejects.toMatchObject({ code: "upload-too-long" });
  expect(await readdir(packages)).toEqual([]);
});

test.each([
  ["as they came", false],
  ["read back after a restart", true],
])("pieces that do not make up the signed whole are refused: %s", async (_how, restart) => {
  const { manifest } = packageOf(TWELVE, { sha256: new Uint8Array(32) });
  const { uploadId } = await begin(manifest);
  await send(uploadId, 0, TWELVE.subarray(0, 9 * MIB));
  if (restart) {
    await server.stop();
    await start();
  }
  const { haveBytes } = await begin(manifest);
  await send(uploadId, haveBytes, TWELVE.subarray(haveBytes));

  await expect(complete(uploadId)).rejects.toMatchObject({ code: "upload-wrong-bytes" });

  expect(await readdir(packages)).toEqual([]);
  expect((await client.call(SERVER_ROUTES.listContents)).contents).toHaveLength(1);
});

test("two who upload one content share the upload, and cannot spoil it", async () => {
  const { contentId, manifest } = packageOf(TWELVE);
  const [one, other] = await Promise.all([begin(manifest), begin(manifest)]);
  expect(one.uploadId).toBe(other.uploadId);
  let release = (): void => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const slow = async function* () {
    yield TWELVE.subarray(0, MIB);
    await held;
    yield TWELVE.subarray(MIB, 2 * MIB);
  };
  const sending = client.call(SERVER_ROUTES.sendBytes, {
    params: { uploadId: one.uploadId },
    query: { offset: 0 },
    body: slow(),
  });
  while ((await list())[0]?.haveBytes === 0) await new Promise((resolve) => setImmediate(resolve));

  await expect(send(one.uploadId, 0, TWELVE)).rejects.toMatchObject({ code: "upload-busy" });
  release();
  await sending;
  await expect(send(one.uploadId, 0, TWELVE)).rejects.toMatchObject({ code: "upload-offset" });
  await send(one.uploadId, 2 * MIB, TWELVE.subarray(2 * MIB));
  const both = await Promise.allSettled([complete(one.uploadId), complete(one.uploadId)]);

  expect(both.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
  expect(await readdir(packages)).toEqual([blobNameOf(contentId)]);
});

test("a request that breaks off keeps what came", async () => {
  const { manifest } = packageOf(TWELVE);
  const { uploadId } = await begin(manifest);
  const cut = async function* () {
    yield TWELVE.subarray(0, MIB);
    while ((await list())[0]?.haveBytes !== MIB) await new Promise((next) => setImmediate(next));
    throw new CutOff("the line is cut");
  };

  const sending = client.call(SERVER_ROUTES.sendBytes, {
    params: { uploadId },
    query: { offset: 0 },
    body: cut(),
  });

  await expect(sending).rejects.toMatchObject({ code: "control-broken" });
  const rest = async () => {
    try {
      return await send(uploadId, MIB, TWELVE.subarray(MIB));
    } catch (error) {
      // The server may not have noticed yet.
      if ((error as { code?: string }).code !== "upload-busy") throw error;
      return undefined;
    }
  };
  while ((await rest()) === undefined) await new Promise((next) => setImmediate(next));
  await complete(uploadId);
});

test("what nobody goes on with is cleaned up after a time, and an upload can be given up", async () => {
  const { uploadId } = await begin(packageOf(TWELVE).manifest);
  await send(uploadId, 0, TWELVE.subarray(0, 9 * MIB));
  expect(await server.uploads?.expire()).toBe(0);
  server.aheadMs = 1_000_001;
  expect(await server.uploads?.expire()).toBe(1);
  expect(await readdir(packages)).toEqual([]);

  const other = await begin(packageOf(TWELVE).manifest);
  const params = { uploadId: other.uploadId };
  await client.call(SERVER_ROUTES.abandonUpload, { params });

  expect(await list()).toEqual([]);
  expect(await readdir(packages)).toEqual([]);
});

test("a manifest of a stranger, or none at all, is refused", async () => {
  await newPublisherKey(join(folder, "stranger"));
  const own = key;
  key = await loadPublisherKey(join(folder, "stranger.key"));
  const { manifest } = packageOf(TWELVE);
  key = own;

  await expect(begin(manifest)).rejects.toMatchObject({ code: "manifest-refused" });
  await expect(begin("AAAA")).rejects.toMatchObject({ code: "manifest-refused" });
  await expect(begin("..")).rejects.toMatchObject({ code: "request-malformed" });
  expect(await readdir(packages)).toEqual([]);
});

test("without file storage nothing is uploaded; with uploads under way it is not exchanged", async () => {
  const { uploadId } = await begin(packageOf(TWELVE).manifest);
  const elsewhere = join(folder, "elsewhere");
  await mkdir(elsewhere);
  const set = (path: string) =>
    client.call(SERVER_ROUTES.setStorage, { body: { kind: "directory", path } });
  await expect(set(elsewhere)).rejects.toMatchObject({ code: "storage-in-use" });
  await set(packages);
  await client.call(SERVER_ROUTES.abandonUpload, { params: { uploadId } });
  await client.call(SERVER_ROUTES.clearStorage);

  const beginning = begin(packageOf(TWELVE).manifest);

  await expect(beginning).rejects.toMatchObject({ code: "storage-not-configured" });
});

test("an operation that takes bytes takes nothing else, and the others take none", async () => {
  const { uploadId } = await begin(packageOf(TWELVE).manifest);
  const asText = { ...SERVER_ROUTES.sendBytes, bytes: undefined };
  const { bytes: _, ...plain } = asText;
  const text = client.call(plain, {
    params: { uploadId },
    query: { offset: 0 },
    body: { a: 1 } as never,
  });
  await expect(text).rejects.toMatchObject({ code: "media-type-unknown" });
  const bytesTo = { ...SERVER_ROUTES.createToken, bytes: true } as const;
  const asBytes = client.call(bytesTo, { body: Readable.from([Buffer.from("{}")]) as never });
  await expect(asBytes).rejects.toMatchObject({ code: "media-type-unknown" });
});
