import { expect, test } from "vitest";
import { openBlobStorage, storageOf } from "./kinds.ts";

const SURROUNDINGS = { allow: ["public", "private"], packagesFile: "/none/packages.db" };

test.each([
  "https://user:password@s3.example",
  "https://s3.example/path",
  "https://s3.example/?x=1",
  "file:///etc/passwd",
  "s3.example",
])("A4: %s is no endpoint of a bucket", (endpoint) => {
  const key = { accessKeyId: "a", secretAccessKey: "b" };
  const input = { kind: "s3", endpoint, region: "r", bucket: "b", ...key } as const;

  expect(() => storageOf(input, SURROUNDINGS)).toThrow(
    expect.objectContaining({ code: "storage-url" }),
  );
});

test.each([
  "postgres://",
  "postgres:///packages",
  "postgres://db.example",
  "postgres://db.example/",
  "postgres://db.example/packages?host=/var/run/postgresql",
  "postgres://db.example/packages?sslcert=/etc/shadow",
  "mysql://db.example/packages",
  "/etc/passwd",
])("A4: %s is no database for packages", (url) => {
  expect(() => storageOf({ kind: "database", url }, SURROUNDINGS)).toThrow(
    expect.objectContaining({ code: "storage-url" }),
  );
});

test("A4: what is secret is parted from what is shown", () => {
  const url = "postgres://branchline:p%40ss@db.example/packages?sslmode=require";
  const { secret, ...shown } = storageOf({ kind: "database", url }, SURROUNDINGS);

  expect(secret).toBe(url);
  expect(shown).toEqual({
    kind: "database",
    location: "postgres://branchline@db.example/packages?sslmode=require",
    details: { engine: "postgresql" },
  });
});

test("A4: a database where the setting does not allow it is not asked", async () => {
  const url = "postgres://branchline:secret@127.0.0.1/packages";
  const { secret, ...place } = storageOf({ kind: "database", url }, SURROUNDINGS);

  await expect(openBlobStorage(place, secret, SURROUNDINGS)).rejects.toMatchObject({
    code: "destination-forbidden",
    message: expect.stringContaining("storage.allow"),
  });
});
