import { concat } from "../base/bytes.ts";
import { decodeUtf8, encodeUtf8 } from "../base/utf8.ts";
import type { CertificateFacts, HandshakeInput, Side } from "../effects/handshake.ts";

/** How long the flights of a real TLS 1.3 handshake with P-256 certificates are, in bytes. */
const FLIGHT_BYTES = { hello: 217, answer: 1_480, finish: 1_210 } as const;

/** What lies before the certificate facts in a flight: a checksum, and a nonce. */
const HEAD_BYTES = 8;

type Ongoing = { readonly side: Side; sent: Uint8Array; received: Uint8Array; done: boolean };

/**
 * The handshake as an effect, without TLS: flights of the real lengths, in the real order, that
 * carry each side's certificate facts in the clear. Both sides get the same secret, each handshake
 * another one. A flight that came otherwise than it was sent ends the handshake.
 */
export class SimHandshakes {
  readonly #facts: CertificateFacts | undefined;
  readonly #wallS: () => number;
  readonly #fails: () => boolean;
  readonly #emit: (input: HandshakeInput) => void;
  readonly #ongoing = new Map<number, Ongoing>();

  constructor(options: {
    readonly facts: CertificateFacts | undefined;
    readonly wallS: () => number;
    /** Whether the next handshake comes to nothing. */
    readonly fails: () => boolean;
    readonly emit: (input: HandshakeInput) => void;
  }) {
    this.#facts = options.facts;
    this.#wallS = options.wallS;
    this.#fails = options.fails;
    this.#emit = options.emit;
  }

  start(key: number, side: Side): void {
    const nothing = new Uint8Array(0);
    const ongoing: Ongoing = { side, sent: nothing, received: nothing, done: false };
    this.#ongoing.set(key, ongoing);
    if (side === "initiator") this.#flight(key, ongoing, FLIGHT_BYTES.hello);
  }

  feed(key: number, bytes: Uint8Array): void {
    const ongoing = this.#ongoing.get(key);
    if (ongoing === undefined || ongoing.done) return;
    const before = ongoing.received.length;
    ongoing.received = concat([ongoing.received, bytes]);
    if (ongoing.side === "initiator") this.#feedInitiator(key, ongoing, before);
    else this.#feedResponder(key, ongoing, before);
  }

  end(key: number): void {
    this.#ongoing.delete(key);
  }

  #feedInitiator(key: number, ongoing: Ongoing, before: number): void {
    const { answer: length } = FLIGHT_BYTES;
    if (before >= length || ongoing.received.length < length) return;
    const answer = ongoing.received.subarray(0, length);
    if (!this.#isSound(key, ongoing, answer)) return;
    const { sent } = ongoing;
    this.#flight(key, ongoing, FLIGHT_BYTES.finish);
    this.#finish(key, ongoing, { shown: answer, secret: secretOf(sent, answer) });
  }

  #feedResponder(key: number, ongoing: Ongoing, before: number): void {
    const { hello: length } = FLIGHT_BYTES;
    const whole = length + FLIGHT_BYTES.finish;
    const hello = ongoing.received.subarray(0, length);
    if (before < length && hello.length === length) {
      if (!this.#isSound(key, ongoing, hello)) return;
      this.#flight(key, ongoing, FLIGHT_BYTES.answer);
    }
    if (ongoing.received.length < whole) return;
    const finish = ongoing.received.subarray(length, whole);
    if (!this.#isSound(key, ongoing, finish)) return;
    this.#finish(key, ongoing, { shown: finish, secret: secretOf(hello, ongoing.sent) });
  }

  /** Sends a flight. Its nonce is all that tells one handshake from another. */
  #flight(key: number, ongoing: Ongoing, lengthBytes: number): void {
    const bytes = new Uint8Array(lengthBytes);
    const facts = encodeUtf8(JSON.stringify(this.#facts ?? null));
    new DataView(bytes.buffer).setUint32(4, key);
    bytes.set([facts.length >> 8, facts.length & 255], HEAD_BYTES);
    bytes.set(facts, HEAD_BYTES + 2);
    new DataView(bytes.buffer).setUint32(0, checksum(bytes.subarray(4)));
    ongoing.sent = bytes;
    this.#emit({ kind: "handshake-bytes", key, bytes });
  }

  #isSound(key: number, ongoing: Ongoing, flight: Uint8Array): boolean {
    const { buffer, byteOffset } = flight;
    const said = new DataView(buffer, byteOffset).getUint32(0);
    const whole = said === checksum(flight.subarray(4));
    if (whole && !this.#fails()) return true;
    ongoing.done = true;
    this.#emit({ kind: "handshake-failed", key, reason: whole ? "refused" : "a spoilt flight" });
    return false;
  }

  #finish(
    key: number,
    ongoing: Ongoing,
    given: { readonly shown: Uint8Array; readonly secret: Uint8Array },
  ): void {
    ongoing.done = true;
    const flight = given.shown;
    const length = ((flight[HEAD_BYTES] ?? 0) << 8) | (flight[HEAD_BYTES + 1] ?? 0);
    const written = decodeUtf8(flight.subarray(HEAD_BYTES + 2, HEAD_BYTES + 2 + length));
    const facts = JSON.parse(written ?? "null") as CertificateFacts | null;
    const shown =
      facts === null ? { kind: "none" as const } : { kind: "certificate" as const, facts };
    const { secret } = given;
    this.#emit({ kind: "handshake-done", key, secret, shown, wallS: this.#wallS() });
  }
}

/** What both sides make of the first two flights. */
function secretOf(hello: Uint8Array, answer: Uint8Array): Uint8Array {
  const secret = new Uint8Array(32);
  const view = new DataView(secret.buffer);
  view.setUint32(0, checksum(hello));
  view.setUint32(4, checksum(answer));
  return secret;
}

/** FNV-1a. */
function checksum(bytes: Uint8Array): number {
  let state = 0x81_1c_9d_c5;
  for (const byte of bytes) state = Math.imul(state ^ byte, 0x01_00_01_93);
  return state >>> 0;
}
