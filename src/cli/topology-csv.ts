import { readFile } from "node:fs/promises";
import type { OfficeInput } from "../api/server-schemas.ts";
import { OperatorError } from "../runtime/operator-error.ts";
import type { Finding } from "../topology/office.ts";

/** The columns of a topology file; they may stand in any order, and others are passed over. */
export const TOPOLOGY_COLUMNS: readonly string[] = [
  "Office",
  "Parent Office",
  "Office Type",
  "Subnet",
];

/** What a topology file says; each office has the number of its first line as `row`. */
export type TopologyFile = {
  readonly offices: readonly OfficeInput[];
  /** What is wrong with single rows; always errors. */
  readonly findings: readonly Finding[];
};

/** Reads a topology from a CSV file. @throws OperatorError `topology-file`. */
export async function readTopologyCsv(file: string): Promise<TopologyFile> {
  return parseTopologyCsv(await readCsvText(file), file);
}

/** Reads the text of a CSV file. @throws OperatorError `topology-file`. */
export async function readCsvText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new OperatorError(
      "topology-file",
      `${file} cannot be read: ${(cause as Error).message}. Check the path and its permissions.`,
      { cause },
    );
  }
}

/**
 * Reads a topology from CSV (RFC 4180) with the columns `Office`, `Parent Office`, `Office Type`
 * and `Subnet`. An office with several subnets has several rows, or `;` between them.
 *
 * @param file - Named in errors only.
 * @throws OperatorError `topology-file` where the text has no such rows at all.
 */
export function parseTopologyCsv(text: string, file: string): TopologyFile {
  const rows = csvRows(text, file).filter(({ cells }) => cells.some((cell) => cell !== ""));
  const [heading, ...body] = rows;
  const columns = heading?.cells.map((cell) => cell.toLowerCase()) ?? [];
  const places = TOPOLOGY_COLUMNS.map((name) => columns.indexOf(name.toLowerCase()));
  const missing = TOPOLOGY_COLUMNS.filter((_, index) => places[index] === -1);
  if (missing.length > 0) {
    const names = TOPOLOGY_COLUMNS.join(",");
    const first = heading?.cells.join(",") ?? "";
    const split = /[;\t]/.test(first) ? " Its cells must be separated by commas." : "";
    const lacks = `The first line lacks ${listed(missing)}`;
    const problem = `${lacks}: it must name ${names}.${split}`;
    throw refusal(file, heading?.line ?? 1, problem);
  }
  const offices = new Map<string, Draft>();
  const findings: Finding[] = [];
  for (const { line, cells } of body) {
    const extra = cells.slice(columns.length).some((cell) => cell !== "");
    if (extra) findings.push(rowError(line, "", "has more cells than the first line names"));
    const wanted = places.map((place) => unescapeFormula(cells[place] ?? ""));
    addRow(offices, { line, cells: wanted }, findings);
  }
  return {
    offices: [...offices.values()].map(({ row, name, parent, type, subnets }) => ({
      row,
      name,
      ...(parent === "" ? {} : { parent }),
      type: type === "" ? "default" : type,
      subnets,
    })),
    findings,
  };
}

/** @throws OperatorError `bad-topology` with all errors, where there are any. */
export function refuseErrors(findings: readonly Finding[]): void {
  const errors = findings.filter(({ severity }) => severity === "error");
  if (errors.length === 0) return;
  const sentences = errors.map(({ sentence }) => sentence).join(" ");
  throw new OperatorError("bad-topology", `Nothing was applied. ${sentences}`);
}

/** Writes a topology as CSV that {@link parseTopologyCsv} reads, and spreadsheets too. */
export function formatTopologyCsv(offices: readonly OfficeInput[]): string {
  const rows = offices.flatMap(({ name, parent = "", type, subnets }) =>
    (subnets.length === 0 ? [""] : subnets).map((subnet) => [name, parent, type, subnet]),
  );
  return [TOPOLOGY_COLUMNS, ...rows]
    .map((row) => `${row.map((cell) => csvCell(escapeFormula(cell))).join(",")}\r\n`)
    .join("");
}

/** `A`, `A and B`, `A, B and C`. */
function listed(names: readonly string[]): string {
  const [last, ...others] = names.toReversed();
  return others.length === 0 ? (last ?? "") : `${others.toReversed().join(", ")} and ${last}`;
}

/** What a spreadsheet would calculate, or an escape of it, stands behind an apostrophe. */
function escapeFormula(cell: string): string {
  return /^(?:[=+\-@\t\r]|'[=+\-@\t\r'])/.test(cell) ? `'${cell}` : cell;
}

/** The cell as it was before a spreadsheet was kept from calculating it. */
export function unescapeFormula(cell: string): string {
  return /^'[=+\-@\t\r']/.test(cell) ? cell.slice(1) : cell;
}

function csvCell(cell: string): string {
  return /[",\r\n]|^\s|\s$/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}

/** A row of a CSV file, and the line at which it begins. */
export type Row = { readonly line: number; readonly cells: readonly string[] };

type Draft = {
  readonly row: number;
  readonly name: string;
  readonly parent: string;
  readonly type: string;
  readonly subnets: string[];
};

function addRow(offices: Map<string, Draft>, row: Row, findings: Finding[]): void {
  const [name = "", parent = "", typeWord = "", subnet = ""] = row.cells;
  const type = typeWord.toLowerCase();
  if (name === "") {
    findings.push(rowError(row.line, "", "names no office"));
    return;
  }
  const draft = offices.get(name) ?? { row: row.line, name, parent, type, subnets: [] };
  offices.set(name, draft);
  // Further rows of an office may leave out what its first row has said.
  if (parent !== "" && parent !== draft.parent) {
    const first = `its first row, ${draft.row}, has "${draft.parent}"`;
    findings.push(rowError(row.line, name, `has the parent "${parent}", but ${first}`));
  }
  if (type !== "" && type !== draft.type) {
    const first = `its first row, ${draft.row}, has "${draft.type}"`;
    findings.push(rowError(row.line, name, `has the type "${type}", but ${first}`));
  }
  const subnets = subnet.split(";").map((part) => part.trim());
  draft.subnets.push(...subnets.filter((part) => part !== ""));
}

/** Says what is wrong with a row. */
export function rowError(row: number, office: string, problem: string): Finding {
  const about = office === "" ? "" : `office "${office}" `;
  const sentence = `Row ${row}: ${about}${problem}.`;
  return { severity: "error", code: "bad-row", office, row, sentence };
}

/** Splits CSV into rows; cells are trimmed unless they are quoted. */
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
