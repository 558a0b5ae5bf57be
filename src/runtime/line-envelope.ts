import ipaddr from "ipaddr.js";
import type { Address } from "../effects/network.ts";

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
  const to = readHost(bytes, DESTINATION_AT);
  const from = readHost(bytes, SOURCE_AT);
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

/** The 16 bytes of an IP address, IPv4 addresses mapped. @throws RangeError for anything else. */
export function packHost(host: string): Uint8Array {
  const known = packed.get(host);
  if (known !== undefined) return known;
  if (!ipaddr.isValid(host)) throw new RangeError(`${host} is no IP address`);
  const address = ipaddr.parse(host);
  const mapped = address instanceof ipaddr.IPv4 ? address.toIPv4MappedAddress() : address;
  const bytes = Uint8Array.from(mapped.toByteArray());
  // Every datagram asks for one of a few addresses; the bound is against a scan of many.
  if (packed.size >= PACKED_MAX) packed.clear();
  packed.set(host, bytes);
  return bytes;
}

const VERSION = 1;
const HOST_BYTES = 16;
const DESTINATION_AT = 2;
const SOURCE_AT = DESTINATION_AT + HOST_BYTES + 2;

/** How many packed addresses are remembered. */
const PACKED_MAX = 4096;
const packed = new Map<string, Uint8Array>();

function readHost(bytes: Uint8Array, at: number): string {
  for (let index = 0; index < 12; index += 1) {
    if (bytes[at + index] !== (index < 10 ? 0 : 0xff)) return readIpv6(bytes, at);
  }
  return `${bytes[at + 12]}.${bytes[at + 13]}.${bytes[at + 14]}.${bytes[at + 15]}`;
}

function readIpv6(bytes: Uint8Array, at: number): string {
  return new ipaddr.IPv6([...bytes.subarray(at, at + HOST_BYTES)]).toRFC5952String();
}

function writePort(bytes: Uint8Array, at: number, port: number): void {
  bytes[at] = port >> 8;
  bytes[at + 1] = port & 0xff;
}

function readPort(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}
