import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  hash,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from "node:crypto";
import { type Crypto, KEY_BYTES, NONCE_BYTES, TAG_BYTES } from "../effects/crypto.ts";
import { nativeGcm } from "./native-gcm.ts";

const CIPHER = "aes-256-gcm";
const NO_SALT = new Uint8Array(0);

/**
 * The functions that the pure folders are handed, by OpenSSL through Node.
 *
 * Everything is returned as a plain `Uint8Array` and never as a `Buffer`, whose `slice` shares
 * memory where the pure folders expect a copy. `open` gives `undefined` for input of any length
 * that it cannot open and never throws; `seal` throws for a key or nonce of the wrong length,
 * which is a mistake of ours.
 */
export const nodeCrypto: Crypto = {
  randomBytes(length) {
    return plain(randomBytes(length));
  },

  sha256(bytes) {
    return plain(hash("sha256", bytes, "buffer"));
  },

  hmac(key, bytes) {
    return plain(createHmac("sha256", key).update(bytes).digest());
  },

  hkdf(secret, info, lengthBytes) {
    return new Uint8Array(hkdfSync("sha256", secret, NO_SALT, info, lengthBytes));
  },

  seal(key, nonce, aad, plaintext) {
    const cipher = createCipheriv(CIPHER, keyObject(key), nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(aad);
    const sealed = sealedMemory(plaintext.length + TAG_BYTES);
    sealed.set(cipher.update(plaintext));
    cipher.final();
    sealed.set(cipher.getAuthTag(), plaintext.length);
    return sealed;
  },

  open(key, nonce, aad, sealed, into) {
    if (!isOpenable(key, nonce, sealed)) return undefined;
    const tagAt = sealed.length - TAG_BYTES;
    const decipher = createDecipheriv(CIPHER, keyObject(key), nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(aad);
    decipher.setAuthTag(sealed.subarray(tagAt));
    const plaintext = decipher.update(sealed.subarray(0, tagAt));
    try {
      decipher.final();
    } catch {
      // The one thing that `final` can say here is that the tag does not fit.
      return undefined;
    }
    if (into === undefined) return plain(plaintext);
    into.set(plaintext);
    return into;
  },
};

/** The same functions as {@link nodeCrypto}, with the fastest AES-256-GCM that there is here. */
export async function fastestCrypto(): Promise<Crypto> {
  const gcm = await nativeGcm();
  if (gcm === undefined) return nodeCrypto;
  return {
    ...nodeCrypto,

    seal(key, nonce, aad, plaintext) {
      const sealed = sealedMemory(plaintext.length + TAG_BYTES);
      gcm.seal(key, nonce, aad, plaintext, sealed);
      return sealed;
    },

    open(key, nonce, aad, sealed, into = new Uint8Array(Math.max(0, sealed.length - TAG_BYTES))) {
      if (!isOpenable(key, nonce, sealed)) return undefined;
      return gcm.open(key, nonce, aad, sealed, into) ? into : undefined;
    },
  };
}

function isOpenable(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array): boolean {
  const sound = key.length === KEY_BYTES && nonce.length === NONCE_BYTES;
  return sound && sealed.length >= TAG_BYTES;
}

let memory = new Uint8Array(65_536);

/** Where sealed text goes: an array for each record would keep the garbage collector at work. */
function sealedMemory(lengthBytes: number): Uint8Array {
  if (memory.length < lengthBytes) memory = new Uint8Array(lengthBytes);
  return memory.subarray(0, lengthBytes);
}

/** Wrapping a key takes three times as long as sealing something small, so it is done once. */
const keyObjects = new WeakMap<Uint8Array, KeyObject>();

function keyObject(key: Uint8Array): KeyObject {
  const known = keyObjects.get(key);
  if (known !== undefined) return known;
  const made = createSecretKey(key);
  keyObjects.set(key, made);
  return made;
}

function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
