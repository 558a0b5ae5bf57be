import { expect, test } from "vitest";
import { encodeUtf8 } from "../base/utf8.ts";
import type { CertificateFacts, ShownCertificate } from "../effects/handshake.ts";
import { CLOSE_REASON_BYTES_MAX } from "../wire/frames.ts";
import {
  GRACE_AWAY_S,
  judgePeer,
  type PeerPolicy,
  type PeerRefusal,
  REFUSAL_CLOSE_CODES,
  refusalOfCloseCode,
} from "./judge-peer.ts";

test("a valid certificate of ours, with the wanted role and id, is let in", () => {
  const verdict = judgePeer(shown({}), NOW_S, policy({ expected: { roles: ["device"], id: ID } }));

  expect(verdict).toEqual({ ok: true, value: { role: "device", id: ID } });
});

test("any id will do where none in particular is wanted", () => {
  const verdict = judgePeer(shown({ id: OTHER_ID }), NOW_S, policy({}));

  expect(verdict).toEqual({ ok: true, value: { role: "device", id: OTHER_ID } });
});

test("EN1: a peer without a certificate is a stranger where enrolment is allowed", () => {
  const verdict = judgePeer({ kind: "none" }, NOW_S, policy({ allowNone: true }));

  expect(verdict).toEqual({ ok: true, value: { role: "stranger", id: "" } });
});

test("HS14: a peer without a certificate is refused everywhere else", () => {
  expect(refusal({ kind: "none" }, {})).toBe("no-certificate");
});

test("where strangers may enrol, a bad certificate is refused all the same", () => {
  const enrolment = { allowNone: true };

  expect(refusal({ kind: "malformed", reason: "x" }, enrolment)).toBe("malformed-certificate");
  expect(refusal(shown({ ours: false }), enrolment)).toBe("foreign-certificate");
});

test("HS16: a certificate of another form is refused with what is wrong with it", () => {
  const verdict = judgePeer({ kind: "malformed", reason: "it names nobody" }, NOW_S, policy({}));

  expect(verdict).toMatchObject({ ok: false, error: { code: "malformed-certificate" } });
  expect(!verdict.ok && verdict.error.reason).toContain("it names nobody");
});

test("HS15: a certificate of another authority is refused", () => {
  expect(refusal(shown({ ours: false }), {})).toBe("foreign-certificate");
});

test("a revoked certificate is refused, even within the grace for expired ones", () => {
  const revoked = { revokedSerials: new Set([SERIAL]), expiredGraceS: GRACE_AWAY_S };

  expect(refusal(shown({}), revoked)).toBe("revoked-certificate");
  expect(refusal(shown({ notAfterS: NOW_S - 1 }), revoked)).toBe("revoked-certificate");
});

test("HS17: every role but the wanted ones is refused", () => {
  const server = { expected: { roles: ["server"] } } as const;

  expect(refusal(shown({ role: "device" }), server)).toBe("wrong-role");
  expect(refusal(shown({ role: "connector" }), server)).toBe("wrong-role");
  expect(refusal(shown({ role: "server" }), {})).toBe("wrong-role");
});

test("HS17: another id than the one we meant to reach is refused", () => {
  const meant = { expected: { roles: ["device"], id: OTHER_ID } } as const;

  expect(refusal(shown({}), meant)).toBe("wrong-id");
});

test("HS18: a certificate holds from its first to its last second", () => {
  const certificate = shown({ notBeforeS: 1_000, notAfterS: 2_000 });

  expect(refusalAt(999, certificate, 0)).toBe("certificate-not-yet-valid");
  expect(refusalAt(1_000, certificate, 0)).toBeUndefined();
  expect(refusalAt(2_000, certificate, 0)).toBeUndefined();
  expect(refusalAt(2_001, certificate, 0)).toBe("expired-certificate");
});

test("HS18: the grace of 14 days for an expired certificate ends to the second", () => {
  const certificate = shown({ notBeforeS: 1_000, notAfterS: 2_000 });

  expect(GRACE_AWAY_S).toBe(1_209_600);
  expect(refusalAt(2_000 + GRACE_AWAY_S, certificate, GRACE_AWAY_S)).toBeUndefined();
  expect(refusalAt(2_001 + GRACE_AWAY_S, certificate, GRACE_AWAY_S)).toBe("expired-certificate");
});

