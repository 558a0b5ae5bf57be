/** How a device's version stands to the server's. */
export type VersionVerdict = "fits" | "too-old" | "too-new";

/** How many minor versions a device may be behind the server. */
export const MINORS_BEHIND_MAX = 1;

/**
 * Whether the server works with a device of this version (row B19): of the same major version, and
 * of the same minor version or the one before it. So the server is updated first.
 *
 * What is no version counts as too old: every agent that can be mended says one.
 */
export function judgeVersion(own: string, theirs: string): VersionVerdict {
  const [mine, other] = [parse(own), parse(theirs)];
  if (mine === undefined || other === undefined) return "too-old";
  if (other.major !== mine.major) return other.major < mine.major ? "too-old" : "too-new";
  if (other.minor > mine.minor) return "too-new";
  return other.minor < mine.minor - MINORS_BEHIND_MAX ? "too-old" : "fits";
}

function parse(text: string): { readonly major: number; readonly minor: number } | undefined {
  const parts = /^(\d{1,6})\.(\d{1,6})\.\d{1,6}(?:[-+][0-9A-Za-z.+-]{1,64})?$/.exec(text);
  return parts === null ? undefined : { major: Number(parts[1]), minor: Number(parts[2]) };
}
