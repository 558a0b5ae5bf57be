import { hash, randomBytes } from "node:crypto";

/** The alphabet of base32 (RFC 4648, section 6). */
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** A key has 160 random bits: so many that a plain SHA-256 of it tells nobody anything. */
const KEY_BYTES = 20;
const KEY_CHARACTERS = 32;
const GROUP_CHARACTERS = 4;

/** Makes a security key, as it is shown once: eight groups of four characters. */
export function createSecurityKey(): string {
  let bits = 0n;
  for (const byte of randomBytes(KEY_BYTES)) bits = (bits << 8n) | BigInt(byte);
  let text = "";
  for (let index = 0; index < KEY_CHARACTERS; index += 1) {
    text = `${ALPHABET[Number(bits & 31n)]}${text}`;
    bits >>= 5n;
  }
  return (text.match(new RegExp(`.{${GROUP_CHARACTERS}}`, "g")) ?? []).join("-");
}

/**
 * Reads a key as a person may have typed it: in either case, with dashes and white space anywhere.
 *
 * @returns The characters of the key alone, or `undefined` where it cannot be one.
 */
export function parseSecurityKey(text: string): string | undefined {
  const characters = text.replace(/[\s-]/g, "").toUpperCase();
  return /^[A-Z2-7]{32}$/.test(characters) ? characters : undefined;
}

/** What is kept of a key: the SHA-256 of its characters, in hexadecimal digits. */
export function securityKeyHash(characters: string): string {
  return hash("sha256", characters, "hex");
}
