import { X509Certificate } from "node:crypto";
import type { Role, ShownCertificate } from "../../effects/handshake.ts";
import { parseSubjectUri, ROLE_USAGES, type Subject } from "./certificate-form.ts";

/**
 * What a certificate says of its holder, and whether our authority signed it.
 *
 * Total: whatever a peer may have sent becomes a value. The URI and the extended key usage must
 * name the same role, and an authority's certificate is never a holder's.
 *
 * @param der - The certificate that was shown.
 * @param authorityDer - Our authority's certificate; without it no certificate is ours.
 */
export function certificateFacts(
  der: Uint8Array,
  authorityDer: Uint8Array | undefined,
): ShownCertificate {
  try {
    return factsOf(new X509Certificate(der), authorityDer);
  } catch {
    return malformed("it is not an X.509 certificate that can be read");
  }
}

/** What names the holder of a certificate: its only alternative name, if it is one of ours. */
export function subjectOf(certificate: X509Certificate): Subject | undefined {
  // OpenSSL quotes a name that holds an apostrophe or the like, and joins several by commas.
  const match = /^URI:("?)(branchline:[^",\\]+)\1$/.exec(certificate.subjectAltName ?? "");
  return match?.[2] === undefined ? undefined : parseSubjectUri(match[2]);
}

/** Whether `authority` may sign certificates and did sign this one. */
export function isIssuedBy(certificate: X509Certificate, authority: X509Certificate): boolean {
  return (
    authority.ca && certificate.checkIssued(authority) && certificate.verify(authority.publicKey)
  );
}

function factsOf(
  certificate: X509Certificate,
  authorityDer: Uint8Array | undefined,
): ShownCertificate {
  const subject = subjectOf(certificate);
  if (certificate.ca || subject?.role === "authority") {
    return malformed("it is the certificate of an authority and not of a device or server");
  }
  if (subject === undefined) return malformed("it names no device and no server");
  if (usageRole(certificate) !== subject.role) {
    return malformed("its name and its key usage contradict each other");
  }
  const notBeforeS = certificate.validFromDate.getTime() / 1000;
  const notAfterS = certificate.validToDate.getTime() / 1000;
  if (!Number.isFinite(notBeforeS) || !Number.isFinite(notAfterS)) {
    return malformed("its dates cannot be read");
  }
  return {
    kind: "certificate",
    facts: {
      role: subject.role,
      id: subject.id,
      ours: authorityDer !== undefined && isSignedBy(certificate, authorityDer),
      notBeforeS,
      notAfterS,
      serial: certificate.serialNumber.toLowerCase(),
    },
  };
}

function isSignedBy(certificate: X509Certificate, authorityDer: Uint8Array): boolean {
  try {
    return isIssuedBy(certificate, new X509Certificate(authorityDer));
  } catch {
    // A key of another kind than the signature's: somebody else signed it.
    return false;
  }
}

/** The role that the key usages name; `undefined` where they name none or several. */
function usageRole(certificate: X509Certificate): Role | undefined {
  const usages = certificate.keyUsage ?? [];
  const named = (Object.keys(ROLE_USAGES) as Role[]).filter((role) =>
    usages.includes(ROLE_USAGES[role]),
  );
  return named.length === 1 ? named[0] : undefined;
}

function malformed(reason: string): ShownCertificate {
  return { kind: "malformed", reason };
}
