import type { Crypto } from "../../effects/crypto.ts";
import type { Violate } from "./checker.ts";

/** How many seals are remembered: beyond it the oldest half is forgotten. */
const SEALS_MAX = 1_000_000;

/**
 * A record number is never sealed twice under one key: AES-GCM gives both texts and its key away if
 * it is. Discovery's keys seal once, under a nonce of zeros.
 */
export function watchSeals(crypto: Crypto, violate: Violate): Crypto {
  let young = new Set<number>();
  let old = new Set<number>();
  return {
    ...crypto,
    seal: (key, nonce, aad, plaintext) => {
      const used = fingerprint(key, nonce);
      if (young.has(used) || old.has(used)) {
        violate("seals", `a record is sealed under a key and a nonce that were used before`);
      }
      young.add(used);
      if (young.size > SEALS_MAX / 2) {
        old = young;
        young = new Set();
      }
      return crypto.seal(key, nonce, aad, plaintext);
    },
  };
}

/** 52 bits of both. */
function fingerprint(key: Uint8Array, nonce: Uint8Array): number {
  let low = 0x81_1c_9d_c5;
  let high = 0x01_93_5f_b1;
  for (const bytes of [key, nonce]) {
    for (const byte of bytes) {
      low = Math.imul(low ^ byte, 0x01_00_01_93);
      high = Math.imul(high ^ (byte + (low >>> 13)), 0x85_eb_ca_6b);
    }
  }
  return (high >>> 12) * 0x1_00_00_00_00 + (low >>> 0);
}
