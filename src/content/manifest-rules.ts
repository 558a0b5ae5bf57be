import { PIECE_BYTES_MAX } from "./chunker.ts";
import type { Manifest } from "./manifest.ts";
import { checkPath, checkWord, collidingPaths, comparePaths } from "./path-rules.ts";

/** The permission bits a file of a content may have: written by its owner, read by all, run or not. */
export const FILE_MODES = { plain: 0o644, executable: 0o755 } as const;

/**
 * Checks what the form of a manifest does not show: that its sizes agree, that its paths are safe,
 * sorted and different on every device, and that its words can be parts of paths.
 *
 * @returns A sentence that says what is wrong; `undefined` where nothing is.
 */
export function checkManifest(manifest: Manifest): string | undefined {
  return wordsProblem(manifest) ?? sizesProblem(manifest) ?? pathsProblem(manifest);
}

function wordsProblem(manifest: Manifest): string | undefined {
  for (const what of ["name", "version", "type"] as const) {
    const checked = checkWord(what, manifest[what]);
    if (!checked.ok) return checked.error;
  }
  return undefined;
}

function sizesProblem({ files, pieces, sizeBytes }: Manifest): string | undefined {
  if (files.length === 0) return "The manifest has no file.";
  if (files.reduce((total, file) => total + file.sizeBytes, 0) !== sizeBytes) {
    return "The sizes of the files do not add up to the size of the content.";
  }
  if (pieces.some((piece) => piece.sizeBytes === 0 || piece.sizeBytes > PIECE_BYTES_MAX)) {
    return `A piece is empty or larger than ${PIECE_BYTES_MAX} bytes.`;
  }
  if (pieces.reduce((total, piece) => total + piece.sizeBytes, 0) !== sizeBytes) {
    return "The sizes of the pieces do not add up to the size of the content.";
  }
  return undefined;
}

function pathsProblem({ files, emptyFolders }: Manifest): string | undefined {
  const paths = files.map((file) => file.path);
  for (const path of [...paths, ...emptyFolders]) {
    const checked = checkPath(path);
    if (!checked.ok) return checked.error;
  }
  const collision = collidingPaths(paths, emptyFolders);
  if (collision !== undefined) return collision.problem;
  if (!isSorted(paths) || !isSorted(emptyFolders)) return "The paths are not in order.";
  const modes: readonly number[] = Object.values(FILE_MODES);
  const odd = files.find((file) => !modes.includes(file.mode));
  return odd && `The file ${JSON.stringify(odd.path)} has permissions other than 644 and 755.`;
}

function isSorted(paths: readonly string[]): boolean {
  return paths.every(
    (path, index) => index === 0 || comparePaths(paths[index - 1] ?? "", path) < 0,
  );
}
