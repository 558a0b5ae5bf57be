import { ByteReader } from "../base/byte-reader.ts";
import { ByteWriter } from "../base/byte-writer.ts";
import { equalBytes } from "../base/bytes.ts";
import { invariant } from "../base/invariant.ts";
import { err, ok, type Result } from "../base/result.ts";
import { decodeCbor, encodeCbor } from "../wire/cbor.ts";
import {
  byteString,
  type Codec,
  field,
  integer,
  list,
  mapped,
  optional,
  structure,
  text,
} from "../wire/codec.ts";
import { MANIFEST_BYTES_MAX } from "../wire/messages.ts";
import type { Manifest, ManifestAction, ManifestFile, ManifestPiece } from "./manifest.ts";
import { checkManifest } from "./manifest-rules.ts";

/** Length of a SHA-256, in bytes. */
export const HASH_BYTES = 32;

/** Length of an Ed25519 public key, in bytes. */
export const PUBLISHER_KEY_BYTES = 32;

/** Length of an Ed25519 signature, in bytes. */
export const SIGNATURE_BYTES = 64;

/** Why bytes are no signed manifest: too many, not of the form, or at odds with themselves. */
export type ManifestError = {
  readonly kind: "too-large" | "malformed" | "inconsistent";
  /** A sentence for the operator. */
  readonly problem: string;
};

/** A manifest as it travels, taken apart but not yet trusted. */
export type SignedManifest = {
  readonly manifest: Manifest;
  /** What the content id is the SHA-256 of. */
  readonly body: Uint8Array;
  readonly signature: Uint8Array;
};

/** The two byte strings of a signed manifest. */
export type SignedParts = Pick<SignedManifest, "body" | "signature">;

/**
 * Encodes a manifest as its body: deterministic CBOR (RFC 8949, section 4.2.1), so that equal
 * manifests have equal content ids. Pieces are two byte strings: their hashes one behind the
 * other, and their sizes as 32-bit integers, big-endian; their offsets follow from the sizes.
 */
export function encodeManifest(manifest: Manifest): Uint8Array {
  const { pieces, action, ...rest } = manifest;
  return encodeCbor(
    BODY.encode({
      format: FORMAT,
      ...rest,
      ...encodePieces(pieces),
      ...(action === undefined ? {} : { action }),
    }),
  );
}

/** Decodes a manifest's body; total. Every rule of `manifest-rules.ts` holds for what it returns. */
export function decodeManifest(body: Uint8Array): Result<Manifest, ManifestError> {
  if (body.length > MANIFEST_BYTES_MAX) return err(TOO_LARGE);
  const value = decodeCbor(body);
  const decoded = value === undefined ? undefined : BODY.decode(value);
  const pieces = decoded && decodePieces(decoded.pieceHashes, decoded.pieceSizes);
  if (decoded === undefined || pieces === undefined) return err(MALFORMED);
  const { format: _format, pieceHashes: _hashes, pieceSizes: _sizes, ...rest } = decoded;
  const manifest: Manifest = { ...rest, pieces };
  const problem = checkManifest(manifest);
  if (problem !== undefined) return err({ kind: "inconsistent", problem });
  // The codec passes over fields it does not know. A manifest says what may run on a device: what
  // a later version means by a field of its own must not be ignored, so it has another format.
  return equalBytes(encodeManifest(manifest), body) ? ok(manifest) : err(MALFORMED);
}

/** Encodes a signed manifest: a CBOR array of the body and its signature. */
export function encodeSignedManifest(body: Uint8Array, signature: Uint8Array): Uint8Array {
  invariant(signature.length === SIGNATURE_BYTES, "an Ed25519 signature has 64 bytes");
  return encodeCbor([body, signature]);
}

/** Takes a signed manifest apart without looking at its body; total. */
export function splitSignedManifest(bytes: Uint8Array): Result<SignedParts, ManifestError> {
  if (bytes.length > MANIFEST_BYTES_MAX) return err(TOO_LARGE);
  const value = decodeCbor(bytes);
  if (!Array.isArray(value) || value.length !== 2) return err(MALFORMED);
  const [body, signature] = value;
  if (!(body instanceof Uint8Array) || !(signature instanceof Uint8Array)) return err(MALFORMED);
  return signature.length === SIGNATURE_BYTES ? ok({ body, signature }) : err(MALFORMED);
}

