import { constants, type X509Certificate } from "node:crypto";
import { Duplex } from "node:stream";
import { connect, createSecureContext, type SecureContext, TLSSocket } from "node:tls";
import { concat } from "../base/bytes.ts";
import type {
  HandshakeInput,
  HandshakeOutbox,
  ShownCertificate,
  Side,
} from "../effects/handshake.ts";
import { certificateFacts } from "./identity/certificate-facts.ts";
import { fingerprintOf, parseFingerprint } from "./identity/fingerprint.ts";
import { certificatePem, checkIdentity, type Identity } from "./identity/identity.ts";
import { OperatorError } from "./operator-error.ts";

/** What the handshakes of one program need to know. */
export type TlsHandshakesOptions = {
  /** Who we are; absent for a device that has not enrolled yet. */
  readonly identity?: Identity;
  /**
   * The fingerprint of the authority's certificate, as the operator gave it. An anonymous
   * initiator takes the peer's authority for ours if and only if its certificate fits.
   */
  readonly pinnedAuthorityFingerprint?: string;
  /** The wall clock, in seconds since 1970. */
  readonly wallS: () => number;
  /** Takes what comes of handshakes; never called from within a call of the outbox. */
  readonly onInput: (input: HandshakeInput) => void;
};

/** The application protocol and its version, which both sides must agree on (RFC 7301). */
export const ALPN = "branchline/1";

/** Most bytes that one side of a handshake may send before it is given up. */
export const HANDSHAKE_BYTES_MAX = 16_384;

/** Length of the secret that both sides take from the handshake, in bytes. */
const SECRET_BYTES = 32;

const EXPORTER_LABEL = "EXPORTER-branchline";

/** Most certificates that are looked at in a peer's chain. */
const CHAIN_LENGTH_MAX = 4;

/**
 * Runs TLS 1.3 handshakes over bytes that a machine carries.
 *
 * OpenSSL proves that the peer holds the key of the certificate it shows, and no more: chain,
 * dates, role, id and revocation are judged by `judgePeer`, because OpenSSL's clock cannot be set.
 * The TLS connection ends with its handshake and carries no data.
 */
export class TlsHandshakes implements HandshakeOutbox {
  readonly #options: TlsHandshakesOptions;
  readonly #pin: string | undefined;
  readonly #running = new Map<number, Handshake>();
  #contexts: Contexts;

  /** @throws OperatorError where the identity's parts or the fingerprint are not what they should be. */
  constructor(options: TlsHandshakesOptions) {
    this.#options = options;
    this.#pin = readPin(options.pinnedAuthorityFingerprint);
    this.#contexts = contextsFor(options.identity);
  }

  /** How many handshakes are under way. */
  get count(): number {
    return this.#running.size;
  }

  /**
   * Takes on an identity, after enrolment or renewal, for handshakes that begin from now on.
   *
   * @throws OperatorError where the identity's parts do not belong together.
   */
  useIdentity(identity: Identity): void {
    this.#contexts = contextsFor(identity);
  }

