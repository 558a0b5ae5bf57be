/**
 * Why associations end, beside the refusals of a certificate (`REFUSAL_CLOSE_CODES`, 16 to 31).
 *
 * Numbers are part of the wire format and never change.
 */
export const CLOSE_CODES = {
  /** The program ends, or has no more use for the association. */
  done: 1,
  /** There is another association between the two. */
  duplicate: 2,
  /** The peer owed us an answer for too long. */
  silent: 3,
  /** The peer sent something that no version of the protocol allows. */
  "protocol-error": 4,
  /** The TLS handshake failed. */
  "handshake-failed": 5,
  /** The peer did not answer, or not to the end of the handshake. */
  unreachable: 6,
  /** There is no protocol version that both speak. */
  "version-mismatch": 7,
  /** Packet numbers have run out: a new association takes over. */
  exhausted: 8,
  /** Too many records did not open. */
  integrity: 9,
  /** The server has a newer association with the device. */
  replaced: 256,
  /** The certificate is good, but the server does not know the device. */
  "unknown-device": 257,
  /** The device's version is older than the server works with. */
  "version-too-old": 258,
  /** The device's version is newer than the server works with. */
  "version-too-new": 259,
} as const;

/** The name of a reason to close. */
export type CloseCode = keyof typeof CLOSE_CODES;

const NAMES = new Map<number, string>(
  Object.entries(CLOSE_CODES).map(([name, number]) => [number, name]),
);

/** The name of a code that a peer sent; the number itself where we do not know it. */
export function closeName(code: number): string {
  return NAMES.get(code) ?? `code ${code}`;
}

/** The reason with this number; `done` where there is none. */
export function closeCodeOf(code: number): CloseCode {
  return (NAMES.get(code) ?? "done") as CloseCode;
}
