import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Origins } from "../../src/agent/origin/origins.ts";
import type { OriginInput } from "../../src/effects/origin.ts";
import {
  type Authority,
  createAuthority,
  issueDeviceCertificate,
  issueServerCertificate,
  issueWebCertificate,
} from "../../src/runtime/identity/authority.ts";
import { certificatePem } from "../../src/runtime/identity/identity.ts";
import { createSigningRequest } from "../../src/runtime/identity/keys.ts";

const NOW_S = Math.floor(Date.now() / 1_000);
const PACKAGE = Buffer.from("the package");

let authority: Authority;
let server: Server | undefined;

beforeEach(async () => {
  authority = await createAuthority("Acme", NOW_S);
});

afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

const DEVICE = "d1".repeat(16) as Parameters<typeof issueDeviceCertificate>[2];

/** Who says that it is the server, and whether a device believes it. */
const CLAIMANTS = [
  [
    "the organisation's server",
    true,
    (request) => issueServerCertificate(authority, request, NOW_S),
  ],
  ["a device", false, (request) => issueDeviceCertificate(authority, request, DEVICE, NOW_S)],
  [
    "a web server of the organisation",
    false,
    (request) => issueWebCertificate(authority, request, ["127.0.0.1"], NOW_S),
  ],
  [
    "another organisation's server",
    false,
    async (request) => issueServerCertificate(await createAuthority("Acme", NOW_S), request, NOW_S),
  ],
] as const satisfies readonly (readonly [
  string,
  boolean,
  (request: Uint8Array) => ReturnType<typeof issueServerCertificate>,
])[];

test.each(CLAIMANTS)("PO8: a device takes packages from %s: %s", async (_who, believed, issue) => {
  const port = await serve(issue);
  const answered = Promise.withResolvers<OriginInput>();
  const origins = new Origins({
    server: { host: "127.0.0.1", authorityDer: authority.certificateDer, organisation: "Acme" },
    onInput: answered.resolve,
  });

  const range = { offsetBytes: 4, lengthBytes: 7, totalBytes: PACKAGE.length };
  origins.fetchRange(1, { location: `gateway:${port}`, name: "ab".repeat(32), ...range });
  const answer = await answered.promise;
  origins.close();

  if (believed) {
    expect(answer).toEqual({
      ...{ kind: "range-fetched", ticket: 1 },
      bytes: new Uint8Array(Buffer.from("package")),
    });
  } else {
    expect(answer).toMatchObject({ kind: "range-failed", fault: "unreachable" });
  }
});

test.each(["gateway:0", "gateway:70000", "gateway:", "gateway:80/x", "gateway:a"])(
  "PO7: %s is no place of packages",
  async (location) => {
    const answered = Promise.withResolvers<OriginInput>();
    const origins = new Origins({
      server: { host: "127.0.0.1", authorityDer: authority.certificateDer, organisation: "Acme" },
      onInput: answered.resolve,
    });

    const range = { offsetBytes: 0, lengthBytes: 1, totalBytes: 1 };
    origins.fetchRange(1, { location, name: "ab".repeat(32), ...range });

    expect(await answered.promise).toMatchObject({ fault: "unreachable" });
    origins.close();
  },
);

/** Serves the package with a certificate that somebody was issued. */
async function serve(
  issue: (request: Uint8Array) => ReturnType<typeof issueServerCertificate>,
): Promise<number> {
  const { requestDer, privateKeyPem } = await createSigningRequest();
  const issued = await issue(requestDer);
  if (!issued.ok) throw new Error(issued.error.reason);
  const cert = certificatePem(issued.value.certificateDer);
  server = createServer({ key: privateKeyPem, cert }, (_, response) => {
    response.writeHead(206, { "content-range": `bytes 4-10/${PACKAGE.length}` });
    response.end(PACKAGE.subarray(4));
  });
  await new Promise<void>((resolve) => server?.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}
