import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Destinations } from "../../runtime/http/destination.ts";
import { blobStorageContract, put, read } from "./blob-storage.contract.ts";
import { randomBlobName } from "./blob-storage.ts";
import { checkStorage } from "./check-storage.ts";
import { type S3Place, S3Requests } from "./s3-requests.ts";
import { S3Storage } from "./s3-storage.ts";
import { S3_KEY, TestS3 } from "./test-s3.ts";

let server: TestS3;

beforeEach(async () => {
  server = await TestS3.start();
});

afterEach(() => server.stop());

function open(changes: Partial<S3Place> = {}, allow = ["127.0.0.0/8"]): S3Storage {
  const place = { endpoint: server.endpoint, region: "eu-test-1", bucket: "packages" };
  const whole = { ...place, prefix: "branchline/", ...S3_KEY, ...changes };
  return new S3Storage(new S3Requests(whole, new Destinations(allow, "storage.allow")));
}

blobStorageContract("an S3-compatible bucket", () =>
  Promise.resolve({
    open: () => Promise.resolve(open()),
    isEmpty: () => Promise.resolve(server.objects.size === 0 && server.uploads.size === 0),
  }),
);

describe("a bucket", () => {
  test("has packages under the prefix", async () => {
    const name = await put(open(), Uint8Array.of(1, 2, 3));

    expect([...server.objects.keys()]).toEqual([`branchline/${name}`]);
  });

  test("is asked again where it has a bad moment", async () => {
    const storage = open();
    const name = await put(storage, Uint8Array.of(1, 2, 3));
    server.failures = 2;

    expect(await storage.sizeOf(name)).toBe(3);
    expect(await read(storage, name, 1, 1)).toEqual(Buffer.of(2));
  });

  test("that fails to complete an upload is not believed", async () => {
    const storage = open();
    const writing = await storage.append(await storage.begin(randomBlobName(), 1), Buffer.of(1));
    server.failsCompleting = true;

    await expect(storage.finish(writing)).rejects.toMatchObject({ code: "storage-unusable" });

    server.failsCompleting = false;
    await storage.finish(writing);
    expect(server.objects.size).toBe(1);
  });
});

describe("A4: a bucket is refused, saying why,", () => {
  test.each<[string, Partial<S3Place>, string, RegExp]>([
    ["with a key that it does not know", { accessKeyId: "OTHER" }, "storage-denied", /Invalid/],
    ["with another secret", { secretAccessKey: "other" }, "storage-denied", /SignatureDoesNot/],
    ["that is not there", { bucket: "nowhere" }, "storage-unusable", /404/],
    ["where nobody answers", { endpoint: "http://127.0.0.1:9" }, "storage-unusable", /REFUSED/],
  ])("%s", async (_what, changes, code, sentence) => {
    const checking = checkStorage(open(changes));

    await expect(checking).rejects.toMatchObject({ code });
    await expect(checking).rejects.toThrow(sentence);
    await expect(checking).rejects.not.toThrow(/s3cret/);
    expect(server.objects.size + server.uploads.size).toBe(0);
  });

  test.each([
    ["127.0.0.1", ["public", "private"]],
    ["localhost", ["public", "private"]],
    ["169.254.169.254", ["public", "private"]],
    ["10.0.0.1", ["public"]],
  ])("that lies at %s where the setting allows %j", async (host, allow) => {
    const { port } = new URL(server.endpoint);

    const checking = checkStorage(open({ endpoint: `http://${host}:${port}` }, allow));

    await expect(checking).rejects.toMatchObject({ code: "destination-forbidden" });
    await expect(checking).rejects.toThrow(/storage\.allow/);
  });
});
