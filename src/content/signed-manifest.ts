import { concat, equalBytes } from "../base/bytes.ts";
import { type ContentId, contentIdOf } from "../base/ids.ts";
import { invariant } from "../base/invariant.ts";
import { err, ok, type Result } from "../base/result.ts";
import { encodeUtf8 } from "../base/utf8.ts";
import type { Manifest } from "./manifest.ts";
import {
  decodeManifest,
  encodeManifest,
  encodeSignedManifest,
  splitSignedManifest,
} from "./manifest-codec.ts";

/** What checking a manifest takes; the world brings it. */
export type VerifyManifest = {
  sha256(bytes: Uint8Array): Uint8Array;

  /** Whether `signature` is the Ed25519 signature of `message` by `publicKey` (RFC 8032). */
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
};

/** What signing a manifest takes. `sign` makes an Ed25519 signature by the publisher's key. */
export type SignManifest = {
  sha256(bytes: Uint8Array): Uint8Array;
  sign(message: Uint8Array): Uint8Array;
};

/** A manifest that a publisher has signed, as it travels, and the name of its content. */
export type ManifestForTravel = { readonly contentId: ContentId; readonly signed: Uint8Array };

/** Signs a manifest. `manifest.publisher` must be the public part of the key that signs. */
export function signManifest(manifest: Manifest, crypto: SignManifest): ManifestForTravel {
  const body = encodeManifest(manifest);
  const contentId = contentIdOf(crypto.sha256(body));
  invariant(contentId !== undefined, "a SHA-256 has the length of a content id");
  return { contentId, signed: encodeSignedManifest(body, crypto.sign(signedMessage(body))) };
}

/**
 * Decides whether to believe a manifest: its body must hash to the content id, and carry the
 * signature of the pinned publisher that it names. The body is decoded only after that.
 *
 * @param pinned - The public keys that this device accepts, 32 bytes each.
 * @returns The manifest, whose byte strings are views of `bytes`, or a sentence for the operator.
 */
export function verifySignedManifest(
  bytes: Uint8Array,
  contentId: ContentId,
  pinned: readonly Uint8Array[],
  crypto: VerifyManifest,
): Result<Manifest, string> {
  const parts = splitSignedManifest(bytes);
  if (!parts.ok) return err(parts.error.problem);
  const { body, signature } = parts.value;
  if (contentIdOf(crypto.sha256(body)) !== contentId) {
    return err("The manifest does not belong to this content: its hash is not the content id.");
  }
  const message = signedMessage(body);
  const signer = pinned.find((key) => crypto.verify(key, message, signature));
  if (signer === undefined) {
    return err("The manifest is not signed by a publisher that this device accepts.");
  }
  const manifest = decodeManifest(body);
  if (!manifest.ok) return err(manifest.error.problem);
  if (!equalBytes(manifest.value.publisher, signer)) {
    return err("The manifest names another publisher than the one that signed it.");
  }
  return ok(manifest.value);
}

/** Keeps a signature of a manifest from passing as one of anything else that the key may sign. */
const DOMAIN = encodeUtf8("branchline-manifest-1\n");

function signedMessage(body: Uint8Array): Uint8Array {
  return concat([DOMAIN, body]);
}
