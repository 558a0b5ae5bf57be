import { concat } from "../base/bytes.ts";
import { decodeUtf8, encodeUtf8 } from "../base/utf8.ts";
import type { CertificateFacts, HandshakeInput, Side } from "../effects/handshake.ts";

/** How long the flights of a real TLS 1.3 handshake with P-256 certificates are, in bytes. */
const FLIGHT_BYTES = { hello: 217, answer: 1_480, finish: 1_210 } as const;

type Ongoing = { readonly side: Side; received: Uint8Array; done: boolean };

/**
 * The handshake as an effect, without TLS: flights of the real lengths, in the real order, that
 * carry each side's certificate facts in the clear. Both sides get the same secret.
 */
export class SimHandshakes {
  readonly #facts: CertificateFacts | undefined;
  readonly #wallS: () => number;
  readonly #emit: (input: HandshakeInput) => void;
  readonly #ongoing = new Map<number, Ongoing>();

  constructor(options: {
    readonly facts: CertificateFacts | undefined;
    readonly wallS: () => number;
    readonly emit: (input: HandshakeInput) => void;
  }) {
    this.#facts = options.facts;
    this.#wallS = options.wallS;
    this.#emit = options.emit;
  }

  start(key: number, side: Side): void {
    this.#ongoing.set(key, { side, received: new Uint8Array(0), done: false });
    if (side === "initiator") this.#flight(key, FLIGHT_BYTES.hello);
  }

  feed(key: number, bytes: Uint8Array): void {
    const ongoing = this.#ongoing.get(key);
    if (ongoing === undefined || ongoing.done) return;
    const before = ongoing.received.length;
    ongoing.received = concat([ongoing.received, bytes]);
    const reached = (length: number) => before < length && ongoing.received.length >= length;
    if (ongoing.side === "initiator" && reached(FLIGHT_BYTES.answer)) {
      this.#flight(key, FLIGHT_BYTES.finish);
      this.#finish(key, ongoing, 0);
    }
    if (ongoing.side === "responder") {
      if (reached(FLIGHT_BYTES.hello)) this.#flight(key, FLIGHT_BYTES.answer);
      const finished = FLIGHT_BYTES.hello + FLIGHT_BYTES.finish;
      if (reached(finished)) this.#finish(key, ongoing, FLIGHT_BYTES.hello);
    }
  }

  end(key: number): void {
    this.#ongoing.delete(key);
  }

  #flight(key: number, lengthBytes: number): void {
    const bytes = new Uint8Array(lengthBytes);
    const facts = encodeUtf8(JSON.stringify(this.#facts ?? null));
    bytes.set([facts.length >> 8, facts.length & 255]);
    bytes.set(facts, 2);
    this.#emit({ kind: "handshake-bytes", key, bytes });
  }

  #finish(key: number, ongoing: Ongoing, at: number): void {
    ongoing.done = true;
    const length = ((ongoing.received[at] ?? 0) << 8) | (ongoing.received[at + 1] ?? 0);
    const written = decodeUtf8(ongoing.received.subarray(at + 2, at + 2 + length));
    const facts = JSON.parse(written ?? "null") as CertificateFacts | null;
    const shown =
      facts === null ? { kind: "none" as const } : { kind: "certificate" as const, facts };
    const secret = new Uint8Array(32).fill(7);
    this.#emit({ kind: "handshake-done", key, secret, shown, wallS: this.#wallS() });
  }
}
