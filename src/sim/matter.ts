import { equalBytes } from "../base/bytes.ts";
import type { Prng } from "../base/prng.ts";
import type { ManifestPiece } from "../content/manifest.ts";
import { decodeSignedManifest } from "../content/manifest-codec.ts";
import type { Crypto } from "../effects/crypto.ts";

/** How a package is cut: into equal pieces, of which the last may be shorter. */
export type PackageShape = {
  readonly pieces: number;
  readonly pieceBytes: number;
  readonly lastBytes?: number;
};

/** What packages of a world are made of. */
export type Matter = {
  /** Makes the bytes of a package, cut into pieces. */
  make(shape: PackageShape): readonly Uint8Array[];

  /** The hash of a piece that was made here. */
  sha256(piece: Uint8Array): Uint8Array;

  /** What is kept of bytes that are to be this piece; `undefined` where they are not. */
  verified(wanted: ManifestPiece, bytes: Uint8Array): Uint8Array | undefined;

  readonly readManifest: typeof decodeSignedManifest;
};

/** How far from each other pieces begin that nobody looks at. */
const PLACE_BYTES = 16;

/** Random bytes, which are hashed: what a device is sent is looked at to the last bit. */
export function realMatter(crypto: Pick<Crypto, "sha256">, prng: Prng): Matter {
  return {
    make: (shape) =>
      Array.from({ length: shape.pieces }, (_, index) => {
        const length = lengthOf(shape, index);
        const words = Uint32Array.from({ length: Math.ceil(length / 4) }, () => prng.next());
        return new Uint8Array(words.buffer, 0, length);
      }),
    sha256: (piece) => crypto.sha256(piece),
    verified: (wanted, bytes) =>
      equalBytes(crypto.sha256(bytes), wanted.sha256) ? bytes : undefined,
    readManifest: decodeSignedManifest,
  };
}

/**
 * Bytes that have a length and a place and that nobody ever touches, for packages of gigabytes on a
 * hundred thousand devices. A piece is right where it is that very stretch of its package's memory.
 * Stretches lie over each other, so that a package has hardly more memory than its longest piece.
 */
export function weightlessMatter(crypto: Pick<Crypto, "sha256">): Matter {
  const hashes = new Map<ArrayBufferLike, Map<number, Uint8Array>>();
  const read = new WeakMap<ArrayBufferLike, ReturnType<typeof decodeSignedManifest>>();
  let packages = 0;
  return {
    make: (shape) => {
      const { pieces, pieceBytes } = shape;
      const buffer = new ArrayBuffer(pieces * PLACE_BYTES + pieceBytes);
      const made = Array.from(
        { length: pieces },
        (_, index) => new Uint8Array(buffer, index * PLACE_BYTES, lengthOf(shape, index)),
      );
      packages += 1;
      const own = made.map(({ byteOffset }) => {
        const name = new Uint8Array(16);
        const view = new DataView(name.buffer);
        view.setUint32(0, packages);
        view.setFloat64(8, byteOffset);
        return [byteOffset, crypto.sha256(name)] as const;
      });
      hashes.set(buffer, new Map(own));
      return made;
    },
    sha256: (piece) => hashes.get(piece.buffer)?.get(piece.byteOffset) ?? crypto.sha256(piece),
    verified: (wanted, bytes) => {
      const hash = hashes.get(bytes.buffer)?.get(bytes.byteOffset);
      const right = hash !== undefined && equalBytes(hash, wanted.sha256);
      return right && bytes.length === wanted.sizeBytes ? bytes : undefined;
    },
    readManifest: (signed) => {
      const known = read.get(signed.buffer);
      if (known !== undefined) return known;
      const decoded = decodeSignedManifest(signed);
      read.set(signed.buffer, decoded);
      return decoded;
    },
  };
}

function lengthOf({ pieces, pieceBytes, lastBytes }: PackageShape, index: number): number {
  return index === pieces - 1 ? (lastBytes ?? pieceBytes) : pieceBytes;
}
