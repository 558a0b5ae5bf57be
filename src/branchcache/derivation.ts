import { concat } from "../base/bytes.ts";
import type { BranchCacheCrypto } from "./crypto.ts";
import { digest, type HashScheme } from "./scheme.ts";

/**
 * The constant that goes into every segment id: `MS_P2P_CACHING` in UTF-16LE with its NUL.
 *
 * MS-PCCRC 2.2 calls it a string of ASCII; what Windows sends can only be had with this one.
 */
const ID_CONSTANT: Uint8Array = utf16le("MS_P2P_CACHING\0");

/** Ks of a content server: the hash of the secret key that it was configured with (CI1). */
export function serverSecret(
  crypto: BranchCacheCrypto,
  scheme: HashScheme,
  secretKey: Uint8Array,
): Uint8Array {
  return digest(crypto, scheme, secretKey);
}

/** Kp: what a server's secret makes of the hash of a segment's data (CI3). */
export function segmentSecret(
  crypto: BranchCacheCrypto,
  scheme: HashScheme,
  given: { readonly serverSecret: Uint8Array; readonly hashOfData: Uint8Array },
): Uint8Array {
  return keyed(crypto, scheme, given.serverSecret, given.hashOfData);
}

/** HoHoDk: under which peers find a segment without learning what it is (CI4). */
export function segmentId(
  crypto: BranchCacheCrypto,
  scheme: HashScheme,
  given: { readonly secret: Uint8Array; readonly hashOfData: Uint8Array },
): Uint8Array {
  return keyed(crypto, scheme, given.secret, concat([given.hashOfData, ID_CONSTANT]));
}

/** The secret key that Windows makes of a passphrase (`netsh branchcache set key`) (CI5). */
export function passphraseKey(passphrase: string): Uint8Array {
  return utf16le(passphrase);
}

/** The code units of a text, the low byte of each first. */
export function utf16le(text: string): Uint8Array {
  const bytes = new Uint8Array(2 * text.length);
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    bytes[2 * index] = unit;
    bytes[2 * index + 1] = unit >>> 8;
  }
  return bytes;
}

function keyed(
  crypto: BranchCacheCrypto,
  scheme: HashScheme,
  key: Uint8Array,
  bytes: Uint8Array,
): Uint8Array {
  return crypto.hmac(scheme.hash, key, bytes).subarray(0, scheme.digestBytes);
}