test("the grace does not reach before a certificate's first second", () => {
  const certificate = shown({ notBeforeS: 1_000, notAfterS: 2_000 });

  expect(refusalAt(999, certificate, GRACE_AWAY_S)).toBe("certificate-not-yet-valid");
});

test("the reason says for how long a certificate has been expired, or has yet to wait", () => {
  const certificate = shown({ notBeforeS: 1_000, notAfterS: 2_000 });

  expect(reasonAt(2_001, certificate)).toContain("expired 1 second ago");
  expect(reasonAt(2_000 + 3 * 86_400, certificate)).toContain("expired 3 days ago");
  expect(reasonAt(1_000 - 7_200, { ...certificate })).toContain("starts 2 hours from now");
});

test("CH7: every refusal has a close code of its own between 16 and 31, and finds back from it", () => {
  const entries = Object.entries(REFUSAL_CLOSE_CODES);

  expect(new Set(entries.map(([, closeCode]) => closeCode)).size).toBe(entries.length);
  for (const [code, closeCode] of entries) {
    expect(closeCode).toBeGreaterThanOrEqual(16);
    expect(closeCode).toBeLessThanOrEqual(31);
    expect(refusalOfCloseCode(closeCode)).toBe(code);
  }
  expect(refusalOfCloseCode(0)).toBeUndefined();
  expect(refusalOfCloseCode(31)).toBeUndefined();
});

test("FR7: every reason fits into a close frame, with the longest names there can be", () => {
  const longest = "ü".repeat(32);
  const certificate = shown({ role: "connector", id: longest, notBeforeS: 9, notAfterS: 10 });
  const wrongId = { expected: { roles: ["connector"], id: `${"ü".repeat(31)}ab` } } as const;

  const reasons = [
    reasonOf({ kind: "none" }, NOW_S, {}),
    reasonOf(shown({ ours: false }), NOW_S, {}),
    reasonOf(shown({}), NOW_S, { revokedSerials: new Set([SERIAL]) }),
    reasonOf(certificate, 10, { expected: { roles: ["server", "device"] } }),
    reasonOf(certificate, 10, wrongId),
    reasonOf(shown({ notBeforeS: 2 ** 40 }), 0, {}),
    reasonOf(shown({ notAfterS: 0 }), 2 ** 40, {}),
  ];

  for (const reason of reasons) {
    expect(reason).toMatch(/^[A-Z].*: .*\.$/);
    expect(encodeUtf8(reason).length).toBeLessThanOrEqual(CLOSE_REASON_BYTES_MAX);
  }
});

const NOW_S = 1_800_000_000;
const ID = "00112233445566778899aabbccddeeff";
const OTHER_ID = "ffeeddccbbaa99887766554433221100";
const SERIAL = "4a505de85110e6a54c3f152579c09a41";

function shown(facts: Partial<CertificateFacts>): ShownCertificate {
  return {
    kind: "certificate",
    facts: {
      role: "device",
      id: ID,
      ours: true,
      notBeforeS: 0,
      notAfterS: NOW_S + 1,
      serial: SERIAL,
      ...facts,
    },
  };
}

function policy(parts: Partial<PeerPolicy>): PeerPolicy {
  return {
    expected: { roles: ["device"] },
    allowNone: false,
    expiredGraceS: 0,
    revokedSerials: new Set(),
    ...parts,
  };
}

function refusal(
  certificate: ShownCertificate,
  parts: Partial<PeerPolicy>,
): PeerRefusal["code"] | undefined {
  const verdict = judgePeer(certificate, NOW_S, policy(parts));
  return verdict.ok ? undefined : verdict.error.code;
}

function refusalAt(
  wallS: number,
  certificate: ShownCertificate,
  expiredGraceS: number,
): PeerRefusal["code"] | undefined {
  const verdict = judgePeer(certificate, wallS, policy({ expiredGraceS }));
  return verdict.ok ? undefined : verdict.error.code;
}

function reasonAt(wallS: number, certificate: ShownCertificate): string {
  return reasonOf(certificate, wallS, {});
}

function reasonOf(
  certificate: ShownCertificate,
  wallS: number,
  parts: Partial<PeerPolicy>,
): string {
  const verdict = judgePeer(certificate, wallS, policy(parts));
  return verdict.ok ? "" : verdict.error.reason;
}
