import { err, ok, type Result } from "../base/result.ts";
import type { CertificateFacts, Role, ShownCertificate } from "../effects/handshake.ts";

/** What one side of an association demands of the other. */
export type PeerPolicy = {
  /** The roles that will do, and the one id that we meant to reach, where there is one. */
  readonly expected: { readonly roles: readonly Role[]; readonly id?: string };
  /** Whether a peer without a certificate may stay, as a stranger: enrolment at the server. */
  readonly allowNone: boolean;
  /**
   * How long after its end a certificate still counts, in seconds: `GRACE_AWAY_S` between peers
   * while the server is out of reach, otherwise 0.
   */
  readonly expiredGraceS: number;
  /** Serial numbers of certificates that the authority took back, as `CertificateFacts` has them. */
  readonly revokedSerials: ReadonlySet<string>;
};

/** Whom we talk to. A stranger showed no certificate, and has the id "". */
export type PeerIdentity = { readonly role: Role | "stranger"; readonly id: string };

/** Why a peer was turned away. */
export type PeerRefusal = {
  readonly code:
    | "no-certificate"
    | "malformed-certificate"
    | "foreign-certificate"
    | "revoked-certificate"
    | "wrong-role"
    | "wrong-id"
    | "certificate-not-yet-valid"
    | "expired-certificate";
  /** What is wrong and how to mend it, true on either side, short enough for a close frame. */
  readonly reason: string;
};

/** How long peers accept an expired certificate while the server is away: 14 days, in seconds. */
export const GRACE_AWAY_S: number = 14 * 86_400;

/** The code of the close frame for each refusal. Part of the wire format: numbers never change. */
export const REFUSAL_CLOSE_CODES: Readonly<Record<PeerRefusal["code"], number>> = {
  "no-certificate": 16,
  "malformed-certificate": 17,
  "foreign-certificate": 18,
  "expired-certificate": 19,
  "certificate-not-yet-valid": 20,
  "revoked-certificate": 21,
  "wrong-role": 22,
  "wrong-id": 23,
};

const REFUSALS = new Map(
  Object.entries(REFUSAL_CLOSE_CODES).map(([code, number]) => [
    number,
    code as PeerRefusal["code"],
  ]),
);

/** The refusal that a close code stands for; `undefined` where it stands for something else. */
export function refusalOfCloseCode(closeCode: number): PeerRefusal["code"] | undefined {
  return REFUSALS.get(closeCode);
}

/**
 * Decides whether a peer may stay. The only place that judges certificates: the TLS handshake
 * itself proves no more than that the peer holds the key of what it showed.
 *
 * A certificate holds from its first to its last second, both included. What cannot be mended by
 * waiting or renewing is named before what can.
 *
 * @param wallS - The wall clock, in seconds since 1970.
 */
export function judgePeer(
  shown: ShownCertificate,
  wallS: number,
  policy: PeerPolicy,
): Result<PeerIdentity, PeerRefusal> {
  switch (shown.kind) {
    case "none":
      return policy.allowNone
        ? ok({ role: "stranger", id: "" })
        : err({
            code: "no-certificate",
            reason: "No certificate was shown: enrol the device before it talks to others.",
          });
    case "malformed":
      return err({
        code: "malformed-certificate",
        reason: `The certificate is not one that Branchline issues (${shown.reason}): enrol again.`,
      });
    case "certificate":
      return judgeCertificate(shown.facts, wallS, policy);
  }
}

function judgeCertificate(
  facts: CertificateFacts,
  wallS: number,
  policy: PeerPolicy,
): Result<PeerIdentity, PeerRefusal> {
  const refusal = judgeHolder(facts, policy) ?? judgeDates(facts, wallS, policy);
  return refusal === undefined ? ok({ role: facts.role, id: facts.id }) : err(refusal);
}

function judgeHolder(facts: CertificateFacts, policy: PeerPolicy): PeerRefusal | undefined {
  const { roles, id } = policy.expected;
  if (!facts.ours) {
    return {
      code: "foreign-certificate",
      reason:
        "The certificate comes from another organisation's authority: enrol at this " +
        "organisation's server, comparing its fingerprint.",
    };
  }
  if (policy.revokedSerials.has(facts.serial)) {
    return {
      code: "revoked-certificate",
      reason:
        "The certificate has been revoked: ask the administrator, and enrol the device again if " +
        "it is to come back.",
    };
  }
  if (!roles.includes(facts.role)) {
    return {
      code: "wrong-role",
      reason:
        `The certificate is for a ${facts.role} where a ${roles.join(" or ")} is wanted: check ` +
        "which address was called and what runs there.",
    };
  }
  if (id !== undefined && facts.id !== id) {
    return {
      code: "wrong-id",
      reason:
        `The certificate names ${facts.id} where ${id} is wanted: its address may have ` +
        "passed on; look it up again.",
    };
  }
  return undefined;
}

function judgeDates(
  facts: CertificateFacts,
  wallS: number,
  policy: PeerPolicy,
): PeerRefusal | undefined {
  if (wallS < facts.notBeforeS) {
    return {
      code: "certificate-not-yet-valid",
      reason:
        `The certificate starts ${timeText(facts.notBeforeS - wallS)} from now: check the date ` +
        "and time of both machines.",
    };
  }
  if (wallS > facts.notAfterS + policy.expiredGraceS) {
    return {
      code: "expired-certificate",
      reason:
        `The certificate expired ${timeText(wallS - facts.notAfterS)} ago: start the agent while ` +
        "the server is in reach so that it renews it, or enrol again; check the clocks too.",
    };
  }
  return undefined;
}

function timeText(lengthS: number): string {
  const [unit, unitS] = UNITS.find(([, seconds]) => lengthS >= seconds) ?? ["second", 1];
  const count = Math.floor(lengthS / unitS);
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}

const UNITS = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
] as const;
