import { parseDeviceId } from "../../base/ids.ts";
import { encodeUtf8 } from "../../base/utf8.ts";
import type { Role } from "../../effects/handshake.ts";

/** What a certificate of ours can name: a holder with a role, or the authority itself. */
export type Subject = { readonly role: Role | "authority"; readonly id: string };

/** Most bytes of an organisation's name in UTF-8: two of them fit into one reason for a refusal. */
export const ORGANISATION_BYTES_MAX = 64;

/**
 * The arc under which our object identifiers lie: 2.25 (ITU-T X.667) and the UUID
 * 01d3adeb-d435-45be-b047-061dcd78531f as one number, which needs nobody's registration.
 */
const ARC = `2.25.${BigInt("0x01d3adebd43545beb047061dcd78531f")}`;

/** The extended key usage that each role has beside those of TLS. */
export const ROLE_USAGES: Readonly<Record<Role, string>> = {
  server: `${ARC}.1`,
  device: `${ARC}.2`,
  connector: `${ARC}.3`,
};

/** The usages that let OpenSSL take a certificate on either side of a connection (RFC 5280). */
export const TLS_USAGES = ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"] as const;

/** Writes the URI by which a certificate names its holder: `branchline:device/<id>`. */
export function subjectUri(subject: Subject): string {
  return `branchline:${subject.role}/${encodeURIComponent(subject.id)}`;
}

/**
 * Reads the URI of a certificate's holder; `undefined` for anything that `subjectUri` would not
 * have written, so that no two texts name the same holder.
 */
export function parseSubjectUri(uri: string): Subject | undefined {
  const match = /^branchline:(server|device|connector|authority)\/([!'()*~%\w.-]+)$/.exec(uri);
  if (match === null) return undefined;
  const subject = { role: match[1] as Subject["role"], id: decodeId(match[2] ?? "") };
  return isSubject(subject) && subjectUri(subject) === uri ? subject : undefined;
}

/** Whether an organisation's name can stand in a certificate: 1 to 64 bytes, all of them visible. */
export function isOrganisation(name: string): boolean {
  return (
    name.trim() === name &&
    name !== "" &&
    // Control characters, and halves of a surrogate pair, which UTF-8 cannot write.
    !/[\p{Cc}\p{Cs}]/u.test(name) &&
    encodeUtf8(name).length <= ORGANISATION_BYTES_MAX
  );
}

function isSubject(subject: Subject): boolean {
  const named = subject.role === "server" || subject.role === "authority";
  return named ? isOrganisation(subject.id) : parseDeviceId(subject.id) !== undefined;
}

function decodeId(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A percent sign that begins no UTF-8: an empty id is refused by the caller.
    return "";
  }
}
