import { mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { SERVER_ROUTES } from "../../api/server-routes.ts";
import type { ApiClient } from "../../runtime/http/client.ts";
import { createControlClient } from "../../runtime/http/control-client.ts";
import { entityTag } from "../../runtime/http/entity-tag.ts";
import { S3_KEY, TestS3 } from "../storage/test-s3.ts";
import { closeFixture, openFixture } from "./test-fixture.ts";
import { TestServer } from "./test-server.ts";

let folder: string;
let packages: string;
let server: TestServer;
let client: ApiClient;

beforeEach(async () => {
  ({ folder, server, client } = await openFixture());
  packages = join(folder, "packages");
  await mkdir(packages);
});

afterEach(() => closeFixture({ folder, server }));

const set = (path: string, ifMatch?: string) =>
  client.call(SERVER_ROUTES.setStorage, {
    body: { kind: "directory", path },
    ...(ifMatch === undefined ? {} : { ifMatch }),
  });
const show = () => client.call(SERVER_ROUTES.showStorage);

test("A4: a directory is configured, outlives the server, is cleared, and is in the audit", async () => {
  expect(await show()).toEqual({ configured: false });

  const view = await set(packages);

  expect(view).toMatchObject({ configured: true, kind: "directory", location: packages });
  await server.stop();
  server = await TestServer.start(folder);
  client = createControlClient(join(folder, "control.sock"));
  expect(await show()).toEqual(view);
  expect(await client.call(SERVER_ROUTES.checkStorage)).toEqual({ works: true });
  expect(await client.call(SERVER_ROUTES.clearStorage)).toEqual({ configured: false });
  const { rows } = await server.database.audit(2);
  expect(rows.map(({ action, subject }) => [action, subject])).toEqual([
    ["clear-file-storage", packages],
    ["set-file-storage", packages],
  ]);
  expect(await readdir(packages)).toEqual([]);
});

test("A4: what does not work is not configured, and what was stays", async () => {
  const before = await set(packages);

  await expect(set(join(folder, "missing"))).rejects.toMatchObject({ code: "storage-directory" });
  await expect(set(folder)).rejects.toMatchObject({ code: "storage-directory" });
  await expect(set("relative")).rejects.toMatchObject({ code: "storage-directory" });

  expect(await show()).toEqual(before);
});

test("A4: a storage that breaks later is told so, and works when it is back", async () => {
  await set(packages);
  await rm(packages, { recursive: true });

  const broken = await client.call(SERVER_ROUTES.checkStorage);
  await mkdir(packages);
  const mended = await client.call(SERVER_ROUTES.checkStorage);

  expect(broken).toMatchObject({ works: false, problem: { code: "storage-directory" } });
  expect(mended).toEqual({ works: true });
});

test("A4: nothing to clear or to check is said, and a change meanwhile is heeded", async () => {
  const unset = { code: "storage-not-configured" };
  await expect(client.call(SERVER_ROUTES.clearStorage)).rejects.toMatchObject(unset);
  await expect(client.call(SERVER_ROUTES.checkStorage)).rejects.toMatchObject(unset);
  const tag = entityTag(await show());
  await set(packages, tag);

  await expect(set(packages, tag)).rejects.toMatchObject({ code: "changed-meanwhile" });
});

test("A4: the key of a bucket is never shown again, and can be exchanged", async () => {
  const s3 = await TestS3.start();
  const secretFile = join(folder, "storage-secret.json");
  const bucket = { endpoint: s3.endpoint, region: "eu-test-1", bucket: "packages" };
  const setBucket = (key: Partial<typeof S3_KEY> | { readonly secretAccessKey: string }) =>
    client.call(SERVER_ROUTES.setStorage, { body: { kind: "s3", ...bucket, ...S3_KEY, ...key } });

  const view = await setBucket({});

  expect(view).toMatchObject({
    kind: "s3",
    location: `${s3.endpoint}/packages/`,
    details: { ...bucket, accessKeyId: S3_KEY.accessKeyId },
  });
  expect((await stat(secretFile)).mode & 0o777).toBe(0o600);
  expect(await readFile(secretFile, "utf8")).toContain(S3_KEY.secretAccessKey);
  await expect(setBucket({ secretAccessKey: "wrong" })).rejects.toMatchObject({
    code: "storage-denied",
  });
  expect(await readFile(secretFile, "utf8")).not.toContain("wrong");
  await server.stop();
  server = await TestServer.start(folder);
  client = createControlClient(join(folder, "control.sock"));
  expect(await client.call(SERVER_ROUTES.checkStorage)).toEqual({ works: true });
  const { rows } = await server.database.audit(10);
  expect(JSON.stringify([await show(), rows])).not.toContain(S3_KEY.secretAccessKey);
  await rm(secretFile);
  await server.stop();
  server = await TestServer.start(folder);
  client = createControlClient(join(folder, "control.sock"));
  expect(await client.call(SERVER_ROUTES.checkStorage)).toMatchObject({
    problem: { code: "storage-secret-missing" },
  });
  await setBucket({});
  expect(await client.call(SERVER_ROUTES.checkStorage)).toEqual({ works: true });
  await client.call(SERVER_ROUTES.clearStorage);
  await expect(stat(secretFile)).rejects.toMatchObject({ code: "ENOENT" });
  await s3.stop();
});

test("A4: with external storage off, packages lie in a database of their own", async () => {
  const body = { kind: "database" } as const;

  const view = await client.call(SERVER_ROUTES.setStorage, { body });

  expect(view).toMatchObject({ kind: "database", location: join(folder, "packages.db") });
  expect(await client.call(SERVER_ROUTES.checkStorage)).toEqual({ works: true });
});
