import { concat } from "../base/bytes.ts";
import { type ContentId, contentIdBytes, type DeviceId, deviceIdBytes } from "../base/ids.ts";
import { encodeUtf8 } from "../base/utf8.ts";
import type { Crypto } from "../effects/crypto.ts";

/** Length of a tag, in bytes. */
const TAG_BYTES = 16;

/**
 * What an asker sends in place of a content id: who knows the id recognises it, nobody else learns
 * it, and it is of no use to a third device.
 */
export function contentTag(
  crypto: Crypto,
  contentId: ContentId,
  way: { readonly asker: DeviceId; readonly answerer: DeviceId },
): Uint8Array {
  const text = concat([
    encodeUtf8("branchline open"),
    deviceIdBytes(way.asker),
    deviceIdBytes(way.answerer),
  ]);
  return crypto.hmac(contentIdBytes(contentId), text).slice(0, TAG_BYTES);
}
