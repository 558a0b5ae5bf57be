import { describe, expect, test } from "vitest";
import { concat } from "../base/bytes.ts";
import { fromHex, toHex } from "../base/hex.ts";
import { TAG_BYTES } from "../effects/crypto.ts";
import { fastestCrypto, nodeCrypto } from "./crypto.ts";

test("SHA-256 gives the digest that FIPS 180 publishes for 'abc'", () => {
  const digest = nodeCrypto.sha256(bytes("616263"));

  expect(toHex(digest)).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
});

test("HMAC gives the codes of RFC 4231, test cases 1, 2 and 6", () => {
  const codes = [
    nodeCrypto.hmac(repeated(0x0b, 20), bytes("4869205468657265")),
    nodeCrypto.hmac(
      bytes("4a656665"),
      bytes("7768617420646f2079612077616e7420666f72206e6f7468696e673f"),
    ),
    nodeCrypto.hmac(
      repeated(0xaa, 131),
      new TextEncoder().encode("Test Using Larger Than Block-Size Key - Hash Key First"),
    ),
  ];

  expect(codes.map(toHex)).toEqual([
    "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
  ]);
});

test("HKDF gives the key of RFC 5869, test case 3 (empty salt and info)", () => {
  const key = nodeCrypto.hkdf(repeated(0x0b, 22), new Uint8Array(), 42);

  expect(toHex(key)).toBe(
    "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
  );
});

test("HKDF mixes in the info as RFC 5869 section 2 writes it down", () => {
  const secret = repeated(7, 32);
  const info = bytes("00ff10");

  const extracted = nodeCrypto.hmac(new Uint8Array(32), secret);
  const first = nodeCrypto.hmac(extracted, concat([info, bytes("01")]));
  const second = nodeCrypto.hmac(extracted, concat([first, info, bytes("02")]));

  expect(nodeCrypto.hkdf(secret, info, 64)).toEqual(concat([first, second]));
});

/** Test cases 13, 14 and 16 of the GCM specification that NIST SP 800-38D took over. */
const GCM_VECTORS = [
  {
    key: "00".repeat(32),
    nonce: "00".repeat(12),
    aad: "",
    plaintext: "",
    sealed: ["", "530f8afbc74536b9a963b4f1c4cb738b"],
  },
  {
    key: "00".repeat(32),
    nonce: "00".repeat(12),
    aad: "",
    plaintext: "00".repeat(16),
    sealed: ["cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919"],
  },
  {
    key: "feffe9928665731c6d6a8f9467308308".repeat(2),
    nonce: "cafebabefacedbaddecaf888",
    aad: "feedfacedeadbeeffeedfacedeadbeefabaddad2",
    plaintext:
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72" +
      "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
    sealed: [
      "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa" +
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
      "76fc6ece0f4e1768cddf8853bb2d551b",
    ],
  },
];

const fastest = await fastestCrypto();

test("this platform has more than the runtime's own AES-256-GCM", ({ skip }) => {
  skip(process.platform !== "linux", "only Linux promises to show the runtime's OpenSSL");
  expect(fastest).not.toBe(nodeCrypto);
});

