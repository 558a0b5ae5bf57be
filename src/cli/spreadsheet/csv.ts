import { OperatorError } from "../../runtime/operator-error.ts";

/** A row of a file, and the line at which it begins. */
export type Row = { readonly line: number; readonly cells: readonly string[] };

/** Splits CSV (RFC 4180) into rows; cells are trimmed unless they are quoted. */
export function csvRows(text: string, file: string): readonly Row[] {
  const rows: Row[] = [];
  let cells: string[] = [];
  let line = 1;
  let startLine = 1;
  // A byte order mark is what spreadsheets put first.
  const source = text.replace(/^\uFEFF/, "");
  for (const cell of source.matchAll(CELL)) {
    const [whole, quoted, plain = "", end = ""] = cell;
    if (whole === "" && cells.length === 0) break;
    if (plain.includes('"')) {
      const problem = "A quoted cell must be quoted as a whole, and closed.";
      throw new OperatorError("topology-file", `${file}, line ${line}: ${problem}`);
    }
    cells.push(quoted === undefined ? plain.trim() : quoted.replaceAll('""', '"'));
    line += whole.split("\n").length - 1;
    if (end === ",") continue;
    rows.push({ line: startLine, cells });
    cells = [];
    startLine = line;
  }
  return rows;
}

/** A quoted or a plain cell, and what ends it. */
const CELL = /(?:[ \t]*"((?:[^"]|"")*)"[ \t]*(?=,|\r?\n|$)|([^,\r\n]*))(,|\r?\n|\r|$)/g;
