import type { Prng } from "../base/prng.ts";
import { type Crypto, TAG_BYTES } from "../effects/crypto.ts";

/**
 * Functions with the shape of the real ones, for worlds in which nobody attacks the arithmetic.
 *
 * What is sealed stays legible and its tag is a keyed checksum: fast, the same on every machine,
 * and as sure as the real one to notice a changed bit.
 */
export function toyCrypto(prng: Prng): Crypto {
  return {
    randomBytes: (length) => Uint8Array.from({ length }, () => prng.below(256)),
    sha256: (bytes) => digest(32, [bytes]),
    hmac: (key, bytes) => digest(32, [key, bytes]),
    hkdf: (secret, info, lengthBytes) => digest(lengthBytes, [secret, info]),
    seal: (key, nonce, aad, plaintext) => {
      const sealed = new Uint8Array(plaintext.length + TAG_BYTES);
      sealed.set(plaintext);
      sealed.set(digest(TAG_BYTES, [key, nonce, aad, plaintext]), plaintext.length);
      return sealed;
    },
    open: (key, nonce, aad, sealed, into = new Uint8Array(sealed.length)) => {
      if (sealed.length < TAG_BYTES) return undefined;
      const plaintext = sealed.subarray(0, sealed.length - TAG_BYTES);
      const tag = digest(TAG_BYTES, [key, nonce, aad, plaintext]);
      const right = tag.every((byte, index) => byte === sealed[plaintext.length + index]);
      into.set(plaintext);
      return right ? into.subarray(0, plaintext.length) : undefined;
    },
  };
}

/** A checksum of `lengthBytes` over all parts and their lengths (FNV-1a, stirred at the end). */
function digest(lengthBytes: number, parts: readonly Uint8Array[]): Uint8Array {
  let state = 0x81_1c_9d_c5;
  for (const part of parts) {
    state = Math.imul(state ^ part.length, 0x01_00_01_93);
    const words = part.length >> 2;
    const view = new DataView(part.buffer, part.byteOffset, part.length);
    for (let word = 0; word < words; word += 1) {
      state = Math.imul(state ^ view.getInt32(4 * word, true), 0x01_00_01_93);
      state ^= state >>> 15;
    }
    for (let index = 4 * words; index < part.length; index += 1) {
      state = Math.imul(state ^ (part[index] ?? 0), 0x01_00_01_93);
    }
  }
  return Uint8Array.from({ length: lengthBytes }, (_, index) => {
    let x = Math.imul(state + index, 0x9e_37_79_b9);
    x = Math.imul(x ^ (x >>> 15), 0x85_eb_ca_6b);
    return (x ^ (x >>> 13)) & 255;
  });
}
