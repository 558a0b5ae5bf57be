import { equalBytes } from "../base/bytes.ts";
import { type Due, NEVER } from "../base/machine.ts";
import { DATAGRAM_BYTES_INITIAL } from "../wire/datagram.ts";
import { MTU_PROBES_MAX, MTU_RETRY_US } from "./constants.ts";

/**
 * Lengths of datagrams that paths take, in bytes of UDP payload over IPv4, the longest first:
 * Ethernet, PPPoE (RFC 2516), tunnels of three kinds, and the smallest link that IPv6 allows.
 */
const LENGTHS = [1_472, 1_464, 1_392, 1_332, 1_252] as const;

/**
 * The longest datagram that a path takes, found by probing (DPLPMTUD, RFC 8899).
 *
 * Most paths take the longest that there is, so the search begins there and goes down; what was
 * once answered is used until nothing that long comes through any more.
 */
export class PathMtu {
  /** What is yet to be tried, the longest first. */
  #untried: number[] = [];
  #segmentBytes = DATAGRAM_BYTES_INITIAL;
  #probe: { readonly bytes: number; readonly token: Uint8Array; tries: number } | undefined;
  #due: Due = NEVER;
  #started = false;

  /** The length that datagrams of records have. */
  get segmentBytes(): number {
    return this.#segmentBytes;
  }

  /** When {@link takeProbe} is to be called. */
  due(): Due {
    return this.#due;
  }

  /** There is much to send: begins the search, once, up to what the world lets us try. */
  start(nowUs: number, bytesMax: number): void {
    if (this.#started) return;
    this.#started = true;
    this.#search(nowUs, bytesMax);
  }

  /** The path is another one: what was learnt of the last is worth nothing. */
  reset(): void {
    this.#started = false;
    this.#segmentBytes = DATAGRAM_BYTES_INITIAL;
    this.#probe = undefined;
    this.#due = NEVER;
  }

  /** The probe that is due: how long it is to be, and what the peer has to answer. */
  takeProbe(
    nowUs: number,
    options: { readonly waitUs: number; readonly token: () => Uint8Array },
  ): { readonly bytes: number; readonly token: Uint8Array } | undefined {
    if (this.#probe === undefined || this.#probe.tries >= MTU_PROBES_MAX) {
      const bytes = this.#untried.shift();
      this.#probe = bytes === undefined ? undefined : { bytes, token: options.token(), tries: 0 };
    }
    if (this.#probe === undefined) {
      this.#due = NEVER;
      return undefined;
    }
    this.#probe.tries += 1;
    this.#due = { atUs: nowUs + options.waitUs, reason: "path mtu" };
    return this.#probe;
  }

  /** The peer has answered a challenge; returns whether longer datagrams may leave from now on. */
  onResponse(token: Uint8Array): boolean {
    if (this.#probe === undefined || !equalBytes(token, this.#probe.token)) return false;
    this.#segmentBytes = this.#probe.bytes;
    this.#probe = undefined;
    this.#untried = [];
    this.#due = NEVER;
    return true;
  }

  /** Nothing long comes through any more: the path has changed. */
  onBlackHole(nowUs: number, bytesMax: number): void {
    this.#segmentBytes = DATAGRAM_BYTES_INITIAL;
    this.#search(nowUs + MTU_RETRY_US, bytesMax);
  }

  #search(atUs: number, bytesMax: number): void {
    this.#probe = undefined;
    this.#untried = [...new Set(LENGTHS.map((length) => Math.min(length, bytesMax)))].filter(
      (length) => length > DATAGRAM_BYTES_INITIAL,
    );
    this.#due = this.#untried.length > 0 ? { atUs, reason: "path mtu" } : NEVER;
  }
}
