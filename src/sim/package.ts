import { type ContentId, contentIdOf } from "../base/ids.ts";
import { invariant } from "../base/invariant.ts";
import type { Prng } from "../base/prng.ts";
import { encodeManifest, encodeSignedManifest } from "../content/manifest-codec.ts";
import type { Crypto } from "../effects/crypto.ts";
import type { Matter, PackageShape } from "./matter.ts";

/** A package as a publisher makes it, with its pieces. */
export type SimPackage = {
  readonly contentId: ContentId;
  readonly signed: Uint8Array;
  readonly pieces: readonly Uint8Array[];
  readonly sizeBytes: number;
};

/** The id of a content: in simulated worlds by the world's own hash. */
export function simContentId(crypto: Crypto, body: Uint8Array): ContentId {
  const contentId = contentIdOf(crypto.sha256(body));
  invariant(contentId !== undefined, "a hash has the length of a content id");
  return contentId;
}

/** Makes a package of equal pieces, or of a shorter last one. */
export function makePackage(
  crypto: Crypto,
  prng: Prng,
  matter: Matter,
  shape: PackageShape,
): SimPackage {
  const pieces = matter.make(shape);
  const sizeBytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const sha256 = new Uint8Array(32);
  const body = encodeManifest({
    name: "package",
    version: `${prng.next()}`,
    type: "application",
    signedAtS: 1_800_000_000,
    files: [{ path: "package.bin", sizeBytes, mode: 0o644, sha256 }],
    emptyFolders: [],
    sizeBytes,
    sha256,
    pieces: pieces.map((piece, index) => ({
      offsetBytes: index * shape.pieceBytes,
      sizeBytes: piece.length,
      sha256: matter.sha256(piece),
    })),
    publisher: new Uint8Array(32),
  });
  const signed = encodeSignedManifest(body, new Uint8Array(64));
  return { contentId: simContentId(crypto, body), signed, pieces, sizeBytes };
}
