import "reflect-metadata";
import { createPublicKey, randomBytes, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Pkcs10CertificateRequest,
  type PublicKey,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { toHex } from "../../base/hex.ts";
import type { DeviceId } from "../../base/ids.ts";
import { err, ok, type Result } from "../../base/result.ts";
import type { Role } from "../../effects/handshake.ts";
import { OperatorError } from "../operator-error.ts";
import {
  isOrganisation,
  ORGANISATION_BYTES_MAX,
  ROLE_USAGES,
  type Subject,
  subjectUri,
  TLS_USAGES,
} from "./certificate-form.ts";
import { createPrivateKeyPem, keyPairOf, SIGNATURE } from "./keys.ts";

/** The organisation's certificate authority: who holds this decides who belongs to it. */
export type Authority = {
  readonly organisation: string;
  /** PKCS #8. */
  readonly privateKeyPem: string;
  readonly certificateDer: Uint8Array;
};

/** From when to when a certificate holds, both ends included, in seconds since 1970. */
export type Validity = { readonly notBeforeS: number; readonly notAfterS: number };

/** A certificate that the authority signed, and what the server keeps of it. */
export type IssuedCertificate = Validity & {
  readonly certificateDer: Uint8Array;
  /** Lower-case hexadecimal digits. */
  readonly serial: string;
};

/** Why a request for a certificate was refused: the doing of whoever sent it. */
export type RequestRefusal = {
  readonly code: "request-malformed" | "request-key-unsuitable" | "request-not-proven";
  readonly reason: string;
};

/** How long the certificate of a server, device or connector holds, in days. */
export const CERTIFICATE_DAYS = 30;

/** How long the authority's own certificate holds, in days: ten years with their leap days. */
export const AUTHORITY_DAYS = 3_652;

/** How far a certificate reaches into the past, in days, for machines whose clocks are late. */
export const BACKDATED_DAYS = 7;

/** Length of the longest request that is looked at: one for a P-256 key takes some 200 bytes. */
export const REQUEST_BYTES_MAX = 2_048;

const DAY_S = 86_400;
const SERIAL_BYTES = 16;

/**
 * Makes the authority of a new organisation: a key and a certificate that it signed itself.
 *
 * @param privateKeyPem - Its key; by default a new one.
 * @throws OperatorError `organisation-name` where the name cannot stand in a certificate.
 */
export async function createAuthority(
  organisation: string,
  nowS: number,
  privateKeyPem: string = createPrivateKeyPem(),
): Promise<Authority> {
  if (!isOrganisation(organisation)) {
    throw new OperatorError(
      "organisation-name",
      `The organisation's name must have 1 to ${ORGANISATION_BYTES_MAX} bytes and neither spaces ` +
        "around it nor control characters: choose another one.",
    );
  }
  const { privateKey, publicKey } = keyPairOf(privateKeyPem);
  const name = authorityName(await SubjectKeyIdentifierExtension.create(publicKey));
  const certificate = await X509CertificateGenerator.create({
    publicKey,
    signingKey: privateKey,
    signingAlgorithm: SIGNATURE,
    issuer: name,
    subject: name,
    serialNumber: createSerial(),
    ...dates(defaultValidity(nowS, AUTHORITY_DAYS)),
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      nameExtension({ role: "authority", id: organisation }),
      await SubjectKeyIdentifierExtension.create(publicKey),
    ],
  });
  return { organisation, privateKeyPem, certificateDer: new Uint8Array(certificate.rawData) };
}

/** Issues the certificate of the organisation's server for the key in `requestDer`. */
export function issueServerCertificate(
  authority: Authority,
  requestDer: Uint8Array,
  nowS: number,
  validity: Validity = defaultValidity(nowS, CERTIFICATE_DAYS),
): Promise<Result<IssuedCertificate, RequestRefusal>> {
  return issue(authority, requestDer, { role: "server", id: authority.organisation }, validity);
}

/**
 * Issues a device's certificate for the key in `requestDer`, whose holder must have signed the
 * request. What the request says of its holder is ignored: the server chose `deviceId`.
 */
export function issueDeviceCertificate(
  authority: Authority,
  requestDer: Uint8Array,
  deviceId: DeviceId,
  nowS: number,
  validity: Validity = defaultValidity(nowS, CERTIFICATE_DAYS),
): Promise<Result<IssuedCertificate, RequestRefusal>> {
  return issue(authority, requestDer, { role: "device", id: deviceId }, validity);
}

/** Issues the certificate of a connector, as `issueDeviceCertificate` does for a device. */
export function issueConnectorCertificate(
  authority: Authority,
  requestDer: Uint8Array,
  connectorId: DeviceId,
  nowS: number,
  validity: Validity = defaultValidity(nowS, CERTIFICATE_DAYS),
): Promise<Result<IssuedCertificate, RequestRefusal>> {
  return issue(authority, requestDer, { role: "connector", id: connectorId }, validity);
}

/**
 * Issues a certificate for a web server with these host names and addresses. It names no role, so
 * no program of ours takes its holder for a server or a device.
 */
