/** The hash functions of content information, under the names that OpenSSL knows. */
export type HashName = "sha256" | "sha384" | "sha512";

/**
 * The synchronous functions that the machines and codecs of BranchCache are handed.
 *
 * The product's own `Crypto` has none of these: nothing else in it needs CBC or SHA-512, and
 * somebody who takes this folder elsewhere brings five functions and nothing more.
 */
export type BranchCacheCrypto = {
  /** Bytes that nobody can foretell: secrets and initialisation vectors. */
  randomBytes(lengthBytes: number): Uint8Array;

  hash(name: HashName, bytes: Uint8Array): Uint8Array;

  /** HMAC (RFC 2104) with the same hash functions. */
  hmac(name: HashName, key: Uint8Array, bytes: Uint8Array): Uint8Array;

  /**
   * AES-CBC (NIST SP 800-38A) without any padding.
   *
   * @param key - 16, 24 or 32 bytes. @param iv - 16 bytes. @param plaintext - Whole blocks of 16.
   */
  encryptCbc(key: Uint8Array, iv: Uint8Array, plaintext: Uint8Array): Uint8Array;

  /** The other way round, of as many whole blocks of 16. */
  decryptCbc(key: Uint8Array, iv: Uint8Array, ciphertext: Uint8Array): Uint8Array;
};

/** A block of AES, and so an initialisation vector, in bytes. */
export const AES_BLOCK_BYTES = 16;

/** Appends the padding of PKCS#7 (RFC 5652, section 6.3): 1 to 16 bytes. */
export function padPkcs7(bytes: Uint8Array): Uint8Array {
  const count = AES_BLOCK_BYTES - (bytes.length % AES_BLOCK_BYTES);
  const padded = new Uint8Array(bytes.length + count).fill(count);
  padded.set(bytes);
  return padded;
}

/** What `padPkcs7` was given; `undefined` where the bytes do not end so. */
export function unpadPkcs7(padded: Uint8Array): Uint8Array | undefined {
  const count = padded.at(-1) ?? 0;
  if (count < 1 || count > AES_BLOCK_BYTES || count > padded.length) return undefined;
  const end = padded.length - count;
  return padded.subarray(end).every((byte) => byte === count) ? padded.subarray(0, end) : undefined;
}
