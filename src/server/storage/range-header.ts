import type { ByteRange } from "./blob-storage.ts";

/**
 * Reads a header `range` (RFC 9110, section 14.2) against a blob of this size.
 *
 * @returns The one range that is asked for; `whole` where none is, or something that a server may
 * pass over, such as several; `unsatisfiable` where it has nothing of the blob.
 */
export function readRange(
  header: string | undefined,
  sizeBytes: number,
): ByteRange | "whole" | "unsatisfiable" {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec((header ?? "").trim());
  const [, from = "", to = ""] = match ?? [];
  if (match === null || (from === "" && to === "")) return "whole";
  if (from === "") {
    const lengthBytes = Math.min(Number(to), sizeBytes);
    if (lengthBytes === 0) return "unsatisfiable";
    return { offsetBytes: sizeBytes - lengthBytes, lengthBytes };
  }
  const offsetBytes = Number(from);
  const last = to === "" ? sizeBytes - 1 : Math.min(Number(to), sizeBytes - 1);
  // A range that ends before it begins is none at all.
  if (to !== "" && Number(to) < offsetBytes) return "whole";
  if (offsetBytes > last) return "unsatisfiable";
  return { offsetBytes, lengthBytes: last - offsetBytes + 1 };
}