export function issueWebCertificate(
  authority: Authority,
  requestDer: Uint8Array,
  names: readonly string[],
  nowS: number,
): Promise<Result<IssuedCertificate, RequestRefusal>> {
  const holder = {
    commonName: "Branchline API",
    names: new SubjectAlternativeNameExtension(
      names.map((value) => ({ type: isIP(value) === 0 ? "dns" : "ip", value })),
    ),
    usages: [TLS_USAGES[0]],
  };
  return issueTo(authority, requestDer, holder, defaultValidity(nowS, CERTIFICATE_DAYS));
}

function issue(
  authority: Authority,
  requestDer: Uint8Array,
  subject: Subject & { readonly role: Role },
  validity: Validity,
): Promise<Result<IssuedCertificate, RequestRefusal>> {
  const holder = {
    commonName: `Branchline ${subject.role}`,
    names: nameExtension(subject),
    usages: [ROLE_USAGES[subject.role], ...TLS_USAGES],
  };
  return issueTo(authority, requestDer, holder, validity);
}

/** What a certificate says of its holder. */
type Holder = {
  readonly commonName: string;
  readonly names: Extension;
  readonly usages: readonly string[];
};

async function issueTo(
  authority: Authority,
  requestDer: Uint8Array,
  holder: Holder,
  validity: Validity,
): Promise<Result<IssuedCertificate, RequestRefusal>> {
  const proven = await provenKey(requestDer);
  if (!proven.ok) return proven;
  const serial = createSerial();
  const signer = keyPairOf(authority.privateKeyPem);
  const certificate = await X509CertificateGenerator.create({
    publicKey: proven.value,
    signingKey: signer.privateKey,
    signingAlgorithm: SIGNATURE,
    issuer: new X509Certificate(authority.certificateDer).subject,
    subject: [{ CN: [holder.commonName] }],
    serialNumber: serial,
    ...dates(validity),
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      holder.names,
      new ExtendedKeyUsageExtension([...holder.usages]),
      await AuthorityKeyIdentifierExtension.create(signer.publicKey),
    ],
  });
  return ok({ certificateDer: new Uint8Array(certificate.rawData), serial, ...validity });
}

/** The key of a request, once its form, its kind and its holder's signature are checked. */
async function provenKey(requestDer: Uint8Array): Promise<Result<PublicKey, RequestRefusal>> {
  const parsed = parseRequest(requestDer);
  if (parsed === undefined) {
    return refuse("request-malformed", "The request for a certificate cannot be read.");
  }
  if (!isCurveKey(parsed.key)) {
    return refuse(
      "request-key-unsuitable",
      "The request for a certificate is for another key than an ECDSA key on the curve P-256.",
    );
  }
  // Verifying throws where the signature is not even of the key's kind.
  const proven = await parsed.request.verify().catch(() => false);
  if (!proven) {
    return refuse(
      "request-not-proven",
      "The request for a certificate was not signed by the holder of its key.",
    );
  }
  return ok(parsed.key);
}

type ParsedRequest = { readonly request: Pkcs10CertificateRequest; readonly key: PublicKey };

function parseRequest(requestDer: Uint8Array): ParsedRequest | undefined {
  if (requestDer.length > REQUEST_BYTES_MAX) return undefined;
  try {
    const request = new Pkcs10CertificateRequest(requestDer.slice());
    // The key is parsed when it is first asked for, and may turn out to be none.
    return { request, key: request.publicKey };
  } catch {
    // Whatever the parser did not like, the request came from outside and is refused as a whole.
    return undefined;
  }
}

function isCurveKey(key: PublicKey): boolean {
  try {
    const spki = Buffer.from(key.rawData);
    const parsed = createPublicKey({ key: spki, format: "der", type: "spki" });
    return parsed.asymmetricKeyDetails?.namedCurve === "prime256v1";
  } catch {
    // OpenSSL does not know such a key, or its point is not on the curve.
    return false;
  }
}

function refuse(
  code: RequestRefusal["code"],
  reason: string,
): { readonly ok: false; readonly error: RequestRefusal } {
  return err({ code, reason });
}

/**
 * The authority's name holds part of its key's id, so that two authorities never share one. The
 * organisation stands in the alternative name alone, where no character of it needs escaping.
 */
function authorityName(keyId: SubjectKeyIdentifierExtension): string {
  return `CN=Branchline authority ${keyId.keyId.slice(0, 16).toLowerCase()}`;
}

function nameExtension(subject: Subject): Extension {
  return new SubjectAlternativeNameExtension([{ type: "url", value: subjectUri(subject) }]);
}

function defaultValidity(nowS: number, days: number): Validity {
  return { notBeforeS: nowS - BACKDATED_DAYS * DAY_S, notAfterS: nowS + days * DAY_S };
}

function dates(validity: Validity): { readonly notBefore: Date; readonly notAfter: Date } {
  return {
    notBefore: new Date(validity.notBeforeS * 1000),
    notAfter: new Date(validity.notAfterS * 1000),
  };
}

/** A random serial number of 16 bytes that is positive and always as long (RFC 5280, 4.1.2.2). */
function createSerial(): string {
  const bytes = randomBytes(SERIAL_BYTES);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return toHex(bytes);
}
