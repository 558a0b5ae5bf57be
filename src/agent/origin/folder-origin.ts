import { open } from "node:fs/promises";
import { join } from "node:path";
import type { OriginRange } from "../../effects/origin.ts";
import { errorCode, readFully } from "../store/disk.ts";
import { OriginFailure } from "./origin-failure.ts";

/**
 * Reads a range of a package that lies in a folder, such as a share of a file server.
 *
 * @throws OriginFailure where the package is not there, or not as it should be.
 */
export async function fetchFromFolder(folder: string, range: OriginRange): Promise<Uint8Array> {
  const path = join(folder, range.name);
  try {
    await using file = await open(path, "r");
    const stats = await file.stat();
    if (!stats.isFile()) throw new OriginFailure("absent", `${path} is no file.`);
    if (stats.size !== range.totalBytes) {
      throw new OriginFailure(
        "wrong-length",
        `${path} has ${stats.size} bytes instead of ${range.totalBytes}: copy the package there again.`,
      );
    }
    const bytes = new Uint8Array(range.lengthBytes);
    const readBytes = await readFully(file, bytes, range.offsetBytes);
    if (readBytes === range.lengthBytes) return bytes;
    throw new OriginFailure("broken-off", `${path} ended while it was read.`);
  } catch (error) {
    const code = errorCode(error);
    if (code === undefined) throw error;
    if (code === "ENOENT" || code === "ENOTDIR") {
      throw new OriginFailure("absent", `The package is not in ${folder}.`);
    }
    throw new OriginFailure(
      "unreachable",
      `${path} cannot be read (${code}): check the folder and its permissions.`,
    );
  }
}
