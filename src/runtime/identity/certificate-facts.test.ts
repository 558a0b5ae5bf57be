import "reflect-metadata";
import { generateKeyPairSync, type webcrypto, X509Certificate } from "node:crypto";
import {
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  type Extension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { expect, test } from "vitest";
import { parseDeviceId } from "../../base/ids.ts";
import { createAuthority, issueDeviceCertificate } from "./authority.ts";
import { certificateFacts } from "./certificate-facts.ts";
import { ROLE_USAGES, TLS_USAGES } from "./certificate-form.ts";
import { createPrivateKeyPem, createSigningRequest, keyPairOf, SIGNATURE } from "./keys.ts";

const NOW_S = 1_800_000_000;
const ID = "00112233445566778899aabbccddeeff";
const OTHER_ID = "ffeeddccbbaa99887766554433221100";
const ours = await createAuthority("Acme", NOW_S);
const theirs = await createAuthority("Acme", NOW_S);

test("a certificate is ours only beside the authority that signed it", async () => {
  const der = await deviceCertificate();

  expect(certificateFacts(der, ours.certificateDer)).toMatchObject({ facts: { ours: true } });
  expect(certificateFacts(der, theirs.certificateDer)).toMatchObject({ facts: { ours: false } });
  expect(certificateFacts(der, undefined)).toMatchObject({ facts: { ours: false } });
  expect(certificateFacts(der, new Uint8Array(9))).toMatchObject({ facts: { ours: false } });
});

test("a certificate with our authority's name and a false signature is not ours", async () => {
  const der = await deviceCertificate();
  const forged = der.map((byte, at) => (at === der.length - 1 ? byte ^ 1 : byte));

  expect(certificateFacts(forged, ours.certificateDer)).toMatchObject({ facts: { ours: false } });
});

test("a certificate that a device signed with its own is not ours, nor beside that device", async () => {
  const device = await createSigningRequest();
  const deviceDer = await deviceCertificate(device.requestDer);
  const der = await strangeCertificate({
    issuer: new X509Certificate(deviceDer).subject,
    signer: keyPairOf(device.privateKeyPem).privateKey,
    extensions: [uris(`branchline:device/${OTHER_ID}`), usages(ROLE_USAGES.device)],
  });

  expect(certificateFacts(der, ours.certificateDer)).toMatchObject({ facts: { ours: false } });
  expect(certificateFacts(der, deviceDer)).toMatchObject({ facts: { ours: false } });
});

const FORMS: readonly (readonly [string, readonly Extension[]])[] = [
  ["no name", [usages(ROLE_USAGES.device)]],
  ["no key usage", [uris(`branchline:device/${ID}`)]],
  ["a usage of TLS alone", [uris(`branchline:device/${ID}`), usages()]],
  ["the usage of another role", [uris(`branchline:device/${ID}`), usages(ROLE_USAGES.server)]],
  [
    "the usages of two roles",
    [uris(`branchline:device/${ID}`), usages(ROLE_USAGES.device, ROLE_USAGES.server)],
  ],
  [
    "two names",
    [uris(`branchline:device/${ID}`, `branchline:device/${OTHER_ID}`), usages(ROLE_USAGES.device)],
  ],
  [
    "a name with another inside",
    [uris(`branchline:device/${ID}, URI:branchline:server/Acme`), usages(ROLE_USAGES.device)],
  ],
  ["a DNS name", [dnsName(`branchline:device/${ID}`), usages(ROLE_USAGES.device)]],
  ["an id of another form", [uris("branchline:device/laptop"), usages(ROLE_USAGES.device)]],
  ["the authority's name", [uris("branchline:authority/Acme"), usages(ROLE_USAGES.device)]],
  [
    "the right to sign others",
    [
      uris(`branchline:device/${ID}`),
      usages(ROLE_USAGES.device),
      new BasicConstraintsExtension(true, undefined, true),
    ],
  ],
];

test.each(FORMS)("a certificate with %s is malformed", async (_form, extensions) => {
  const der = await strangeCertificate({ extensions });

  expect(certificateFacts(der, ours.certificateDer)).toMatchObject({ kind: "malformed" });
});

test("the same certificate with one name and the usage of its role is well formed", async () => {
  const extensions = [uris(`branchline:device/${ID}`), usages(ROLE_USAGES.device)];
  const der = await strangeCertificate({ extensions });

  expect(certificateFacts(der, ours.certificateDer)).toMatchObject({ kind: "certificate" });
});

test("whatever bytes are shown, there is an answer", async () => {
  const der = await deviceCertificate();
  for (let length = 0; length < der.length; length += 1) {
    expect(certificateFacts(der.subarray(0, length), ours.certificateDer).kind).toBe("malformed");
  }

  for (let index = 0; index < der.length; index += 1) {
    const changed = der.map((byte, at) => (at === index ? byte ^ 0x81 : byte));
    const shown = certificateFacts(changed, ours.certificateDer);
    // Bytes outside of what is signed may change the signature's own encoding at most.
    expect(shown.kind === "certificate" && shown.facts.ours, `byte ${index}`).toBe(false);
  }
});

test("a certificate of another kind of key is somebody else's, whoever is asked", async () => {
  const { privateKey } = generateKeyPairSync("ed25519");
  const der = await strangeCertificate({
    signer: privateKey.toCryptoKey("Ed25519", false, ["sign"]),
    extensions: [uris(`branchline:device/${ID}`), usages(ROLE_USAGES.device)],
  });

  expect(certificateFacts(der, ours.certificateDer)).toMatchObject({ facts: { ours: false } });
});

async function deviceCertificate(requestDer?: Uint8Array): Promise<Uint8Array> {
  const id = parseDeviceId(ID);
  if (id === undefined) throw new Error("not a device id");
  const request = requestDer ?? (await createSigningRequest()).requestDer;
  const issued = await issueDeviceCertificate(ours, request, id, NOW_S);
  if (!issued.ok) throw new Error(issued.error.reason);
  return issued.value.certificateDer;
}

/** A certificate such as we never issue; by default signed by our authority's key. */
async function strangeCertificate(parts: {
  readonly issuer?: string;
  readonly signer?: webcrypto.CryptoKey;
  readonly extensions: readonly Extension[];
}): Promise<Uint8Array> {
  const certificate = await X509CertificateGenerator.create({
    publicKey: keyPairOf(createPrivateKeyPem()).publicKey,
    signingKey: parts.signer ?? keyPairOf(ours.privateKeyPem).privateKey,
    signingAlgorithm: { ...SIGNATURE, name: nameOf(parts.signer) },
    issuer: parts.issuer ?? new X509Certificate(ours.certificateDer).subject,
    subject: "CN=strange",
    notBefore: new Date(NOW_S * 1000),
    notAfter: new Date((NOW_S + 1000) * 1000),
    extensions: [...parts.extensions],
  });
  return new Uint8Array(certificate.rawData);
}

function nameOf(signer: webcrypto.CryptoKey | undefined): string {
  return signer?.algorithm.name ?? SIGNATURE.name;
}

function uris(...texts: string[]): Extension {
  return new SubjectAlternativeNameExtension(texts.map((value) => ({ type: "url", value })));
}

function dnsName(value: string): Extension {
  return new SubjectAlternativeNameExtension([{ type: "dns", value }]);
}

function usages(...roleUsages: string[]): Extension {
  return new ExtendedKeyUsageExtension([...roleUsages, ...TLS_USAGES]);
}
