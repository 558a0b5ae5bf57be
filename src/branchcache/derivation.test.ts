import { describe, expect, test } from "vitest";
import { branchCacheCrypto as crypto } from "../peerdist/node-crypto.ts";
import { passphraseKey, segmentId, segmentSecret, serverSecret } from "./derivation.ts";
import { digest, SCHEME_V1, SCHEME_V2 } from "./scheme.ts";
import { CAPTURED_KEY, SEGMENTS_V1, SEGMENTS_V2 } from "./test-vectors.ts";

describe.each([
  { name: "version 1", scheme: SCHEME_V1, segments: SEGMENTS_V1 },
  { name: "version 2", scheme: SCHEME_V2, segments: SEGMENTS_V2 },
])("$name, as Windows sent it", ({ scheme, segments }) => {
  test("CI1, CI3: the server's secret and the hash of its data make a segment's secret", () => {
    const secret = serverSecret(crypto, scheme, CAPTURED_KEY);

    for (const { hashOfData, secret: wanted } of segments) {
      expect(segmentSecret(crypto, scheme, { serverSecret: secret, hashOfData })).toEqual(wanted);
    }
  });

  test("CI4: a segment's id is a keyed hash of its data's hash and the constant", () => {
    for (const { hashOfData, secret, id } of segments) {
      expect(segmentId(crypto, scheme, { secret, hashOfData })).toEqual(id);
    }
  });
});

test("CI2: the hash of a segment's data is that of its block hashes", () => {
  const [segment] = SEGMENTS_V1;
  const joined = Uint8Array.from(segment?.blockHashes.flatMap((hash) => [...hash]) ?? []);

  expect(digest(crypto, SCHEME_V1, joined)).toEqual(segment?.hashOfData);
});

test("CI5: a passphrase is taken as UTF-16, the low byte first and without an end", () => {
  expect(passphraseKey("Aé€")).toEqual(Uint8Array.of(0x41, 0, 0xe9, 0, 0xac, 0x20));
});
