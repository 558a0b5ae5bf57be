import "reflect-metadata";
import { execFileSync, spawnSync } from "node:child_process";
import { createPublicKey, generateKeyPairSync, X509Certificate } from "node:crypto";
import { Pkcs10CertificateRequestGenerator } from "@peculiar/x509";
import { expect, test } from "vitest";
import { type DeviceId, parseDeviceId } from "../../base/ids.ts";
import type { CertificateFacts } from "../../effects/handshake.ts";
import {
  createAuthority,
  issueConnectorCertificate,
  issueDeviceCertificate,
  issueServerCertificate,
  REQUEST_BYTES_MAX,
} from "./authority.ts";
import { certificateFacts } from "./certificate-facts.ts";
import { parseSubjectUri, subjectUri } from "./certificate-form.ts";
import { createPrivateKeyPem, createSigningRequest, keyPairOf } from "./keys.ts";

const NOW_S = 1_800_000_000;
const DAY_S = 86_400;
const DEVICE_ID = deviceId("00112233445566778899aabbccddeeff");
const authority = await createAuthority("Acme", NOW_S);
const { privateKeyPem, requestDer } = await createSigningRequest();

test("EN6, EN7: a device's certificate names the id that the server chose, for 30 days and 7 before", async () => {
  const issued = value(await issueDeviceCertificate(authority, requestDer, DEVICE_ID, NOW_S));

  expect(factsOf(issued.certificateDer)).toEqual({
    role: "device",
    id: DEVICE_ID,
    ours: true,
    notBeforeS: NOW_S - 7 * DAY_S,
    notAfterS: NOW_S + 30 * DAY_S,
    serial: issued.serial,
  });
  expect(issued).toMatchObject({
    notBeforeS: NOW_S - 7 * DAY_S,
    notAfterS: NOW_S + 30 * DAY_S,
  });
});

test("a server's certificate names the organisation, and a connector's its id", async () => {
  const server = value(await issueServerCertificate(authority, requestDer, NOW_S));
  const connector = value(await issueConnectorCertificate(authority, requestDer, DEVICE_ID, NOW_S));

  expect(factsOf(server.certificateDer)).toMatchObject({ role: "server", id: "Acme", ours: true });
  expect(factsOf(connector.certificateDer)).toMatchObject({ role: "connector", id: DEVICE_ID });
});

test("an organisation's name may hold any visible character", async () => {
  for (const name of ['Müller & Söhne, "Labs"', "株式会社", "O'Neill/../=x", "100 %", "a b~!*()"]) {
    const other = await createAuthority(name, NOW_S);
    const issued = value(await issueServerCertificate(other, requestDer, NOW_S));
    const shown = certificateFacts(issued.certificateDer, other.certificateDer);
    expect(shown).toMatchObject({ kind: "certificate", facts: { id: name, ours: true } });
  }
});

test("an organisation without a usable name is refused with what to do", async () => {
  for (const name of ["", " Acme", "a\nb", "\ud800", "x".repeat(65), "ü".repeat(33)]) {
    await expect(createAuthority(name, NOW_S)).rejects.toMatchObject({
      code: "organisation-name",
      message: expect.stringContaining("choose another one"),
    });
  }
});

test("the authority's own certificate holds ten years and is nobody's identity", () => {
  const certificate = new X509Certificate(authority.certificateDer);

  expect(certificate.ca).toBe(true);
  expect(certificate.verify(certificate.publicKey)).toBe(true);
  expect(certificate.validToDate.getTime() / 1000 - NOW_S).toBeGreaterThanOrEqual(3_650 * DAY_S);
  expect(certificateFacts(authority.certificateDer, authority.certificateDer)).toMatchObject({
    kind: "malformed",
    reason: expect.stringContaining("authority"),
  });
});

test("the certificate is for the key of the request, which can be proven again to renew", async () => {
  const renewal = await createSigningRequest(privateKeyPem);

  const issued = value(
    await issueDeviceCertificate(authority, renewal.requestDer, DEVICE_ID, NOW_S),
  );

  const { publicKey } = new X509Certificate(issued.certificateDer);
  expect(publicKey.equals(createPublicKey(privateKeyPem))).toBe(true);
  expect(renewal.privateKeyPem).toBe(privateKeyPem);
});

test("serial numbers are positive, have 16 bytes and never come twice", async () => {
  const issued = await Promise.all(
    Array.from({ length: 20 }, () =>
      issueDeviceCertificate(authority, requestDer, DEVICE_ID, NOW_S),
    ),
  );

  const serials = issued.map((result) => value(result).serial);
  expect(serials.every((serial) => /^[4-7][0-9a-f]{31}$/.test(serial))).toBe(true);
  expect(new Set(serials).size).toBe(20);
});

