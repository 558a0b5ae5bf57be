import { err, ok, type Result } from "../base/result.ts";
import { encodeUtf8 } from "../base/utf8.ts";

/** Most bytes of a path, in UTF-8. */
export const PATH_BYTES_MAX = 1_024;

/** Most bytes of one part of a path, in UTF-8: what common file systems can name. */
export const PART_BYTES_MAX = 255;

/** Most parts of a path: bounds what a check of all of its folders costs. */
export const PATH_PARTS_MAX = 128;

/** Most bytes of a content's name, version or type, in UTF-8. */
export const WORD_BYTES_MAX = 128;

/** Names that Windows keeps for devices, whatever follows after a dot. */
const DEVICE_NAME = /^(?:con|prn|aux|nul|clock\$|conin\$|conout\$|(?:com|lpt)[0-9¹²³])$/i;

// The control characters are what the rule is about.
// biome-ignore lint/suspicious/noControlCharactersInRegex: it refuses them.
const CONTROL_CHARACTER = /[\u0000-\u001f\u007f-\u009f]/;

/**
 * Checks the path of a file or folder of a content: every device must be able to create it, and
 * none may be led out of the folder where it puts the content.
 *
 * @param path - Relative, `/` between its parts.
 * @returns The path, or a sentence that says what is wrong with it.
 */
export function checkPath(path: string): Result<string, string> {
  const problem = pathProblem(path);
  return problem === undefined ? ok(path) : err(`The path ${JSON.stringify(path)} ${problem}.`);
}

/**
 * Checks a content's name, version or type, which become parts of paths on devices: the rules for
 * one part of a path, 128 bytes at most, and no dot at its start (such names are the store's own).
 *
 * @param what - What the sentence calls it, such as `name`.
 * @returns The word, or a sentence that says what is wrong with it.
 */
export function checkWord(what: string, word: string): Result<string, string> {
  const problem = wordProblem(word);
  return problem === undefined ? ok(word) : err(`The ${what} ${JSON.stringify(word)} ${problem}.`);
}

/**
 * Orders paths by their bytes in UTF-8, which is the order of files in a manifest. Negative where
 * `a` is first.
 */
