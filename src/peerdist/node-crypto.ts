import { createCipheriv, createDecipheriv, createHmac, hash, randomBytes } from "node:crypto";
import type { BranchCacheCrypto } from "../branchcache/crypto.ts";

/** The functions that `branchcache/` is handed, by OpenSSL through Node. */
export const branchCacheCrypto: BranchCacheCrypto = {
  randomBytes(lengthBytes) {
    return plain(randomBytes(lengthBytes));
  },

  hash(name, bytes) {
    return plain(hash(name, bytes, "buffer"));
  },

  hmac(name, key, bytes) {
    return plain(createHmac(name, key).update(bytes).digest());
  },

  encryptCbc(key, iv, plaintext) {
    const cipher = createCipheriv(`aes-${8 * key.length}-cbc`, key, iv).setAutoPadding(false);
    return joined(cipher.update(plaintext), cipher.final());
  },

  decryptCbc(key, iv, ciphertext) {
    const decipher = createDecipheriv(`aes-${8 * key.length}-cbc`, key, iv).setAutoPadding(false);
    return joined(decipher.update(ciphertext), decipher.final());
  },
};

/** Without padding nothing is left for the end. */
function joined(most: Buffer, rest: Buffer): Uint8Array {
  return plain(rest.length === 0 ? most : Buffer.concat([most, rest]));
}

/** Never a `Buffer`, whose `slice` shares memory where the pure folders expect a copy. */
function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
