import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toHex } from "../base/hex.ts";
import { decodeCbor, encodeCbor } from "../wire/cbor.ts";
import { MANIFEST_BYTES_MAX } from "../wire/messages.ts";
import type { Manifest } from "./manifest.ts";
import {
  decodeManifest,
  decodeSignedManifest,
  encodeManifest,
  encodeSignedManifest,
} from "./manifest-codec.ts";

test("a manifest comes back from its body as it was", () => {
  for (const manifest of [MANIFEST, WITH_ACTION, EMPTY]) {
    expect(decodeManifest(encodeManifest(manifest))).toEqual({ ok: true, value: manifest });
  }
});

test("CO1: the body of a known manifest never changes: its hash is the content id", () => {
  expect(toHex(encodeManifest(EMPTY))).toBe(
    `ac01010261650361310461610507065820${"09".repeat(32)}0781a40161780200031901a404${ZEROS}` +
      `088009000a${ZEROS}0b400c40`,
  );
});

test("CO2: a signed manifest holds the body and the signature byte for byte", () => {
  const body = encodeManifest(MANIFEST);
  const signature = new Uint8Array(64).fill(5);

  const decoded = decodeSignedManifest(encodeSignedManifest(body, signature));

  expect(decoded).toEqual({ ok: true, value: { manifest: MANIFEST, body, signature } });
});

describe("a manifest is refused", () => {
  test.each<[string, Partial<Manifest>, string]>([
    ["with files that do not add up", { sizeBytes: 299 }, "files"],
    ["with pieces that do not add up", { pieces: MANIFEST.pieces.slice(1) }, "pieces"],
    ["with an empty piece", { pieces: [piece(0, 0), ...MANIFEST.pieces] }, "piece"],
    ["with a piece that is too large", large(), "larger"],
    ["without a file", { files: [], pieces: [], sizeBytes: 0 }, "no file"],
    ["with a path that leaves", { emptyFolders: [".."] }, ".."],
    ["with names that differ only by case", { emptyFolders: ["LIB", "lib"] }, "case"],
    ["with paths out of order", { emptyFolders: ["z", "y"] }, "order"],
    ["with a file out of order", { files: [...MANIFEST.files].reverse() }, "order"],
    ["with a name that is a path", { name: "../x" }, "name"],
    ["with a version that is a path", { version: "1/2" }, "version"],
    ["with a mode that gives more", { files: withMode(0o777) }, "permissions"],
  ])("%s", (_what, change, word) => {
    const decoded = decodeManifest(encodeManifest({ ...MANIFEST, ...change }));
    expect(decoded).toMatchObject({ ok: false, error: { kind: "inconsistent" } });
    expect(decoded.ok ? "" : decoded.error.problem).toContain(word);
  });

  test("CO3: with a field that this version does not know", () => {
    const body = decodeCbor(encodeManifest(MANIFEST)) as ReadonlyMap<number, number>;
    const more = encodeCbor(new Map([...body, [99, 1]]));
    expect(decodeManifest(more)).toMatchObject({ ok: false, error: { kind: "malformed" } });
  });

  test("CO3: of another format", () => {
    const body = decodeCbor(encodeManifest(MANIFEST)) as ReadonlyMap<number, number>;
    const later = encodeCbor(new Map([...body, [1, 2]]));
    expect(decodeManifest(later)).toMatchObject({ ok: false, error: { kind: "malformed" } });
  });

  test("CO2: of more bytes than any may have", () => {
    const bytes = new Uint8Array(MANIFEST_BYTES_MAX + 1);
    expect(decodeSignedManifest(bytes)).toMatchObject({ ok: false, error: { kind: "too-large" } });
  });
});

describe("decoding is total", () => {
  test("for any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        expect(typeof decodeSignedManifest(bytes).ok).toBe("boolean");
        expect(typeof decodeManifest(bytes).ok).toBe("boolean");
      }),
    );
  });

  test("for a manifest with some bytes changed: refused, or still one and the same encoding", () => {
    const good = encodeManifest(WITH_ACTION);
    const change = fc.tuple(fc.nat(good.length - 1), fc.integer({ min: 0, max: 255 }));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
        const bytes = good.slice();
        for (const [at, value] of changes) bytes[at] = value;
        const decoded = decodeManifest(bytes);
        if (decoded.ok) expect(encodeManifest(decoded.value)).toEqual(bytes);
      }),
      { numRuns: 2_000 },
    );
  });

  test("for a manifest that is cut anywhere: refused", () => {
    const good = encodeSignedManifest(encodeManifest(MANIFEST), new Uint8Array(64));
    for (let length = 0; length < good.length; length += 1) {
      expect(decodeSignedManifest(good.subarray(0, length)).ok).toBe(false);
    }
  });
});

const ZEROS = `5820${"00".repeat(32)}`;

const MANIFEST: Manifest = {
  name: "tool",
  version: "1.2",
  type: "application",
  signedAtS: 1_700_000_000,
  files: [
    { path: "a", sizeBytes: 100, mode: 0o644, sha256: hash(1) },
    { path: "b/c", sizeBytes: 200, mode: 0o755, sha256: hash(2) },
  ],
  emptyFolders: ["d", "e/f"],
  sizeBytes: 300,
  sha256: hash(3),
  pieces: [piece(0, 120), piece(120, 180)],
  publisher: hash(4),
};

const WITH_ACTION: Manifest = {
  ...MANIFEST,
  action: { command: "b/c", arguments: ["--quiet", "ü"], exitCodes: [0, 3010, -1] },
};

const EMPTY: Manifest = {
  name: "e",
  version: "1",
  type: "a",
  signedAtS: 7,
  files: [{ path: "x", sizeBytes: 0, mode: 0o644, sha256: hash(0) }],
  emptyFolders: [],
  sizeBytes: 0,
  sha256: hash(0),
  pieces: [],
  publisher: hash(9),
};

function hash(value: number): Uint8Array {
  return new Uint8Array(32).fill(value);
}

function piece(offsetBytes: number, sizeBytes: number): Manifest["pieces"][number] {
  return { offsetBytes, sizeBytes, sha256: hash(offsetBytes & 0xff) };
}

function large(): Partial<Manifest> {
  const sizeBytes = 2 ** 20 + 1;
  const files = [{ path: "a", sizeBytes, mode: 0o644, sha256: hash(1) }];
  return { files, sizeBytes, pieces: [piece(0, sizeBytes)] };
}

function withMode(mode: number): Manifest["files"] {
  return MANIFEST.files.map((file) => ({ ...file, mode }));
}
