import { KEY_BYTES, NONCE_BYTES, TAG_BYTES } from "../effects/crypto.ts";

/**
 * AES-256-GCM as `effects/crypto.ts` wants it, straight from the OpenSSL that is part of the
 * runtime.
 *
 * The runtime's own objects cost some 10 us for each record, and an array of its size, which is
 * most of what a record costs: here one context serves all, what it makes goes where it is told,
 * and a record of 60 KB takes a quarter of the time.
 */
export type NativeGcm = {
  /** Writes ciphertext and tag to `into`, which is as long as both. */
  seal(
    key: Uint8Array,
    nonce: Uint8Array,
    aad: Uint8Array,
    plaintext: Uint8Array,
    into: Uint8Array,
  ): void;

  /** Writes the plaintext to `into`, which is as long; `false` where the tag does not fit. */
  open(
    key: Uint8Array,
    nonce: Uint8Array,
    aad: Uint8Array,
    sealed: Uint8Array,
    into: Uint8Array,
  ): boolean;
};

/** What EVP_CIPHER_CTX_ctrl is to do (OpenSSL, evp.h). */
const GET_TAG = 0x10;
const SET_TAG = 0x11;

type Pointer = unknown;
type Init = (
  context: Pointer,
  cipher: Pointer,
  key: Uint8Array,
  nonce: Uint8Array,
  params: null,
) => number;
type Update = (
  context: Pointer,
  out: Uint8Array | null,
  length: Int32Array,
  input: Uint8Array,
  lengthBytes: number,
) => number;
type Final = (context: Pointer, out: Uint8Array, length: Int32Array) => number;

let loading: Promise<NativeGcm | undefined> | undefined;

/** `undefined` where the runtime does not show its OpenSSL, or it is one without these functions. */
export function nativeGcm(): Promise<NativeGcm | undefined> {
  loading ??= load();
  return loading;
}

async function load(): Promise<NativeGcm | undefined> {
  try {
    const { default: koffi } = await import("koffi");
    const runtime = koffi.load(null);
    const bytes = "const void *";
    const context = "void *";
    const fetch = runtime.func("EVP_CIPHER_fetch", "void *", ["void *", "str", "str"]);
    const make = runtime.func("EVP_CIPHER_CTX_new", "void *", []);
    const init = (name: string): Init =>
      runtime.func(name, "int", [context, "void *", bytes, bytes, "void *"]);
    const update = (name: string): Update =>
      runtime.func(name, "int", [context, bytes, bytes, bytes, "int"]);
    const final = (name: string): Final => runtime.func(name, "int", [context, bytes, bytes]);
    const control: (context: Pointer, what: number, length: number, tag: Uint8Array) => number =
      runtime.func("EVP_CIPHER_CTX_ctrl", "int", [context, "int", "int", bytes]);
    const seals = {
      init: init("EVP_EncryptInit_ex2"),
      update: update("EVP_EncryptUpdate"),
      final: final("EVP_EncryptFinal_ex"),
    };
    const opens = {
      init: init("EVP_DecryptInit_ex2"),
      update: update("EVP_DecryptUpdate"),
      final: final("EVP_DecryptFinal_ex"),
    };
    const cipher = fetch(null, "AES-256-GCM", null);
    // Kept for as long as the process lives.
    const [sealing, opening] = [make(), make()];
    if (cipher === null || sealing === null || opening === null) return undefined;
    const done = new Int32Array(1);
    const none = new Uint8Array(TAG_BYTES);
    return {
      seal(key, nonce, aad, plaintext, into) {
        check(key, nonce, into.length === plaintext.length + TAG_BYTES);
        const { length } = plaintext;
        const tag = into.subarray(length);
        const made =
          seals.init(sealing, cipher, key, nonce, null) === 1 &&
          seals.update(sealing, null, done, aad, aad.length) === 1 &&
          seals.update(sealing, into, done, plaintext, length) === 1 &&
          seals.final(sealing, none, done) === 1 &&
          control(sealing, GET_TAG, TAG_BYTES, tag) === 1;
        if (!made) throw new Error("OpenSSL cannot seal");
      },

      open(key, nonce, aad, sealed, into) {
        const length = sealed.length - TAG_BYTES;
        check(key, nonce, into.length === length);
        const tag = sealed.subarray(length);
        return (
          opens.init(opening, cipher, key, nonce, null) === 1 &&
          control(opening, SET_TAG, TAG_BYTES, tag) === 1 &&
          opens.update(opening, null, done, aad, aad.length) === 1 &&
          opens.update(opening, into, done, sealed, length) === 1 &&
          opens.final(opening, none, done) === 1
        );
      },
    };
  } catch {
    // The runtime's own functions do the same, only slower.
    return undefined;
  }
}

/** OpenSSL is told where to read and write, and believes it. */
function check(key: Uint8Array, nonce: Uint8Array, fits: boolean): void {
  const sound = key.length === KEY_BYTES && nonce.length === NONCE_BYTES && fits;
  if (!sound) throw new Error("a key, nonce or memory of the wrong length");
}