/**
 * Decodes a signed manifest; total. Says nothing about who signed it: see `signed-manifest.ts`.
 *
 * @returns The manifest, whose byte strings are views of `bytes`.
 */
export function decodeSignedManifest(bytes: Uint8Array): Result<SignedManifest, ManifestError> {
  const parts = splitSignedManifest(bytes);
  if (!parts.ok) return parts;
  const manifest = decodeManifest(parts.value.body);
  return manifest.ok ? ok({ manifest: manifest.value, ...parts.value }) : manifest;
}

const TOO_LARGE: ManifestError = {
  kind: "too-large",
  problem: `The manifest is larger than ${MANIFEST_BYTES_MAX} bytes.`,
};

const MALFORMED: ManifestError = {
  kind: "malformed",
  problem: "The manifest is damaged, or was made by a newer Branchline than this one.",
};

/** Number of the manifest's format. A program refuses the formats that it does not know. */
const FORMAT = 1;

/** The smallest file takes 44 bytes, so the bound on all bytes allows no more. */
const FILES_MAX: number = Math.floor(MANIFEST_BYTES_MAX / 44);

/** Most empty folders; as many as there can be files. */
const FOLDERS_MAX: number = FILES_MAX;

/** The smallest piece takes 36 bytes, so the bound on all bytes allows no more. */
const PIECES_MAX: number = Math.floor(MANIFEST_BYTES_MAX / (HASH_BYTES + 4));

const hash = byteString(HASH_BYTES, HASH_BYTES);

/** Text for a command line, which cannot have a zero in it. */
function argument(lengthMax: number): Codec<string> {
  const keep = (value: string) => (value.includes("\0") ? undefined : value);
  return mapped<string, string>(text(lengthMax), (value) => value, keep);
}

const file = structure<ManifestFile>({
  path: field(1, text(1_024)),
  sizeBytes: field(2, integer()),
  mode: field(3, integer(0, 0o777)),
  sha256: field(4, hash),
});

const action = structure<ManifestAction>({
  command: field(1, argument(4_096)),
  arguments: field(2, list(argument(32_768), 1_024)),
  exitCodes: field(3, list(integer(-(2 ** 31), 2 ** 32 - 1), 1_024)),
});

type Body = Omit<Manifest, "pieces"> & {
  readonly format: number;
  readonly pieceHashes: Uint8Array;
  readonly pieceSizes: Uint8Array;
};

const BODY = structure<Body>({
  format: field(1, integer(FORMAT, FORMAT)),
  name: field(2, text(128)),
  version: field(3, text(128)),
  type: field(4, text(128)),
  signedAtS: field(5, integer()),
  publisher: field(6, byteString(PUBLISHER_KEY_BYTES, PUBLISHER_KEY_BYTES)),
  files: field(7, list(file, FILES_MAX)),
  emptyFolders: field(8, list(text(1_024), FOLDERS_MAX)),
  sizeBytes: field(9, integer()),
  sha256: field(10, hash),
  pieceHashes: field(11, byteString(0, PIECES_MAX * HASH_BYTES)),
  pieceSizes: field(12, byteString(0, PIECES_MAX * 4)),
  action: optional(13, action),
});

function encodePieces(pieces: readonly ManifestPiece[]): Pick<Body, "pieceHashes" | "pieceSizes"> {
  const hashes = new ByteWriter(pieces.length * HASH_BYTES);
  const sizes = new ByteWriter(pieces.length * 4);
  for (const { sha256, sizeBytes } of pieces) {
    hashes.bytes(sha256);
    sizes.u32(sizeBytes);
  }
  return { pieceHashes: hashes.written(), pieceSizes: sizes.written() };
}

function decodePieces(hashes: Uint8Array, sizes: Uint8Array): ManifestPiece[] | undefined {
  if (sizes.length % 4 !== 0 || hashes.length !== (sizes.length / 4) * HASH_BYTES) return undefined;
  const [hashReader, sizeReader] = [new ByteReader(hashes), new ByteReader(sizes)];
  const pieces: ManifestPiece[] = [];
  for (let offsetBytes = 0; sizeReader.remaining > 0; ) {
    const sizeBytes = sizeReader.u32();
    pieces.push({ offsetBytes, sizeBytes, sha256: hashReader.bytes(HASH_BYTES) });
    offsetBytes += sizeBytes;
  }
  return pieces;
}
