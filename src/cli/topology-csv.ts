import { readFile } from "node:fs/promises";
import type { OfficeInput } from "../api/server-schemas.ts";
import { OperatorError } from "../runtime/operator-error.ts";

/** The columns of a topology file, in this order. */
export const TOPOLOGY_COLUMNS: readonly string[] = [
  "Office",
  "Parent Office",
  "Office Type",
  "Subnet",
];

/** Reads a topology from a CSV file. @throws OperatorError `topology-file`. */
export async function readTopologyCsv(file: string): Promise<readonly OfficeInput[]> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (cause) {
    throw new OperatorError(
      "topology-file",
      `${file} cannot be read: ${(cause as Error).message}. Check the path and its permissions.`,
      { cause },
    );
  }
  return parseTopologyCsv(text, file);
}

/**
 * Reads a topology from CSV (RFC 4180) with the columns `Office`, `Parent Office`, `Office Type`
 * and `Subnet`. An office with several subnets has several rows, or `;` between them.
 *
 * @param file - Named in errors only.
 * @throws OperatorError `topology-file` that names the line and what is wrong with it.
 */
export function parseTopologyCsv(text: string, file: string): readonly OfficeInput[] {
  const rows = csvRows(text, file).filter(({ cells }) => cells.some((cell) => cell !== ""));
  const [heading, ...body] = rows;
  const columns = heading?.cells.map((cell) => cell.toLowerCase()) ?? [];
  if (TOPOLOGY_COLUMNS.some((name, index) => columns[index] !== name.toLowerCase())) {
    throw refusal(file, 1, `The first line must be: ${TOPOLOGY_COLUMNS.join(",")}.`);
  }
  const offices = new Map<string, Draft>();
  for (const row of body) addRow(offices, row, file);
  return [...offices.values()].map(({ name, parent, type, subnets }) => ({
    name,
    ...(parent === "" ? {} : { parent }),
    type: type === "" ? "default" : type,
    subnets,
  }));
}

type Row = { readonly line: number; readonly cells: readonly string[] };

type Draft = {
  readonly name: string;
  readonly parent: string;
  readonly type: string;
  readonly subnets: string[];
};

function addRow(offices: Map<string, Draft>, row: Row, file: string): void {
  if (row.cells.length > TOPOLOGY_COLUMNS.length) {
    const want = TOPOLOGY_COLUMNS.length;
    throw refusal(file, row.line, `It has ${row.cells.length} columns; there are only ${want}.`);
  }
  const [name = "", parent = "", typeWord = "", subnet = ""] = row.cells;
  const type = typeWord.toLowerCase();
  if (name === "") throw refusal(file, row.line, "The office has no name.");
  const draft = offices.get(name) ?? { name, parent, type, subnets: [] };
  offices.set(name, draft);
  // Further rows of an office may leave out what its first row has said.
  if ((parent !== "" && parent !== draft.parent) || (type !== "" && type !== draft.type)) {
    const problem = `${name} has another parent or type here than in its first line.`;
    throw refusal(file, row.line, problem);
  }
  const subnets = subnet.split(";").map((part) => part.trim());
  draft.subnets.push(...subnets.filter((part) => part !== ""));
}

/** Splits CSV into rows; cells are trimmed unless they are quoted. */
function csvRows(text: string, file: string): readonly Row[] {
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
      throw refusal(file, line, "A quoted cell must be quoted as a whole, and closed.");
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

function refusal(file: string, line: number, problem: string): OperatorError {
  return new OperatorError("topology-file", `${file}, line ${line}: ${problem}`);
}
