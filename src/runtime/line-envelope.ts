import type { Address } from "../effects/network.ts";
import { ago } from "./ago.ts";
import { HOST_BYTES, packHost, unpackHost } from "./host-bytes.ts";

/**
 * What a line envelope adds to a datagram, in bytes:
 * `[version:1][family:1][destination:16][port:2][source:16][port:2][time:8]`, integers big-endian,
 * IPv4 addresses as IPv4-mapped IPv6 addresses (RFC 4291, section 2.5.5.2). The time is that of
 * {@link machineUs} when the datagram entered the line, or left it.
 */
export const ENVELOPE_BYTES = 46;

/** A datagram on its way through a line emulator. */
export type Envelope = {
  readonly from: Address;
  readonly to: Address;
  /** How long ago it entered or left the line, in microseconds; 0 where that is not known. */
  readonly agoUs: number;
  /** A view of the envelope. */
  readonly payload: Uint8Array;
};

/** The time in microseconds by the clock that all programs of a machine share. */
export function machineUs(): number {
  return Number(process.hrtime.bigint() / 1_000n);
}

/**
 * Wraps a datagram for a line emulator, which carries it to `to` as if it came from `from` and
 * enters the line now.
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
  stampEnvelope(envelope, machineUs());
  envelope.set(payload, ENVELOPE_BYTES);
  return envelope;
}

/** Notes in an envelope when it has left the line, or will have. */
export function stampEnvelope(envelope: Uint8Array, atUs: number): void {
  viewOf(envelope).setBigUint64(TIME_AT, BigInt(Math.floor(atUs)));
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
    // Anybody can write anything into it, and programs of other machines have other clocks.
    agoUs: ago(machineUs(), Number(viewOf(bytes).getBigUint64(TIME_AT))),
    payload: bytes.subarray(ENVELOPE_BYTES),
  };
}

const VERSION = 1;
const DESTINATION_AT = 2;
const SOURCE_AT = DESTINATION_AT + HOST_BYTES + 2;
const TIME_AT = SOURCE_AT + HOST_BYTES + 2;

function viewOf(envelope: Uint8Array): DataView {
  return new DataView(envelope.buffer, envelope.byteOffset, ENVELOPE_BYTES);
}

function writePort(bytes: Uint8Array, at: number, port: number): void {
  bytes[at] = port >> 8;
  bytes[at + 1] = port & 0xff;
}

function readPort(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}
