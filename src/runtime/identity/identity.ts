import { createPrivateKey, X509Certificate } from "node:crypto";
import { OperatorError } from "../operator-error.ts";
import { isIssuedBy } from "./certificate-facts.ts";

/** Who this machine is: its key, its certificate and the authority that issued it. */
export type Identity = {
  /** PKCS #8. */
  readonly privateKeyPem: string;
  readonly certificateDer: Uint8Array;
  readonly authorityDer: Uint8Array;
};

/**
 * Checks that the three parts of an identity belong together.
 *
 * @throws OperatorError `identity-malformed` or `identity-mismatch`.
 */
export function checkIdentity(identity: Identity): void {
  const { certificate, authority, fits } = parse(identity);
  if (!fits) {
    throw new OperatorError(
      "identity-mismatch",
      "The private key does not belong to the certificate: put back both from the same copy, " +
        "or enrol this machine again.",
    );
  }
  if (!isIssuedBy(certificate, authority)) {
    throw new OperatorError(
      "identity-mismatch",
      "The certificate was not issued by the authority beside it: put back both from the same " +
        "copy, or enrol this machine again.",
    );
  }
}

/** Writes a certificate as PEM (RFC 7468), with a line end behind it. */
export function certificatePem(der: Uint8Array): string {
  return new X509Certificate(der).toString();
}

function parse(identity: Identity): {
  readonly certificate: X509Certificate;
  readonly authority: X509Certificate;
  readonly fits: boolean;
} {
  try {
    const certificate = new X509Certificate(identity.certificateDer);
    const authority = new X509Certificate(identity.authorityDer);
    const fits = certificate.checkPrivateKey(createPrivateKey(identity.privateKeyPem));
    return { certificate, authority, fits };
  } catch (cause) {
    throw new OperatorError(
      "identity-malformed",
      "This machine's key or certificate cannot be read: put it back from a copy, or enrol this " +
        "machine again.",
      { cause },
    );
  }
}
