import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { type RequestOptions, request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  type Authority,
  createAuthority,
  issueServerCertificate,
} from "../../runtime/identity/authority.ts";
import type { Identity } from "../../runtime/identity/identity.ts";
import { createSigningRequest } from "../../runtime/identity/keys.ts";
import { put } from "./blob-storage.contract.ts";
import type { BlobName } from "./blob-storage.ts";
import { DirectoryStorage } from "./directory-storage.ts";
import { FileStorage } from "./file-storage.ts";
import { Gateway } from "./gateway.ts";
import { readRange } from "./range-header.ts";

const BYTES = randomBytes(3_000_000);

let folder: string;
let configured: boolean;
let gateway: Gateway;
let name: BlobName;
let troubles: unknown[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "branchline-gateway-"));
  configured = true;
  troubles = [];
  const row = { storageId: "s1", kind: "directory", location: folder, details: {} } as const;
  const fileStorage = new FileStorage({
    configured: () => (configured ? { ...row, configuredAtMs: 1 } : undefined),
    secretFile: join(folder, "none"),
    surroundings: { allow: ["127.0.0.0/8"], packagesFile: join(folder, "packages.db") },
  });
  name = await put(await DirectoryStorage.open(folder), BYTES);
  gateway = await Gateway.open({
    ...{ fileStorage, host: "127.0.0.1", port: 0, identity: await serverIdentity() },
    onTrouble: (error) => troubles.push(error),
  });
});

afterEach(async () => {
  await gateway.close();
  await rm(folder, { recursive: true, force: true });
});

async function serverIdentity(): Promise<Identity> {
  const nowS = Math.floor(Date.now() / 1_000);
  const authority: Authority = await createAuthority("Acme", nowS);
  const { requestDer, privateKeyPem } = await createSigningRequest();
  const issued = await issueServerCertificate(authority, requestDer, nowS);
  if (!issued.ok) throw new Error(issued.error.reason);
  const { certificateDer } = issued.value;
  return { privateKeyPem, certificateDer, authorityDer: authority.certificateDer };
}

function ask(path: string, options: RequestOptions = {}) {
  const where = { host: "127.0.0.1", port: gateway.port, rejectUnauthorized: false, path };
  return new Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; body: Buffer }>(
    (resolve, reject) => {
      const asked = request({ ...where, ...options, agent: false }, (response) => {
        const parts: Buffer[] = [];
        response.on("data", (part: Buffer) => parts.push(part));
        response.on("error", reject);
        response.on("end", () => {
          const { statusCode: status = 0, headers } = response;
          resolve({ status, headers, body: Buffer.concat(parts) });
        });
      });
      asked.on("error", reject);
      asked.end();
    },
  );
}

describe("PO9: the gateway", () => {
  test("sends a package whole, and the one range that is asked for", async () => {
    const whole = await ask(`/${name}`);
    expect([whole.status, BYTES.equals(whole.body)]).toEqual([200, true]);

    const part = await ask(`/${name}`, { headers: { range: "bytes=1000-1999999" } });
    expect(part.status).toBe(206);
    expect(part.headers["content-range"]).toBe("bytes 1000-1999999/3000000");
    expect(BYTES.subarray(1_000, 2_000_000).equals(part.body)).toBe(true);
    const head = await ask(`/${name}`, { method: "HEAD" });
    expect([head.status, head.headers["content-length"]]).toEqual([200, "3000000"]);
    expect(gateway.sentBytes).toBe(3_000_000 + 1_999_000);
  });

  test("goes on only where it is still the same package", async () => {
    const { etag } = (await ask(`/${name}`, { method: "HEAD" })).headers;
    const range = { range: "bytes=0-9" };

    const same = await ask(`/${name}`, { headers: { ...range, "if-range": String(etag) } });
    const other = await ask(`/${name}`, { headers: { ...range, "if-range": '"other"' } });

    expect([same.status, other.status]).toEqual([206, 200]);
  });

  test("says where a range has nothing of the package", async () => {
    const beyond = await ask(`/${name}`, { headers: { range: "bytes=3000000-" } });

    expect(beyond.status).toBe(416);
    expect(beyond.headers["content-range"]).toBe("bytes */3000000");
  });

  test.each([
    "/",
    `/${"0".repeat(64)}`,
    "/../../etc/passwd",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/.upload-x",
    "//etc/passwd",
    "/favicon.ico",
  ])("answers %s as it answers everything that is no package", async (path) => {
    const { status, body } = await ask(path);

    expect([status, body.toString()]).toEqual([404, "There is no such package.\n"]);
  });

  test("takes nothing, and has nothing without file storage", async () => {
    expect((await ask(`/${name}`, { method: "PUT" })).status).toBe(405);
    configured = false;
    expect((await ask(`/${name}`)).status).toBe(404);
  });

  test("says so where the storage does not work, and logs why", async () => {
    await rm(folder, { recursive: true });

    expect((await ask(`/${name}`)).status).toBe(503);
    expect(troubles).toMatchObject([{ code: "storage-directory" }]);
  });

  test("goes on after readers that broke off", async () => {
    for (let reader = 0; reader < 20; reader += 1) {
      const where = { host: "127.0.0.1", port: gateway.port, rejectUnauthorized: false };
      await new Promise<void>((resolve) => {
        const asked = request({ ...where, path: `/${name}`, agent: false }, (response) => {
          response.once("data", () => {
            asked.destroy();
            resolve();
          });
        });
        asked.on("error", () => {});
        asked.end();
      });
    }

    expect(BYTES.equals((await ask(`/${name}`)).body)).toBe(true);
    expect(troubles).toEqual([]);
  });
});

test.each([
  [undefined, "whole"],
  ["bytes=0-0", { offsetBytes: 0, lengthBytes: 1 }],
  ["bytes=5-", { offsetBytes: 5, lengthBytes: 95 }],
  ["bytes=-10", { offsetBytes: 90, lengthBytes: 10 }],
  ["bytes=-1000", { offsetBytes: 0, lengthBytes: 100 }],
  ["bytes=90-1000", { offsetBytes: 90, lengthBytes: 10 }],
  ["bytes=100-", "unsatisfiable"],
  ["bytes=-0", "unsatisfiable"],
  ["bytes=5-4", "whole"],
  ["bytes=-", "whole"],
  ["bytes=0-1,5-6", "whole"],
  ["lines=0-1", "whole"],
  ["bytes=0-99999999999999999999", "whole"],
])("PO9: the range %j of 100 bytes", (header, range) => {
  expect(readRange(header, 100)).toEqual(range);
});
