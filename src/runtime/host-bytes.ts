import ipaddr from "ipaddr.js";

/** Length of an IP address in bytes: IPv4 addresses are mapped (RFC 4291, section 2.5.5.2). */
export const HOST_BYTES = 16;

/** How many packed addresses are remembered. */
const PACKED_MAX = 4096;
const packed = new Map<string, Uint8Array>();

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

/** The text form of the 16 bytes at `at`, which Node gives too. */
export function unpackHost(bytes: Uint8Array, at: number): string {
  for (let index = 0; index < 12; index += 1) {
    if (bytes[at + index] !== (index < 10 ? 0 : 0xff)) return readIpv6(bytes, at);
  }
  return ipv4Text(bytes, at + 12);
}

function readIpv6(bytes: Uint8Array, at: number): string {
  return new ipaddr.IPv6([...bytes.subarray(at, at + HOST_BYTES)]).toRFC5952String();
}

/** The text form of the four bytes of an IPv4 address at `at`. */
export function ipv4Text(bytes: Uint8Array, at: number): string {
  return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
}
