import type { FileHandle } from "node:fs/promises";
import { equalBytes } from "../../base/bytes.ts";
import { errorCode, readFully, sha256 } from "./disk.ts";
import { pieceOf, type StoredContent } from "./stored-content.ts";

/** Whether a piece as it lies on the disk is what the manifest says. */
export async function isIntact(
  content: StoredContent,
  piece: number,
  file: FileHandle,
): Promise<boolean> {
  const { sizeBytes = 0, offsetBytes = 0, sha256: expected } = pieceOf(content, piece) ?? {};
  const bytes = new Uint8Array(sizeBytes);
  const readable = await isReadable(file, bytes, offsetBytes);
  return readable && expected !== undefined && equalBytes(sha256(bytes), expected);
}

async function isReadable(
  file: FileHandle,
  bytes: Uint8Array,
  offsetBytes: number,
): Promise<boolean> {
  try {
    return (await readFully(file, bytes, offsetBytes)) === bytes.length;
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return false;
  }
}
