import { hash } from "node:crypto";

/**
 * The SHA-256 of a certificate as an operator reads and compares it: lower-case hexadecimal digits
 * in sixteen groups of four, joined by colons.
 *
 * What is compared is the fingerprint of the authority's certificate: it stays the same when the
 * server's own certificate is renewed.
 */
export function fingerprintOf(der: Uint8Array): string {
  return hash("sha256", der, "hex").replace(/(....)(?=.)/g, "$1:");
}

/**
 * Reads a fingerprint as a person may have typed or pasted it: digits of either case, with colons,
 * dashes and white space anywhere.
 *
 * @returns The 64 lower-case hexadecimal digits, or `undefined` where it is not a SHA-256.
 */
export function parseFingerprint(text: string): string | undefined {
  const digits = text.replace(/[\s:-]/g, "").toLowerCase();
  return /^[0-9a-f]{64}$/.test(digits) ? digits : undefined;
}
