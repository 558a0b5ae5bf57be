import { createPrivateKey, X509Certificate } from "node:crypto";
import { OperatorError } from "../operator-error.ts";
import type { Authority } from "./authority.ts";
import { subjectOf } from "./certificate-facts.ts";
import { certificatePem, checkIdentity, type Identity } from "./identity.ts";
import { readSecretFile, writeSecretFile } from "./secret-file.ts";

/**
 * Writes an identity to one PEM file (mode 0600): key, certificate, authority. One file, because
 * a crash between two would leave a key with somebody else's certificate.
 *
 * @throws OperatorError as `checkIdentity` and `writeSecretFile` do.
 */
export async function saveIdentity(path: string, identity: Identity): Promise<void> {
  checkIdentity(identity);
  const certificates = [identity.certificateDer, identity.authorityDer].map(certificatePem);
  await writeSecretFile(path, [identity.privateKeyPem, ...certificates].join(""));
}

/**
 * Reads what `saveIdentity` wrote and checks that its parts belong together.
 *
 * @throws OperatorError `file-missing`, `file-unreadable`, `identity-malformed` or
 * `identity-mismatch`.
 */
export async function loadIdentity(path: string): Promise<Identity> {
  const text = await readSecretFile(path, "enrol this machine first");
  const { privateKeyPem, certificates } = parsePem(path, text, 2);
  const [certificateDer, authorityDer] = certificates;
  if (certificateDer === undefined || authorityDer === undefined) throw malformed(path);
  const identity = { privateKeyPem, certificateDer, authorityDer };
  checkIdentity(identity);
  return identity;
}

/**
 * Writes an authority to one PEM file (mode 0600): key and certificate.
 *
 * @throws OperatorError `file-not-written`.
 */
export async function saveAuthority(path: string, authority: Authority): Promise<void> {
  const certificate = certificatePem(authority.certificateDer);
  await writeSecretFile(path, `${authority.privateKeyPem}${certificate}`);
}

/**
 * Reads what `saveAuthority` wrote and checks that key and certificate belong together.
 *
 * @throws OperatorError `file-missing`, `file-unreadable`, `identity-malformed` or
 * `identity-mismatch`.
 */
export async function loadAuthority(path: string): Promise<Authority> {
  const text = await readSecretFile(path, "set the server up first");
  const { privateKeyPem, certificates } = parsePem(path, text, 1);
  const certificateDer = certificates[0];
  if (certificateDer === undefined) throw malformed(path);
  const subject = subjectOf(new X509Certificate(certificateDer));
  if (subject?.role !== "authority") throw malformed(path);
  // An authority signed itself, so it passes as an identity of its own.
  checkIdentity({ privateKeyPem, certificateDer, authorityDer: certificateDer });
  return { organisation: subject.id, privateKeyPem, certificateDer };
}

type PemParts = {
  readonly privateKeyPem: string;
  readonly certificates: readonly Uint8Array[];
};

const PEM_BLOCK = /-----BEGIN ([A-Z ]+)-----[\s\S]*?-----END \1-----/g;

function parsePem(path: string, text: string, certificateCount: number): PemParts {
  const blocks = [...text.matchAll(PEM_BLOCK)].map((match) => match[0]);
  const keys = blocks.filter((block) => block.startsWith("-----BEGIN PRIVATE KEY-----"));
  const certificates = blocks.filter((block) => block.startsWith("-----BEGIN CERTIFICATE-----"));
  const key = keys[0];
  if (key === undefined || keys.length > 1 || certificates.length !== certificateCount) {
    throw malformed(path);
  }
  try {
    return {
      privateKeyPem: createPrivateKey(key).export({ type: "pkcs8", format: "pem" }).toString(),
      certificates: certificates.map((block) => new Uint8Array(new X509Certificate(block).raw)),
    };
  } catch (cause) {
    throw malformed(path, cause);
  }
}

function malformed(path: string, cause?: unknown): OperatorError {
  return new OperatorError(
    "identity-malformed",
    `${path} does not hold the key and the certificates that it should: put it back from a copy, ` +
      "or remove it and set this machine up again.",
    { cause },
  );
}
