import { open } from "node:fs/promises";
import type { ContentHashesV1, ContentHashesV2 } from "../branchcache/content-hashes.ts";
import { HashBuilderV1 } from "../branchcache/hash-builder-v1.ts";
import { HashBuilderV2 } from "../branchcache/hash-builder-v2.ts";
import { branchCacheCrypto } from "./node-crypto.ts";

/** The versions of content information that a file is hashed for. */
export type HashVersions = readonly (1 | 2)[];

/** What one pass over a file brings. */
export type FileHashes = { readonly v1?: ContentHashesV1; readonly v2?: ContentHashesV2 };

/** How much is read at once: whole blocks, so that none is copied. */
const READ_BYTES = 1 << 20;

/**
 * Hashes a file for BranchCache in one pass, reading ahead while it hashes.
 *
 * @throws What the file system has to say.
 */
export async function hashFile(
  path: string,
  versions: HashVersions,
  signal?: AbortSignal,
): Promise<FileHashes> {
  const v1 = versions.includes(1) ? new HashBuilderV1(branchCacheCrypto) : undefined;
  const v2 = versions.includes(2) ? new HashBuilderV2(branchCacheCrypto) : undefined;
  const file = await open(path, "r");
  try {
    const buffers = [new Uint8Array(READ_BYTES), new Uint8Array(READ_BYTES)] as const;
    let at = 0;
    let turn = 0;
    let next = file.read(buffers[0], 0, READ_BYTES, at);
    for (;;) {
      const { bytesRead, buffer } = await next;
      if (bytesRead === 0) break;
      signal?.throwIfAborted();
      at += bytesRead;
      turn = 1 - turn;
      next = file.read(buffers[turn === 0 ? 0 : 1], 0, READ_BYTES, at);
      const chunk = buffer.subarray(0, bytesRead);
      v1?.push(chunk);
      v2?.push(chunk);
    }
  } finally {
    await file.close();
  }
  return { ...(v1 && { v1: v1.finish() }), ...(v2 && { v2: v2.finish() }) };
}