  /** Begins a handshake; one under the same key is ended first. */
  handshakeStart(key: number, side: Side, anonymous: boolean): void {
    this.handshakeEnd(key);
    const contexts = this.#contexts;
    const judged = { wallS: this.#options.wallS, shown: this.#judgeOf(side, anonymous) };
    const handshake = new Handshake(key, side, judged, (input) => {
      if (input.kind !== "handshake-bytes") this.#running.delete(key);
      this.#options.onInput(input);
    });
    this.#running.set(key, handshake);
    if (side === "initiator" && anonymous) handshake.initiate(contexts.anonymous);
    else if (contexts.identified === undefined) handshake.fail(NOT_ENROLLED);
    else if (side === "initiator") handshake.initiate(contexts.identified);
    else handshake.respond(contexts.identified);
  }

  handshakeFeed(key: number, bytes: Uint8Array): void {
    this.#running.get(key)?.feed(bytes);
  }

  handshakeEnd(key: number): void {
    this.#running.get(key)?.end();
    this.#running.delete(key);
  }

  /** Ends every handshake that is under way. */
  close(): void {
    for (const key of [...this.#running.keys()]) this.handshakeEnd(key);
  }

  /** Whom a peer's certificate must come from, in a handshake that begins now. */
  #judgeOf(side: Side, anonymous: boolean): (leaf: X509Certificate) => ShownCertificate {
    const { authorityDer } = this.#contexts;
    const pin = side === "initiator" && anonymous ? this.#pin : undefined;
    if (pin === undefined) return (leaf) => certificateFacts(leaf.raw, authorityDer);
    return (leaf) => certificateFacts(leaf.raw, pinnedAuthority(leaf, pin));
  }
}

const NOT_ENROLLED = "This machine has no certificate yet: enrol it at the server.";

/** How a handshake reads the clock and the certificate that the peer shows. */
type Judged = {
  readonly wallS: () => number;
  readonly shown: (leaf: X509Certificate) => ShownCertificate;
};

type HandshakeState =
  | { readonly kind: "running" }
  /** OpenSSL is content; `flushed` once it has written all that the peer needs. */
  | { readonly kind: "completing"; readonly done: HandshakeInput; readonly flushed: boolean }
  /** What OpenSSL says to the peer about it comes first. */
  | { readonly kind: "failing"; readonly reason: string }
  | { readonly kind: "over" };

/**
 * One handshake: an in-memory stream below, a TLS object above.
 *
 *   running --secure--> completing --bytes flushed--> over (handshake-done)
 *      \------error---> failing -----bytes flushed--> over (handshake-failed)
 *
 * Bytes are collected and handed on once an event loop turn, so a flight is one input.
 */
class Handshake {
  readonly #key: number;
  readonly #side: Side;
  readonly #judged: Judged;
  readonly #emit: (input: HandshakeInput) => void;
  readonly #stream: Duplex;
  #state: HandshakeState = { kind: "running" };
  #socket: TLSSocket | undefined;
  #written: Uint8Array[] = [];
  #receivedBytes = 0;
  #turnAsked = false;

  constructor(key: number, side: Side, judged: Judged, emit: (input: HandshakeInput) => void) {
    this.#key = key;
    this.#side = side;
    this.#judged = judged;
    this.#emit = emit;
    this.#stream = new Duplex({
      read: () => undefined,
      write: (chunk: Uint8Array, _encoding, written) => {
        this.#onWrite(chunk);
        written();
      },
    });
    // Tearing down and late bytes make streams complain: by then nobody needs to know.
    this.#stream.on("error", () => undefined);
    this.#stream.on("close", () => this.fail("The handshake was broken off."));
  }