test("EN3: what is no request is refused: garbage, a cut one, an endless one", async () => {
  const garbage = [
    new Uint8Array(),
    new Uint8Array(100),
    new Uint8Array(REQUEST_BYTES_MAX + 1).fill(0x30),
    requestDer.subarray(0, -1),
    authority.certificateDer,
  ];

  for (const bytes of garbage) {
    const result = await issueDeviceCertificate(authority, bytes, DEVICE_ID, NOW_S);
    expect(result).toMatchObject({ ok: false, error: { code: "request-malformed" } });
  }
});

test("EN3: a request that the key's holder did not sign is refused", async () => {
  const own = keyPairOf(createPrivateKeyPem());
  const stolen = await Pkcs10CertificateRequestGenerator.create({
    keys: { publicKey: keyPairOf(privateKeyPem).publicKey, privateKey: own.privateKey },
    signingAlgorithm: { name: "ECDSA", hash: "SHA-256" },
  });

  const result = await issueDeviceCertificate(
    authority,
    new Uint8Array(stolen.rawData),
    DEVICE_ID,
    NOW_S,
  );

  expect(result).toMatchObject({ ok: false, error: { code: "request-not-proven" } });
});

test("no change of a single bit in what a request signs gets a certificate", async () => {
  // `30 LL` or `30 81 LL` around everything, then the same around the part that is signed.
  const from = requestDer[1] === 0x81 ? 3 : 2;
  const to = from + 2 + (requestDer[from + 1] ?? 0);
  const accepted: number[] = [];

  for (let index = 0; index < requestDer.length; index += 1) {
    const changed = requestDer.map((byte, at) => (at === index ? byte ^ 1 : byte));
    const result = await issueDeviceCertificate(authority, changed, DEVICE_ID, NOW_S);
    if (!result.ok) continue;
    accepted.push(index);
    const { publicKey } = new X509Certificate(result.value.certificateDer);
    expect(publicKey.equals(createPublicKey(privateKeyPem)), `byte ${index}`).toBe(true);
  }

  // The parser forgives a wrong length around everything, or another name for the algorithm.
  expect(to - from).toBeGreaterThan(91);
  expect(accepted.filter((index) => index >= from && index < to)).toEqual([]);
});

test("EN3: a request for a key of another kind is refused", async () => {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "secp384r1" });
  const algorithm = { name: "ECDSA", namedCurve: "P-384", hash: "SHA-384" };
  const request = await Pkcs10CertificateRequestGenerator.create({
    keys: {
      privateKey: privateKey.toCryptoKey(algorithm, false, ["sign"]),
      publicKey: publicKey.toCryptoKey(algorithm, true, ["verify"]),
    },
    signingAlgorithm: algorithm,
  });

  const result = await issueDeviceCertificate(
    authority,
    new Uint8Array(request.rawData),
    DEVICE_ID,
    NOW_S,
  );

  expect(result).toMatchObject({ ok: false, error: { code: "request-key-unsuitable" } });
});

test("a name's URI has one spelling only", () => {
  const subjects = [
    { role: "device", id: DEVICE_ID },
    { role: "server", id: "a/b ü%" },
    { role: "authority", id: "(Acme)'s" },
  ] as const;
  const others = [
    "",
    "branchline:device/",
    `branchline:device/${DEVICE_ID.toUpperCase()}`,
    `branchline:device/${DEVICE_ID}/`,
    `branchline:device/${DEVICE_ID}?x`,
    "branchline:device/Acme",
    "branchline:server/%41cme",
    "branchline:server/%c3%bc",
    "branchline:server/%",
    "branchline:server/%FF",
    "branchline:root/Acme",
    "Branchline:server/Acme",
    "https://server/Acme",
  ];

  expect(subjects.map((subject) => parseSubjectUri(subjectUri(subject)))).toEqual(subjects);
  expect(others.map(parseSubjectUri)).toEqual(others.map(() => undefined));
});

const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;

test.skipIf(!hasOpenssl)("OpenSSL's own tool accepts a certificate on both sides", async () => {
  const issued = value(
    await issueDeviceCertificate(authority, requestDer, DEVICE_ID, Math.floor(Date.now() / 1000)),
  );
  const certificate = new X509Certificate(issued.certificateDer);

  const text = execFileSync("openssl", ["x509", "-noout", "-text", "-purpose"], {
    input: certificate.toString(),
    encoding: "utf8",
  });

  expect(text).toContain("SSL client : Yes");
  expect(text).toContain("SSL server : Yes");
  expect(text).toContain("CA:FALSE");
  expect(text).toContain("X509v3 Key Usage: critical");
  expect(text).toContain("2.25.");
});

function factsOf(der: Uint8Array): CertificateFacts {
  const shown = certificateFacts(der, authority.certificateDer);
  if (shown.kind !== "certificate") throw new Error(`no certificate: ${JSON.stringify(shown)}`);
  return shown.facts;
}

function value<T>(result: { ok: true; value: T } | { ok: false; error: unknown }): T {
  if (!result.ok) throw new Error(`refused: ${JSON.stringify(result.error)}`);
  return result.value;
}

function deviceId(text: string): DeviceId {
  const id = parseDeviceId(text);
  if (id === undefined) throw new Error(`not a device id: ${text}`);
  return id;
}
