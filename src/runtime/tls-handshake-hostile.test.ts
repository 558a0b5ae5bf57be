import "reflect-metadata";
import { Duplex } from "node:stream";
import { type ConnectionOptions, connect, createServer, type TlsOptions } from "node:tls";
import { ExtendedKeyUsageExtension, X509CertificateGenerator } from "@peculiar/x509";
import { expect, test, vi } from "vitest";
import { Prng } from "../base/prng.ts";
import type { HandshakeInput, Side } from "../effects/handshake.ts";
import { fingerprintOf } from "./identity/fingerprint.ts";
import { certificatePem } from "./identity/identity.ts";
import { createPrivateKeyPem, keyPairOf } from "./identity/keys.ts";
import {
  authority,
  type Both,
  device,
  doneOf,
  failureOf,
  ignore,
  KEY,
  kindsOf,
  Link,
  type Options,
  server,
  serverIdentity,
  shakeHands,
  single,
  turns,
  verdictOf,
  wallS,
} from "./tls-handshake.contract.ts";
import { ALPN, HANDSHAKE_BYTES_MAX, TlsHandshakes } from "./tls-handshake.ts";

/** A busy machine takes its time. */
const PATIENCE = { timeout: 60_000 };

test("a responder without a certificate gets no handshake at all", async () => {
  const ours = await shakeHands({ identity: device }, {});
  const raw = await callRaw({ identity: device }, {});

  expect(failureOf(ours.responder)).toContain("enrol it at the server");
  expect(failureOf(raw)).toContain("does not speak TLS 1.3 as it should");
});

test("who changes any byte between two sides gets no handshake done on both", async () => {
  const lengths = flightsOf(await shakeHands({ identity: device }, { identity: server }));
  const prng = new Prng(1);
  const isDone = (side: readonly HandshakeInput[]) => kindsOf(side).includes("handshake-done");
  const untouched = await tamperedHandshake(NO_FLIGHT, 0);
  expect(untouched.every(isDone)).toBe(true);

  for (let round = 0; round < 24; round += 1) {
    const flight = round % lengths.length;
    const index = prng.below(lengths[flight] ?? 0);
    const inputs = await tamperedHandshake(flight, index);
    expect(inputs.every(isDone), `byte ${index} of flight ${flight}`).toBe(false);
  }
});

test("showing our authority's certificate beside a forged one does not help", async () => {
  // Issued in our authority's name, with another key.
  const forger = { ...authority, privateKeyPem: createPrivateKeyPem() };
  const forged = await serverIdentity(forger);

  const inputs = await callRaw(
    { pinnedAuthorityFingerprint: fingerprintOf(authority.certificateDer) },
    {
      key: forged.privateKeyPem,
      cert: certificatePem(forged.certificateDer) + certificatePem(authority.certificateDer),
    },
    true,
  );

  expect(verdictOf(doneOf(inputs), { roles: ["server"] })).toBe("foreign-certificate");
});

test("HS12: sides without a common version of the protocol part, and each says so", async () => {
  const other = { ALPNProtocols: ["branchline/2"] };
  const asked = await answerRaw({ identity: server }, other);
  const asking = await callRaw({ identity: device }, { ...rawServer(), ...other });

  expect(failureOf(asked)).toContain("update the older one");
  expect(failureOf(asking)).toContain("update the older one");
});

test("HS12: a side that names no protocol, or speaks TLS 1.2, is refused", async () => {
  const silent = await answerRaw({ identity: server }, { ALPNProtocols: [] });
  const old = await answerRaw({ identity: server }, { maxVersion: "TLSv1.2" });
  const silentServer = await callRaw({ identity: device }, { ...rawServer(), ALPNProtocols: [] });
  const oldServer = await callRaw({ identity: device }, { ...rawServer(), maxVersion: "TLSv1.2" });

  for (const inputs of [silent, old, silentServer, oldServer]) {
    expect(failureOf(inputs)).toMatch(/^[A-Z].*\.$/);
  }
});

test("HS16: a certificate full of oddities is refused as malformed", async () => {
  const odd = await oddCertificate();

  const inputs = await answerRaw({ identity: server }, odd);

  expect(verdictOf(doneOf(inputs), {})).toBe("malformed-certificate");
});

test.each(["initiator", "responder"] as const)(
  "garbage fails the handshake of an %s, once, and nothing else happens",
  async (side) => {
    const prng = new Prng(2);
    for (let round = 0; round < 60; round += 1) {
      const { inputs, handshakes } = single({ identity: device });
      handshakes.handshakeStart(KEY, side, false);
      for (let part = 0; part < 4; part += 1) {
        // A plausible record header sends half of the rounds deeper into OpenSSL.
        const header = round % 2 === 0 ? [] : [22, 3, 3, 0, 60, side === "responder" ? 1 : 2];
        handshakes.handshakeFeed(KEY, Uint8Array.from([...header, ...garbage(prng)]));
        await turns(2);
      }
      handshakes.handshakeEnd(KEY);
      await turns(2);

      const ends = inputs.filter((input) => input.kind !== "handshake-bytes");
      expect(ends.length).toBeLessThanOrEqual(1);
      expect(ends.every((input) => input.kind === "handshake-failed")).toBe(true);
      expect(handshakes.count).toBe(0);
    }
  },
);