  initiate(secureContext: SecureContext): void {
    const socket = connect({
      socket: this.#stream,
      secureContext,
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
      ALPNProtocols: [ALPN],
    });
    this.#socket = socket;
    socket.on("error", (error) => this.fail(reasonOf(error)));
    socket.on("secureConnect", () => this.#onSecure(socket));
  }

  /**
   * A `TLSSocket` of its own refuses no client, whatever certificate it shows or does not show: as
   * everywhere here, that is left to `judgePeer`.
   */
  respond(secureContext: SecureContext): void {
    const socket = new TLSSocket(this.#stream, {
      isServer: true,
      secureContext,
      requestCert: true,
      rejectUnauthorized: false,
      ALPNProtocols: [ALPN],
    });
    this.#socket = socket;
    socket.on("error", (error) => this.fail(reasonOf(error)));
    socket.on("secure", () => this.#onSecure(socket));
  }

  feed(bytes: Uint8Array): void {
    if (this.#state.kind !== "running") return;
    this.#receivedBytes += bytes.length;
    if (this.#receivedBytes > HANDSHAKE_BYTES_MAX) {
      this.fail(`The other side sent more than ${HANDSHAKE_BYTES_MAX} bytes of handshake.`);
      return;
    }
    if (bytes.length > 0) this.#stream.push(bytes);
  }

  fail(reason: string): void {
    const { kind } = this.#state;
    const isLate = kind === "completing" && this.#state.flushed;
    if (kind === "failing" || kind === "over" || isLate) return;
    this.#state = { kind: "failing", reason };
    this.#askTurn();
  }

  end(): void {
    this.#state = { kind: "over" };
    this.#written = [];
    this.#socket?.destroy();
    this.#stream.destroy();
  }

  #onSecure(socket: TLSSocket): void {
    if (this.#state.kind !== "running") return;
    if (socket.alpnProtocol !== ALPN) {
      this.fail(NO_COMMON_VERSION);
      return;
    }
    const secret = socket.exportKeyingMaterial(SECRET_BYTES, EXPORTER_LABEL, Buffer.alloc(0));
    const done = {
      kind: "handshake-done",
      key: this.#key,
      secret: new Uint8Array(secret),
      shown: this.#shownBy(socket),
      wallS: this.#judged.wallS(),
    } as const;
    // An initiator's last bytes are written after this event, a responder's long before.
    this.#state = { kind: "completing", done, flushed: this.#side === "responder" };
    this.#askTurn();
  }

  #shownBy(socket: TLSSocket): ShownCertificate {
    try {
      const leaf = socket.getPeerX509Certificate();
      return leaf === undefined ? { kind: "none" } : this.#judged.shown(leaf);
    } catch {
      // Whatever Node could not make of a certificate, the peer chose it.
      return { kind: "malformed", reason: "it cannot be read" };
    }
  }

  #onWrite(chunk: Uint8Array): void {
    if (this.#state.kind === "over") return;
    if (this.#state.kind === "completing") {
      // A responder that is content has nothing to say but session tickets, which nobody uses.
      if (this.#side === "responder") return;
      this.#state = { ...this.#state, flushed: true };
    }
    this.#written.push(new Uint8Array(chunk));
    this.#askTurn();
  }

  #askTurn(): void {
    if (this.#turnAsked) return;
    this.#turnAsked = true;
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#turnAsked = false;
    if (this.#written.length > 0) {
      const bytes = concat(this.#written);
      this.#written = [];
      this.#emit({ kind: "handshake-bytes", key: this.#key, bytes });
    }
    // Whoever took these bytes may have ended the handshake.
    const state = this.#state;
    if (state.kind === "failing") {
      this.#finish({ kind: "handshake-failed", key: this.#key, reason: state.reason });
    } else if (state.kind === "completing" && state.flushed) {
      this.#finish(state.done);
    }
  }

  #finish(input: HandshakeInput): void {
    this.end();
    this.#emit(input);
  }
}

type Contexts = {
  readonly authorityDer: Uint8Array | undefined;
  readonly anonymous: SecureContext;
  readonly identified: SecureContext | undefined;
};

const TLS_OPTIONS = {
  minVersion: "TLSv1.3",
  // Keeps the ClientHello in one datagram: the default offers a post-quantum key of 1,184 bytes.
  ecdhCurve: "X25519",
  // A session that could be resumed would outlive its certificate's end and revocation.
  secureOptions: constants.SSL_OP_NO_TICKET,
} as const;

/** Everything that handshakes of one identity share, made once because it takes milliseconds. */
function contextsFor(identity: Identity | undefined): Contexts {
  // Without an authority of its own, Node would load the world's.
  const anonymous = createSecureContext({ ...TLS_OPTIONS, ca: [] });
  if (identity === undefined) {
    return { authorityDer: undefined, anonymous, identified: undefined };
  }
  checkIdentity(identity);
  const authority = certificatePem(identity.authorityDer);
  const identified = createSecureContext({
    ...TLS_OPTIONS,
    key: identity.privateKeyPem,
    // The authority's certificate goes along for those who know its fingerprint alone.
    cert: certificatePem(identity.certificateDer) + authority,
    ca: authority,
  });
  return { authorityDer: identity.authorityDer, anonymous, identified };
}

function readPin(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const pin = parseFingerprint(text);
  if (pin !== undefined) return pin;
  throw new OperatorError(
    "fingerprint-malformed",
    "The fingerprint must be the 64 hexadecimal digits that the server showed when it was set " +
      "up: copy them again.",
  );
}

/** The certificate above `leaf`, in the chain that the peer showed, that has this fingerprint. */
function pinnedAuthority(leaf: X509Certificate, pin: string): Uint8Array | undefined {
  let above = leaf.issuerCertificate;
  for (let length = 1; above !== undefined && length < CHAIN_LENGTH_MAX; length += 1) {
    if (parseFingerprint(fingerprintOf(above.raw)) === pin) return above.raw;
    above = above.issuerCertificate;
  }
  return undefined;
}

const NO_COMMON_VERSION =
  "The two sides have no version of the protocol in common: update the older one.";

/** What OpenSSL or Node holds against the other side, as a sentence. */
function reasonOf(error: Error): string {
  const code = "code" in error ? String(error.code) : error.name;
  if (code.endsWith("NO_APPLICATION_PROTOCOL")) return NO_COMMON_VERSION;
  if (code === "ECONNRESET") return "The handshake was broken off.";
  return `The other side does not speak TLS 1.3 as it should (${code}).`;
}
