import { expect, test } from "vitest";
import { branchCacheCrypto as crypto } from "../peerdist/node-crypto.ts";
import { exportServerKey, importServerKey } from "./server-key.ts";
import { CAPTURED_KEY } from "./test-vectors.ts";

test("CI13: a key comes back from its file with the passphrase, whatever its length", () => {
  for (const lengthBytes of [1, 15, 16, 17, 32, 100]) {
    const key = crypto.randomBytes(lengthBytes);

    expect(importServerKey(crypto, exportServerKey(crypto, key, "a b"), "a b")).toEqual(key);
  }
});

test("CI13: the file is AES-256-CBC of the key's hash and the key, under the passphrase's hash", () => {
  const file = exportServerKey(crypto, CAPTURED_KEY, "p");
  const fileKey = crypto.hash("sha256", Uint8Array.of(0x70, 0));
  const plaintext = crypto.decryptCbc(fileKey, new Uint8Array(16), file);

  expect(file.length).toBe(80);
  expect(plaintext.subarray(0, 32)).toEqual(crypto.hash("sha256", CAPTURED_KEY));
  expect(plaintext.subarray(32, 64)).toEqual(CAPTURED_KEY);
  expect(plaintext.subarray(64)).toEqual(new Uint8Array(16).fill(16));
});

test("CI13: another passphrase, and what is no such file, give nothing", () => {
  const file = exportServerKey(crypto, CAPTURED_KEY, "right");

  expect(importServerKey(crypto, file, "wrong")).toBeUndefined();
  expect(importServerKey(crypto, file.subarray(0, 64), "right")).toBeUndefined();
  expect(importServerKey(crypto, file.subarray(1), "right")).toBeUndefined();
  expect(importServerKey(crypto, new Uint8Array(0), "right")).toBeUndefined();
  expect(importServerKey(crypto, new Uint8Array(1 << 20), "right")).toBeUndefined();
});