export function comparePaths(a: string, b: string): number {
  const shared = Math.min(a.length, b.length);
  for (let index = 0; index < shared; index += 1) {
    const difference = utf8Rank(a.charCodeAt(index)) - utf8Rank(b.charCodeAt(index));
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** Two paths that cannot both exist on every device, and a sentence that says why. */
export type Collision = {
  readonly first: string;
  readonly second: string;
  readonly problem: string;
};

/**
 * Finds two paths of a content that some device could not keep apart: the same twice, names (also
 * of the folders on the way) that differ only by case, or a file where a folder must be.
 *
 * Case is compared by lower-casing without regard to language. File systems differ in rare
 * letters; where they fold more than this, delivery fails with an error and nothing is overwritten.
 *
 * @param emptyFolders - Folders that must have nothing in them.
 * @returns The first such pair, `undefined` where there is none.
 */
export function collidingPaths(
  files: readonly string[],
  emptyFolders: readonly string[] = [],
): Collision | undefined {
  const seen = new Map<string, Seen>();
  for (const path of files) {
    const collision = addWithFolders(seen, path, "file");
    if (collision !== undefined) return collision;
  }
  for (const path of emptyFolders) {
    const collision = addWithFolders(seen, path, "empty folder");
    if (collision !== undefined) return collision;
  }
  return undefined;
}

function pathProblem(path: string): string | undefined {
  if (path.startsWith("/")) return "begins with a slash, but must be relative to the package";
  const problem = characterProblem(path);
  if (problem !== undefined) return problem;
  if (encodeUtf8(path).length > PATH_BYTES_MAX) return `is longer than ${PATH_BYTES_MAX} bytes`;
  const parts = path.split("/");
  if (parts.length > PATH_PARTS_MAX) return `has more than ${PATH_PARTS_MAX} parts`;
  for (const part of parts) {
    const partProblem = partProblemOf(part);
    if (partProblem !== undefined) return partProblem;
  }
  return undefined;
}

function wordProblem(word: string): string | undefined {
  if (word.includes("/")) return "contains a slash";
  if (word.startsWith(".")) return "begins with a dot";
  if (encodeUtf8(word).length > WORD_BYTES_MAX) return `is longer than ${WORD_BYTES_MAX} bytes`;
  return characterProblem(word) ?? partProblemOf(word);
}

function characterProblem(path: string): string | undefined {
  if (path === "") return "is empty";
  if (/\p{Surrogate}/u.test(path)) return "is not proper Unicode";
  if (path.normalize("NFC") !== path) {
    return "is not in Unicode's composed form (NFC), so that it could have a double";
  }
  if (path.includes("\\")) return "contains a backslash, which Windows takes for a separator";
  if (path.includes(":")) return "contains a colon, which Windows takes for a drive or a stream";
  if (CONTROL_CHARACTER.test(path)) return "contains a control character";
  return undefined;
}

function partProblemOf(part: string): string | undefined {
  if (part === "") return "has an empty part";
  if (part === "." || part === "..") return `has a part "${part}", which could leave the package`;
  if (/[. ]$/.test(part)) {
    return `has a part ${JSON.stringify(part)} that ends in a dot or space, which Windows drops`;
  }
  if (encodeUtf8(part).length > PART_BYTES_MAX) {
    return `has a part of more than ${PART_BYTES_MAX} bytes`;
  }
  const stem = part.split(".", 1)[0] ?? "";
  if (DEVICE_NAME.test(stem.trimEnd())) {
    return `has a part ${JSON.stringify(part)}, which names a device on Windows`;
  }
  return undefined;
}

/** What a path is: a folder on the way to others, a folder with nothing in it, or a file. */
type PathKind = "file" | "folder" | "empty folder";

const WITH_ARTICLE: Readonly<Record<PathKind, string>> = {
  file: "a file",
  folder: "a folder",
  "empty folder": "an empty folder",
};

type Seen = { readonly path: string; readonly kind: PathKind };

function addWithFolders(
  seen: Map<string, Seen>,
  path: string,
  kind: PathKind,
): Collision | undefined {
  for (let slash = path.indexOf("/"); slash >= 0; slash = path.indexOf("/", slash + 1)) {
    const collision = add(seen, { path: path.slice(0, slash), kind: "folder" });
    if (collision !== undefined) return collision;
  }
  return add(seen, { path, kind });
}

function add(seen: Map<string, Seen>, entry: Seen): Collision | undefined {
  const key = entry.path.normalize("NFC").toLowerCase();
  const other = seen.get(key);
  if (other === undefined) {
    seen.set(key, entry);
    return undefined;
  }
  if (other.path === entry.path && other.kind === "folder" && entry.kind === "folder") {
    return undefined;
  }
  return { first: other.path, second: entry.path, problem: collisionProblem(other, entry) };
}

function collisionProblem(first: Seen, second: Seen): string {
  const [a, b] = [JSON.stringify(first.path), JSON.stringify(second.path)];
  if (first.path !== second.path) {
    return `The names ${a} and ${b} differ only by case, and some devices cannot keep them apart.`;
  }
  if (first.kind === second.kind) return `The path ${a} is there twice.`;
  return `The path ${a} is both ${WITH_ARTICLE[first.kind]} and ${WITH_ARTICLE[second.kind]}.`;
}

/** Moves surrogates behind all other UTF-16 units: then units order as UTF-8 bytes do. */
function utf8Rank(unit: number): number {
  if (unit < 0xd8_00) return unit;
  return unit < 0xe0_00 ? unit + 0x20_00 : unit - 0x8_00;
}
