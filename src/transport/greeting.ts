import { PROTOCOL_VERSION } from "../base/constants.ts";
import { CHANNELS } from "../effects/channels.ts";
import { encodeHello } from "../wire/datagram.ts";
import { HANDSHAKE_RESEND_US, HANDSHAKE_US_MAX } from "./constants.ts";

const NO_BYTES: Uint8Array = new Uint8Array(0);

/** How often the wait for an answer doubles. */
const DOUBLINGS_MAX = 4;

/** The initiator's part before there is a handshake: HELLO until something comes of it. */
export class Greeting {
  readonly #source: number;
  readonly #singlePort: boolean;
  #helloAtUs: number;
  #tries = 0;
  #cookie: Uint8Array | undefined;

  /** @param source - The id that we want to be answered under. */
  constructor(nowUs: number, source: number, singlePort: boolean) {
    this.#helloAtUs = nowUs;
    this.#source = source;
    this.#singlePort = singlePort;
  }

  /** Whether the responder has given us a cookie. */
  get answered(): boolean {
    return this.#cookie !== undefined;
  }

  /** When HELLO is to be said again. */
  get dueUs(): number {
    const doublings = Math.min(DOUBLINGS_MAX, Math.max(0, this.#tries - 1));
    return this.#helloAtUs + HANDSHAKE_RESEND_US * 2 ** doublings;
  }

  /** The next HELLO; with a cookie it carries the first TLS bytes, as soon as there are some. */
  hello(nowUs: number, tls: Uint8Array): Uint8Array {
    this.#helloAtUs = nowUs;
    this.#tries += 1;
    const withTls = this.#cookie !== undefined && tls.length > 0;
    return encodeHello({
      channel: CHANNELS["message-small"],
      source: this.#source,
      singlePort: this.#singlePort,
      versions: [PROTOCOL_VERSION],
      cookie: withTls ? (this.#cookie ?? NO_BYTES) : NO_BYTES,
      tls: withTls ? tls : NO_BYTES,
    });
  }

  /** Takes the first cookie; returns the round trip where it shows one, and 0 otherwise. */
  onRetry(nowUs: number, cookie: Uint8Array): number {
    this.#cookie = cookie.slice();
    return this.#tries === 1 ? Math.max(1, nowUs - this.#helloAtUs) : 0;
  }
}

/** Why there is no association with a peer of these versions. */
export function versionReason(host: string, versions: readonly number[]): string {
  return (
    `${host} speaks protocol versions ${versions.join(", ")} and this is ` +
    `version ${PROTOCOL_VERSION}: update the older of the two`
  );
}

/** Why there is no association with a peer that does not answer, or not to the end. */
export function unreachableReason(host: string, port: number, isGreeting: boolean): string {
  return isGreeting
    ? `${host} does not answer on UDP port ${port}: is it running, and is the port open?`
    : `${host} did not finish the handshake within ${HANDSHAKE_US_MAX / 1e6} s`;
}