describe.each([
  { name: "the runtime's own", crypto: nodeCrypto },
  { name: "the fastest", crypto: fastest },
])("AES-256-GCM, $name", ({ crypto }) => {
  test("sealing gives the published AES-256-GCM ciphertext and tag, and opening undoes it", () => {
    for (const vector of GCM_VECTORS) {
      const [key, nonce, aad] = [bytes(vector.key), bytes(vector.nonce), bytes(vector.aad)];

      const sealed = crypto.seal(key, nonce, aad, bytes(vector.plaintext));

      expect(toHex(sealed)).toBe(vector.sealed.join(""));
      expect(crypto.open(key, nonce, aad, sealed)).toEqual(bytes(vector.plaintext));
    }
  });

  test("nothing opens once a single bit of it, of the data beside it or of the key has changed", () => {
    const parts = {
      key: repeated(1, 32),
      nonce: repeated(2, 12),
      aad: repeated(3, 16),
      sealed: crypto.seal(repeated(1, 32), repeated(2, 12), repeated(3, 16), repeated(4, 40)),
    };

    for (const name of ["key", "nonce", "aad", "sealed"] as const) {
      for (let index = 0; index < parts[name].length; index += 1) {
        const changed = { ...parts, [name]: flipped(parts[name], index) };
        const { key, nonce, aad, sealed } = changed;
        expect(crypto.open(key, nonce, aad, sealed)).toBeUndefined();
      }
    }
  });

  test("opening refuses input of every other length without throwing", () => {
    const key = repeated(1, 32);
    const nonce = repeated(2, 12);
    const none = new Uint8Array();

    for (let length = 0; length <= 3 * TAG_BYTES; length += 1) {
      expect(crypto.open(key, nonce, none, repeated(9, length))).toBeUndefined();
      if (length === 32 || length === 12) continue;
      expect(crypto.open(repeated(1, length), nonce, none, repeated(9, 40))).toBeUndefined();
      expect(crypto.open(key, repeated(2, length), none, repeated(9, 40))).toBeUndefined();
    }
  });

  test("what is opened lies where it was wanted, and what was sealed is as it was", () => {
    const [key, nonce, aad] = [repeated(1, 32), repeated(2, 12), repeated(3, 9)];
    for (const length of [0, 1, 1_200, 61_440]) {
      const text = nodeCrypto.randomBytes(length);
      const sealed = crypto.seal(key, nonce, aad, text).slice();
      const before = sealed.slice();
      const into = new Uint8Array(length);

      expect(crypto.open(key, nonce, aad, sealed, into)).toBe(into);
      expect(into).toEqual(text);
      expect(crypto.open(key, nonce, aad, sealed)).toEqual(text);
      expect(crypto.open(key, nonce, aad, flipped(sealed, length), into)).toBeUndefined();
      expect(sealed).toEqual(before);
    }
  });

  test("both make the same of the same", () => {
    const [key, nonce, aad] = [repeated(1, 32), repeated(2, 12), repeated(3, 9)];
    const text = nodeCrypto.randomBytes(61_440);

    expect(crypto.seal(key, nonce, aad, text)).toEqual(nodeCrypto.seal(key, nonce, aad, text));
  });

  test("what does not fit is refused before anything is written", () => {
    const [key, nonce, aad] = [repeated(1, 32), repeated(2, 12), repeated(3, 9)];
    const sealed = crypto.seal(key, nonce, aad, repeated(4, 40)).slice();
    const short = new Uint8Array(39);

    expect(() => crypto.open(key, nonce, aad, sealed, short)).toThrow();
    expect(() => crypto.seal(repeated(1, 31), nonce, aad, repeated(4, 40))).toThrow();
  });
});

test("what is returned is a plain array whose slices are copies", () => {
  const key = repeated(1, 32);
  const nonce = repeated(2, 12);
  const none = new Uint8Array();
  const sealed = nodeCrypto.seal(key, nonce, none, repeated(5, 10));

  const returned = [
    nodeCrypto.randomBytes(8),
    nodeCrypto.sha256(none),
    nodeCrypto.hmac(key, none),
    nodeCrypto.hkdf(key, none, 8),
    sealed,
    nodeCrypto.open(key, nonce, none, sealed),
  ];

  for (const bytes of returned) expect(bytes?.constructor).toBe(Uint8Array);
});

test("random bytes have the length that was asked for and differ from call to call", () => {
  const drawn = Array.from({ length: 100 }, () => nodeCrypto.randomBytes(16));

  expect(drawn.every((bytes) => bytes.length === 16)).toBe(true);
  expect(new Set(drawn.map(toHex)).size).toBe(drawn.length);
});

function bytes(hex: string): Uint8Array {
  const decoded = fromHex(hex);
  if (decoded === undefined) throw new Error(`not hexadecimal: ${hex}`);
  return decoded;
}

function repeated(byte: number, count: number): Uint8Array {
  return new Uint8Array(count).fill(byte);
}

function flipped(original: Uint8Array, index: number): Uint8Array {
  return original.map((byte, at) => (at === index ? byte ^ 1 : byte));
}
