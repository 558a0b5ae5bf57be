import { toHex } from "../base/hex.ts";
import { type ContentId, contentIdBytes } from "../base/ids.ts";
import { encodeUtf8 } from "../base/utf8.ts";
import type { Crypto } from "../effects/crypto.ts";

/**
 * The name of the file that holds a content's complete transfer at an origin (row B12).
 *
 * Whoever knows the content id can compute it. Whoever sees the name, as the operator of a CDN does,
 * learns nothing that a device would take for the id.
 */
export function originName(crypto: Pick<Crypto, "hmac">, contentId: ContentId): string {
  return toHex(crypto.hmac(contentIdBytes(contentId), encodeUtf8("branchline origin")));
}
