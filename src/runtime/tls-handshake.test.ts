import { X509Certificate } from "node:crypto";
import { expect, test, vi } from "vitest";
import type { HandshakeInput } from "../effects/handshake.ts";
import { fingerprintOf } from "./identity/fingerprint.ts";
import type { Identity } from "./identity/identity.ts";
import { createPrivateKeyPem } from "./identity/keys.ts";
import {
  authority,
  device,
  deviceIdentity,
  doneOf,
  failureOf,
  foreign,
  ID,
  ignore,
  KEY,
  kindsOf,
  Link,
  NOW_S,
  OTHER_ID,
  otherDevice,
  server,
  serverIdentity,
  shakeHands,
  single,
  turns,
  verdictOf,
  type Wanted,
  wallS,
} from "./tls-handshake.contract.ts";
import { TlsHandshakes } from "./tls-handshake.ts";

/** A busy machine takes its time. */
const PATIENCE = { timeout: 60_000 };

test("HS24: two devices end with the same secret, and each knows who the other is", async () => {
  const { initiator, responder } = await shakeHands(
    { identity: device },
    { identity: otherDevice },
  );

  const [called, caller] = [doneOf(initiator), doneOf(responder)];
  expect(called.secret).toHaveLength(32);
  expect(called.secret).toEqual(caller.secret);
  expect(verdictOf(called, { id: OTHER_ID })).toBe("device");
  expect(verdictOf(caller, { id: ID })).toBe("device");
  expect(called.wallS).toBe(NOW_S);
});

test("a device and its server know each other by their roles", async () => {
  const { initiator, responder } = await shakeHands({ identity: device }, { identity: server });

  expect(verdictOf(doneOf(initiator), { roles: ["server"], id: "Acme" })).toBe("server");
  expect(verdictOf(doneOf(responder), { id: ID })).toBe("device");
});

test("every handshake has a secret of its own", async () => {
  const first = await shakeHands({ identity: device }, { identity: server });
  const second = await shakeHands({ identity: device }, { identity: server });

  expect(doneOf(first.initiator).secret).not.toEqual(doneOf(second.initiator).secret);
});

test("HS13: a flight is one input, and nothing comes after the end: no ticket, no farewell", async () => {
  const { initiator, responder } = await shakeHands({ identity: device }, { identity: server });
  await turns(20);

  expect(kindsOf(initiator)).toEqual(["handshake-bytes", "handshake-bytes", "handshake-done"]);
  expect(kindsOf(responder)).toEqual(["handshake-bytes", "handshake-done"]);
});

test("HS12: the first flight, and so the ClientHello, fits into one small datagram", async () => {
  const { initiator } = await shakeHands({ identity: device }, { identity: server });

  const [hello] = initiator;
  expect(hello?.kind === "handshake-bytes" && hello.bytes.length).toBeLessThan(1000);
});

test("nothing is told from within a call of the outbox", () => {
  const told = vi.fn();
  const handshakes = new TlsHandshakes({ identity: device, wallS: () => NOW_S, onInput: told });

  handshakes.handshakeStart(KEY, "initiator", false);
  handshakes.handshakeFeed(KEY, new Uint8Array(100));
  handshakes.handshakeEnd(KEY);

  expect(told).not.toHaveBeenCalled();
});

/** Each bad side: who it is, what the other side wants it to be, and how it is turned away. */
const BAD: readonly {
  readonly name: string;
  readonly identity: () => Promise<Identity>;
  readonly policy?: Wanted;
  readonly code: string;
}[] = [
  {
    name: "an expired certificate",
    identity: () => deviceIdentity(authority, ID, { notBeforeS: 0, notAfterS: NOW_S - 1 }),
    code: "expired-certificate",
  },
  {
    name: "a certificate that is not yet valid",
    identity: () =>
      deviceIdentity(authority, ID, { notBeforeS: NOW_S + 1, notAfterS: NOW_S + 1000 }),
    code: "certificate-not-yet-valid",
  },
  {
    name: "a certificate of a foreign authority",
    identity: () => deviceIdentity(foreign, ID),
    code: "foreign-certificate",
  },
  {
    name: "a revoked certificate",
    identity: () => Promise.resolve(device),
    policy: { revokedSerials: new Set([serialOf(device)]) },
    code: "revoked-certificate",
  },
  {
    name: "a device's certificate where the server is wanted",
    identity: () => Promise.resolve(device),
    policy: { roles: ["server"] },
    code: "wrong-role",
  },
  {
    name: "a server's certificate where a device is wanted",
    identity: () => Promise.resolve(server),
    code: "wrong-role",
  },
  {
    name: "the certificate of another device than the one that was meant",
    identity: () => Promise.resolve(otherDevice),
    policy: { id: ID },
    code: "wrong-id",
  },
];

test.each(BAD)("an initiator with $name is refused by the responder alone", async (bad) => {
  const { initiator, responder } = await shakeHands(
    { identity: await bad.identity() },
    { identity: server },
  );

  expect(verdictOf(doneOf(responder), bad.policy ?? {})).toBe(bad.code);
  // To a foreign device, our server is the foreign one.
  const answer = bad.code === "foreign-certificate" ? bad.code : "server";
  expect(verdictOf(doneOf(initiator), { roles: ["server"] })).toBe(answer);
});

