import { toHex } from "../base/hex.ts";
import type { ContentId } from "../base/ids.ts";
import { verifySignedManifest } from "../content/signed-manifest.ts";
import type { ManifestOutcome } from "../coordinator/contract.ts";
import { manifestCrypto, type Publisher } from "../runtime/publisher-key.ts";

/** Decides whether the server takes in a manifest: it must carry the signature of a publisher. */
export function judgeManifest(
  publishers: readonly Publisher[],
  contentId: ContentId,
  signed: Uint8Array,
): ManifestOutcome {
  const pinned = publishers.map(({ key }) => key);
  const verified = verifySignedManifest(signed, contentId, pinned, manifestCrypto);
  if (!verified.ok) return { kind: "refused", code: "manifest-refused", reason: verified.error };
  const manifest = verified.value;
  const publisher = toHex(manifest.publisher);
  const files = manifest.files.map(({ path, sizeBytes, mode, sha256 }) => ({
    path,
    sizeBytes,
    mode,
    sha256: toHex(sha256),
  }));
  return {
    kind: "accepted",
    facts: {
      contentId,
      name: manifest.name,
      version: manifest.version,
      type: manifest.type,
      sizeBytes: manifest.sizeBytes,
      pieces: manifest.pieces.length,
      files: files.length,
      publisher,
      publisherName: publishers.find(({ key }) => toHex(key) === publisher)?.name ?? "",
      sha256: toHex(manifest.sha256),
    },
    files,
  };
}
