import type { Finding } from "../topology/office.ts";

/**
 * Writes findings for a person, a line each.
 *
 * @param sameMax - Of one kind so many are written out; absent: all.
 */
export function findingLines(
  findings: readonly Finding[],
  sameMax: number = Number.POSITIVE_INFINITY,
): readonly string[] {
  const counts = new Map<string, number>();
  const lines: string[] = [];
  for (const { severity, code, sentence } of findings) {
    const count = (counts.get(code) ?? 0) + 1;
    counts.set(code, count);
    if (count <= sameMax) lines.push(`${severity}: ${sentence}`);
  }
  for (const [code, count] of counts) {
    if (count > sameMax)
      lines.push(`and ${count - sameMax} more of the kind ${code}; topology lint has all`);
  }
  return lines;
}