test.each(BAD)("a responder with $name is refused by the initiator alone", async (bad) => {
  const { initiator, responder } = await shakeHands(
    { identity: otherDevice },
    { identity: await bad.identity() },
  );

  expect(verdictOf(doneOf(initiator), bad.policy ?? {})).toBe(bad.code);
  const answer = bad.code === "foreign-certificate" ? bad.code : "device";
  expect(verdictOf(doneOf(responder), { id: OTHER_ID })).toBe(answer);
});

test("an initiator without a certificate is refused, except where strangers may enrol", async () => {
  const { responder } = await shakeHands({ identity: device }, { identity: server }, true);

  expect(verdictOf(doneOf(responder), {})).toBe("no-certificate");
  expect(verdictOf(doneOf(responder), { allowNone: true })).toBe("stranger");
});

test("a certificate is of no use without its key", () => {
  const stolen = { ...device, privateKeyPem: createPrivateKeyPem() };

  expect(() => new TlsHandshakes({ identity: stolen, wallS, onInput: ignore })).toThrow(
    expect.objectContaining({ name: "OperatorError", code: "identity-mismatch" }),
  );
});

test("EN2: while it enrols, a device takes the server whose authority has the pinned print", async () => {
  const pin = fingerprintOf(authority.certificateDer).toUpperCase();

  const { initiator, responder } = await shakeHands(
    { pinnedAuthorityFingerprint: pin },
    { identity: server },
    true,
  );

  expect(verdictOf(doneOf(initiator), { roles: ["server"] })).toBe("server");
  expect(verdictOf(doneOf(responder), { allowNone: true })).toBe("stranger");
  expect(doneOf(initiator).secret).toEqual(doneOf(responder).secret);
});

test("EN2: while it enrols, a device refuses every other server", async () => {
  const pinned = { pinnedAuthorityFingerprint: fingerprintOf(authority.certificateDer) };
  const others = [
    await shakeHands(pinned, { identity: await serverIdentity(foreign) }, true),
    // The fingerprint must be the authority's: a print of the leaf would change at each renewal.
    await shakeHands(
      { pinnedAuthorityFingerprint: fingerprintOf(server.certificateDer) },
      { identity: server },
      true,
    ),
    await shakeHands({}, { identity: server }, true),
  ];

  for (const { initiator } of others) {
    expect(verdictOf(doneOf(initiator), { roles: ["server"] })).toBe("foreign-certificate");
  }
});

test("a device that has enrolled goes on with the identity that it was given", async () => {
  const link = new Link({}, { identity: server });
  const failed = await link.run(1, false);
  expect(failureOf(failed.initiator)).toContain("enrol it at the server");

  link.initiator.useIdentity(device);
  const { responder } = await link.run(2, false);

  expect(verdictOf(doneOf(responder), { id: ID })).toBe("device");
});

test("a fingerprint that is none is refused at once", () => {
  const options = { pinnedAuthorityFingerprint: "12:34", wallS, onInput: ignore };

  expect(() => new TlsHandshakes(options)).toThrow(
    expect.objectContaining({ code: "fingerprint-malformed" }),
  );
});

test("a handshake that is ended half-way is heard of no more, and another can begin", async () => {
  const link = new Link({ identity: device }, { identity: server });
  link.start(1, false);
  await vi.waitFor(() => expect(link.inputs.initiator).not.toEqual([]), PATIENCE);
  link.initiator.handshakeEnd(1);
  link.responder.handshakeEnd(1);
  const before = link.inputs.initiator.length + link.inputs.responder.length;
  await turns(20);
  expect(link.inputs.initiator.length + link.inputs.responder.length).toBe(before);

  const { initiator, responder } = await link.run(1, false);

  expect(doneOf(initiator).secret).toEqual(doneOf(responder).secret);
});

test("many handshakes at a time do not get into each other's way, and none is left", async () => {
  const link = new Link({ identity: device }, { identity: server });
  const keys = Array.from({ length: 20 }, (_, index) => index);
  const isEnd = (input: HandshakeInput) => input.kind === "handshake-done";

  for (const key of keys) link.start(key, key % 2 === 0);
  await vi.waitFor(() => {
    expect(link.inputs.initiator.filter(isEnd)).toHaveLength(20);
    expect(link.inputs.responder.filter(isEnd)).toHaveLength(20);
  }, PATIENCE);

  for (const key of keys) {
    const ofKey = (input: HandshakeInput) => input.key === key;
    const caller = doneOf(link.inputs.responder.filter(ofKey));
    expect(doneOf(link.inputs.initiator.filter(ofKey)).secret).toEqual(caller.secret);
    expect(caller.shown.kind).toBe(key % 2 === 0 ? "none" : "certificate");
  }
  expect([link.initiator.count, link.responder.count]).toEqual([0, 0]);
});

test("closing ends what is under way", async () => {
  const { inputs, handshakes } = single({ identity: device });
  for (const key of [1, 2, 3]) handshakes.handshakeStart(key, "responder", false);

  handshakes.close();
  await turns(5);

  expect(handshakes.count).toBe(0);
  expect(inputs).toEqual([]);
});

function serialOf(identity: Identity): string {
  return new X509Certificate(identity.certificateDer).serialNumber.toLowerCase();
}
