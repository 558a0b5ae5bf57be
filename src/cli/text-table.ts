/**
 * Lays out rows in columns, each as wide as its widest cell.
 *
 * @param rows - The first is the heading. An empty list gives an empty text.
 */
export function textTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) {
      widths[column] = Math.max(widths[column] ?? 0, [...cell].length);
    }
  }
  return rows
    .map((row) => row.map((cell, column) => padEnd(cell, widths[column] ?? 0)).join("  "))
    .map((line) => line.trimEnd())
    .join("\n");
}

/** Fills a text up with spaces to a width, counted in code points. */
export function padEnd(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - [...text].length));
}

/** Writes a number of bytes for a person: decimal units, three digits (`119 MB`). */
export function sizeText(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${units[unit]}`;
}

/** Writes a point in time for a person, in local time to the second. */
export function timeText(atMs: number): string {
  const date = new Date(atMs);
  const two = (value: number) => String(value).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** A bar of `width` characters, filled to `share` of [0, 1]. */
export function barText(share: number, width: number): string {
  const filled = Math.max(0, Math.min(width, Math.floor(share * width)));
  return "█".repeat(filled) + "░".repeat(width - filled);
}

/** Writes for a person that transfers wait for their line; nothing where they do not. */
export function lineText(busySinceMs: number | undefined): string {
  return busySinceMs === undefined ? "" : `waiting: line busy since ${timeText(busySinceMs)}`;
}
