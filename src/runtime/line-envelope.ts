import type { Address } from "../effects/network.ts";
import { HOST_BYTES, packHost, unpackHost } from "./host-bytes.ts";

/**
 * What a line envelope adds to a datagram, in bytes:
 * `[version:1][family:1][destination:16][port:2][source:16][port:2]`, integers big-endian, IPv4
 * addresses as IPv4-mapped IPv6 addresses (RFC 4291, section 2.5.5.2).
 */
export const ENVELOPE_BYTES = 38;

/** A datagram on its way through a line emulator. */
export type Envelope = {
  readonly from: Address;
  readonly to: Address;
  /** A view of the envelope. */
  readonly payload: Uint8Array;
};

/**
 * Wraps a datagram for a line emulator, which carries it to `to` as if it came from `from`.
 *
 * @throws RangeError where an address is not an IP address.
 */
export function wrapForLine(from: Address, to: Address, payload: Uint8Array): Uint8Array {
  const envelope = new Uint8Array(ENVELOPE_BYTES + payload.length);
  envelope[0] = VERSION;
  envelope[1] = to.host.includes(":") ? 6 : 4;
  envelope.set(packHost(to.host), DESTINATION_AT);
  writePort(envelope, DESTINATION_AT + HOST_BYTES, to.port);
  envelope.set(packHost(from.host), SOURCE_AT);
  writePort(envelope, SOURCE_AT + HOST_BYTES, from.port);
  envelope.set(payload, ENVELOPE_BYTES);
  return envelope;
}

/** Reads an envelope; `undefined` for bytes that are none. */
export function unwrapFromLine(bytes: Uint8Array): Envelope | undefined {
  if (bytes.length < ENVELOPE_BYTES || bytes[0] !== VERSION) return undefined;
  const family = bytes[1];
  const to = unpackHost(bytes, DESTINATION_AT);
  const from = unpackHost(bytes, SOURCE_AT);
  if (family !== (to.includes(":") ? 6 : 4) || to.includes(":") !== from.includes(":")) {
    return undefined;
  }
  const fromPort = readPort(bytes, SOURCE_AT + HOST_BYTES);
  const toPort = readPort(bytes, DESTINATION_AT + HOST_BYTES);
  // Nothing comes from port 0, and nothing can be sent to it.
  if (fromPort === 0 || toPort === 0) return undefined;
  return {
    from: { host: from, port: fromPort },
    to: { host: to, port: toPort },
    payload: bytes.subarray(ENVELOPE_BYTES),
  };
}

const VERSION = 1;
const DESTINATION_AT = 2;
const SOURCE_AT = DESTINATION_AT + HOST_BYTES + 2;

function writePort(bytes: Uint8Array, at: number, port: number): void {
  bytes[at] = port >> 8;
  bytes[at + 1] = port & 0xff;
}

function readPort(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}