test("plain text instead of TLS fails with a reason, and the other side is told", async () => {
  const { inputs, handshakes } = single({ identity: device });
  handshakes.handshakeStart(KEY, "responder", false);
  handshakes.handshakeFeed(KEY, new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"));

  await vi.waitFor(() => expect(kindsOf(inputs)).toContain("handshake-failed"), PATIENCE);

  expect(failureOf(inputs)).toContain("does not speak TLS 1.3 as it should");
});

test("HS11: a side that sends more than the limit is given up", async () => {
  // The beginning of a ClientHello that claims to be 64 KiB long: OpenSSL would wait for the rest.
  const start = Uint8Array.from([22, 3, 1, 64, 0, 1, 0, 255, 255, 3, 3]);
  const { inputs, handshakes } = single({ identity: device });
  handshakes.handshakeStart(KEY, "responder", false);
  handshakes.handshakeFeed(KEY, start);
  handshakes.handshakeFeed(KEY, new Uint8Array(HANDSHAKE_BYTES_MAX - start.length - 8));
  await turns(5);
  expect(inputs).toEqual([]);

  handshakes.handshakeFeed(KEY, new Uint8Array(9));

  await vi.waitFor(() => expect(inputs).toHaveLength(1), PATIENCE);
  expect(failureOf(inputs)).toContain(`more than ${HANDSHAKE_BYTES_MAX} bytes`);
});

test("unknown keys, bytes after the end and a second end are let pass in silence", async () => {
  const link = new Link({ identity: device }, { identity: server });
  const { initiator, responder } = await link.run(KEY, false);
  const before = [initiator.length, responder.length];

  for (const handshakes of [link.initiator, link.responder]) {
    handshakes.handshakeFeed(KEY, new Uint8Array(50));
    handshakes.handshakeEnd(KEY);
    handshakes.handshakeEnd(KEY);
    handshakes.handshakeFeed(99, new Uint8Array(50));
    handshakes.handshakeEnd(99);
  }
  await turns(10);

  expect([initiator.length, responder.length]).toEqual(before);
});

const NO_FLIGHT = -1;

/** A handshake on whose way one byte of one flight (0, 1, 2) is changed. */
async function tamperedHandshake(
  flight: number,
  index: number,
): Promise<readonly HandshakeInput[][]> {
  let count = 0;
  const link = new Link({ identity: device }, { identity: server }, (_from, bytes) => {
    const isHit = count === flight;
    count += 1;
    return isHit ? bytes.map((byte, at) => (at === index ? byte ^ 0x10 : byte)) : bytes;
  });
  link.start(KEY, false);
  // A changed length leaves a side waiting for ever, so there is no end to wait for.
  await turns(60);
  link.initiator.close();
  link.responder.close();
  return [link.inputs.initiator, link.inputs.responder];
}

function flightsOf(both: Both): readonly number[] {
  const lengths = (inputs: readonly HandshakeInput[]) =>
    inputs.flatMap((input) => (input.kind === "handshake-bytes" ? [input.bytes.length] : []));
  const [hello = 0, finished = 0] = lengths(both.initiator);
  return [hello, lengths(both.responder)[0] ?? 0, finished];
}

/** What an initiator of ours says of a server that is Node's own. */
async function callRaw(
  options: Options,
  raw: TlsOptions,
  anonymous = false,
): Promise<HandshakeInput[]> {
  const { inputs, stream, run } = rawLink(options);
  const socketServer = createServer({ ALPNProtocols: [ALPN], ...raw });
  socketServer.on("tlsClientError", ignore);
  socketServer.on("secureConnection", (socket) => socket.on("error", ignore));
  socketServer.emit("connection", stream);
  await run("initiator", anonymous);
  return inputs;
}

/** What a responder of ours says of a client that is Node's own. */
async function answerRaw(options: Options, raw: ConnectionOptions): Promise<HandshakeInput[]> {
  const { inputs, stream, run } = rawLink(options);
  const started = run("responder", false);
  connect({ ALPNProtocols: [ALPN], ...raw, socket: stream, rejectUnauthorized: false }).on(
    "error",
    ignore,
  );
  await started;
  return inputs;
}

function rawLink(options: Options): {
  readonly inputs: HandshakeInput[];
  readonly stream: Duplex;
  readonly run: (side: Side, anonymous: boolean) => Promise<void>;
} {
  const inputs: HandshakeInput[] = [];
  const handshakes = new TlsHandshakes({
    ...options,
    wallS,
    onInput: (input) => {
      inputs.push(input);
      if (input.kind === "handshake-bytes") stream.push(input.bytes);
    },
  });
  const stream = new Duplex({
    read: ignore,
    write: (chunk: Uint8Array, _encoding, written) => {
      handshakes.handshakeFeed(KEY, new Uint8Array(chunk));
      written();
    },
  });
  const run = async (side: Side, anonymous: boolean) => {
    handshakes.handshakeStart(KEY, side, anonymous);
    await vi.waitFor(() => expect(inputs.at(-1)?.kind).toMatch(/done|failed/), PATIENCE);
    stream.destroy();
  };
  return { inputs, stream, run };
}

function rawServer(): TlsOptions {
  return { key: server.privateKeyPem, cert: certificatePem(server.certificateDer) };
}

async function oddCertificate(): Promise<{ readonly key: string; readonly cert: string }> {
  const key = createPrivateKeyPem();
  const keys = keyPairOf(key);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    keys,
    name: [{ O: ['Acme, "x" Müller\\'] }, { CN: ["\u0000", "+=,;<>#"] }],
    signingAlgorithm: { name: "ECDSA", hash: "SHA-256" },
    extensions: [new ExtendedKeyUsageExtension(["1.2.3"])],
  });
  return { key, cert: certificate.toString("pem") };
}

function garbage(prng: Prng): readonly number[] {
  return Array.from({ length: 1 + prng.below(200) }, () => prng.below(256));
}
