/**
 * The synchronous functions that the pure folders are handed at construction.
 *
 * `randomBytes` is for secrets (association ids, cookies): the real one comes from the operating
 * system, and only the simulator feeds it from its seed.
 */
export type Crypto = {
  randomBytes(length: number): Uint8Array;

  /** SHA-256 of something small; pieces and files are hashed by request instead. */
  sha256(bytes: Uint8Array): Uint8Array;

  /** HMAC-SHA-256 (RFC 2104). */
  hmac(key: Uint8Array, bytes: Uint8Array): Uint8Array;

  /** HKDF-SHA-256 (RFC 5869) with an empty salt. */
  hkdf(secret: Uint8Array, info: Uint8Array, lengthBytes: number): Uint8Array;

  /**
   * AES-256-GCM (NIST SP 800-38D).
   *
   * @param key - 32 bytes. @param nonce - 12 bytes, never used twice with one key.
   * @returns The ciphertext followed by its 16-byte tag; good until the next call, of whomever.
   */
  seal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array;

  /**
   * The plaintext of what `seal` made, or `undefined` where the tag does not fit.
   *
   * @param into - Where the plaintext goes: as long as it is, and no part of `sealed`. Of no
   * meaning where nothing is returned. By default memory of its own.
   */
  open(
    key: Uint8Array,
    nonce: Uint8Array,
    aad: Uint8Array,
    sealed: Uint8Array,
    into?: Uint8Array,
  ): Uint8Array | undefined;
};

/** Length of an AES-256-GCM key, in bytes. */
export const KEY_BYTES = 32;

/** Length of a nonce, in bytes. */
export const NONCE_BYTES = 12;

/** How much longer a sealed text is than its plaintext, in bytes. */
export const TAG_BYTES = 16;
