import { readFile, writeFile } from "node:fs/promises";
import type { OfficeInput } from "../api/server-schemas.ts";
import { csvOf, escapeFormula, unescapeFormula } from "../base/csv.ts";
import { OperatorError } from "../runtime/operator-error.ts";
import type { Finding } from "../topology/office.ts";
import { csvRows, type Row } from "./spreadsheet/csv.ts";
import { isXlsx, xlsxOf, xlsxRows } from "./spreadsheet/xlsx.ts";
import {
  type Column,
  EXPORTED_COLUMNS,
  placesOf,
  readDetails,
  TOPOLOGY_COLUMNS,
  writeCell,
} from "./topology-columns.ts";

/** What a topology file says; each office has the number of its first line as `row`. */
export type TopologyFile = {
  readonly offices: readonly OfficeInput[];
  /** What is wrong with single rows; always errors. */
  readonly findings: readonly Finding[];
};

/** Most bytes of a CSV file. */
const CSV_BYTES_MAX = 32 * 1024 * 1024;

/** Reads a topology from a CSV file or a workbook (.xlsx). @throws OperatorError `topology-file`. */
export async function readTopologyFile(file: string): Promise<TopologyFile> {
  const bytes = await readBytes(file);
  if (isXlsx(bytes)) return parseTopologyRows(await xlsxRows(bytes, file), file);
  return parseTopologyCsv(bytes.toString("utf8"), file);
}

/** Reads the text of a CSV file. @throws OperatorError `topology-file`. */
export async function readCsvText(file: string): Promise<string> {
  const bytes = await readBytes(file);
  if (!isXlsx(bytes)) return bytes.toString("utf8");
  throw new OperatorError("topology-file", `${file} is a workbook: save it as CSV for this.`);
}

/**
 * Reads a topology from CSV (RFC 4180). An office with several subnets has several rows, or `;`
 * between them.
 *
 * @param file - Named in errors only.
 * @throws OperatorError `topology-file` where the text has no such rows at all.
 */
export function parseTopologyCsv(text: string, file: string): TopologyFile {
  return parseTopologyRows(csvRows(text, file), file);
}

function parseTopologyRows(all: readonly Row[], file: string): TopologyFile {
  const rows = all.filter(({ cells }) => cells.some((cell) => cell !== ""));
  const [heading, ...body] = rows;
  const width = heading?.cells.length ?? 0;
  const places = placesOf(heading?.cells ?? []);
  judgeHeading(places, heading, file);
  const offices = new Map<string, Draft>();
  const findings: Finding[] = [];
  for (const { line, cells } of body) {
    const extra = cells.slice(width).some((cell) => cell !== "");
    if (extra) findings.push(rowError(line, "", "has more cells than the first line names"));
    const cell = (column: Column): string =>
      unescapeFormula(cells[places.get(column) ?? -1] ?? "").trim();
    addRow(offices, { line, cell }, findings);
  }
  return {
    offices: [...offices.values()].map(({ row, name, parent, type, subnets, details }) => ({
      row,
      name,
      ...(parent === "" ? {} : { parent }),
      type: type === "" ? "default" : type,
      subnets,
      ...details,
    })),
    findings,
  };
}

/** @throws OperatorError `topology-file` where a column is missing that must be there. */
function judgeHeading(
  places: ReadonlyMap<Column, number>,
  heading: Row | undefined,
  file: string,
): void {
  const ranges = places.has("start") && places.has("end");
  const wanted: readonly Column[] = ["office", "parent", "type", ...(ranges ? [] : SUBNET)];
  const missing = wanted.filter((column) => !places.has(column));
  if (missing.length === 0) return;
  const names = wanted.map((column) => TOPOLOGY_COLUMNS[column]).join(",");
  const first = heading?.cells.join(",") ?? "";
  const split = /[;\t]/.test(first) ? " Its cells must be separated by commas." : "";
  const lacks = `The first line lacks ${listed(missing.map((column) => TOPOLOGY_COLUMNS[column]))}`;
  const problem = `${lacks}: it must name ${names}.${split}`;
  throw new OperatorError("topology-file", `${file}, line ${heading?.line ?? 1}: ${problem}`);
}

const SUBNET: readonly Column[] = ["subnet"];

/** @throws OperatorError `bad-topology` with all errors, where there are any. */
export function refuseErrors(findings: readonly Finding[]): void {
  const errors = findings.filter(({ severity }) => severity === "error");
  if (errors.length === 0) return;
  const sentences = errors.map(({ sentence }) => sentence).join(" ");
  throw new OperatorError("bad-topology", `Nothing was applied. ${sentences}`);
}

/** Writes a topology as CSV that {@link parseTopologyCsv} reads, and spreadsheets too. */
export function formatTopologyCsv(offices: readonly OfficeInput[]): string {
  return csvOf(rowsOf(offices));
}

/** Writes a topology as a workbook where the file is called so, else as CSV. */
export async function writeTopologyFile(
  file: string,
  offices: readonly OfficeInput[],
): Promise<void> {
  const workbook = /\.xlsx$/i.test(file);
  const content = workbook ? await xlsxOf("Offices", rowsOf(offices)) : formatTopologyCsv(offices);
  try {
    await writeFile(file, content);
  } catch (cause) {
    const sentence = `${file} cannot be written: ${(cause as Error).message}. Check its folder.`;
    throw new OperatorError("topology-file", sentence, { cause });
  }
}

/** A heading, and a row for each subnet of each office. */
function rowsOf(offices: readonly OfficeInput[]): readonly (readonly string[])[] {
  const heading = EXPORTED_COLUMNS.map((column) => TOPOLOGY_COLUMNS[column]);
  const rows = offices.flatMap((office) =>
    (office.subnets.length === 0 ? [""] : office.subnets).map((subnet) =>
      EXPORTED_COLUMNS.map((column) => escapeFormula(writeCell(office, column, subnet))),
    ),
  );
  return [heading, ...rows];
}

/** `A`, `A and B`, `A, B and C`. */
function listed(names: readonly string[]): string {
  const [last, ...others] = names.toReversed();
  return others.length === 0 ? (last ?? "") : `${others.toReversed().join(", ")} and ${last}`;
}

type Draft = {
  readonly row: number;
  readonly name: string;
  readonly parent: string;
  readonly type: string;
  readonly subnets: string[];
  readonly details: Partial<OfficeInput>;
};

type OfficeRow = { readonly line: number; readonly cell: (column: Column) => string };

function addRow(offices: Map<string, Draft>, { line, cell }: OfficeRow, findings: Finding[]): void {
  const name = cell("office");
  if (name === "") {
    findings.push(rowError(line, "", "names no office"));
    return;
  }
  const say = (problem: string): void => void findings.push(rowError(line, name, problem));
  const parent = cell("parent");
  const type = cell("type").toLowerCase();
  const [details, problems] = readDetails(cell);
  for (const problem of problems) say(problem);
  const draft = offices.get(name) ?? { row: line, name, parent, type, subnets: [], details };
  offices.set(name, draft);
  // Further rows of an office may leave out what its first row has said.
  const first = (has: string): string => `but its first row, ${draft.row}, has "${has}"`;
  if (parent !== "" && parent !== draft.parent) {
    say(`has the parent "${parent}", ${first(draft.parent)}`);
  }
  if (type !== "" && type !== draft.type) say(`has the type "${type}", ${first(draft.type)}`);
  for (const [field, value] of Object.entries(details)) {
    const has = draft.details[field as keyof OfficeInput];
    const column = TOPOLOGY_COLUMNS[field as Column];
    if (value !== has) say(`has "${value}" as ${column}, ${first(String(has ?? ""))}`);
  }
  const subnets = cell("subnet").split(";");
  draft.subnets.push(...subnets.map((part) => part.trim()).filter((part) => part !== ""));
  const [start, end] = [cell("start"), cell("end")];
  if (start !== "" && end !== "") draft.subnets.push(`${start}-${end}`);
  else if (start + end !== "") say(`has only one of ${TOPOLOGY_COLUMNS.start} and End IP`);
}

/** Says what is wrong with a row. */
export function rowError(row: number, office: string, problem: string): Finding {
  const about = office === "" ? "" : `office "${office}" `;
  const sentence = `Row ${row}: ${about}${problem}.`;
  return { severity: "error", code: "bad-row", office, row, sentence };
}

async function readBytes(file: string): Promise<Buffer> {
  try {
    const bytes = await readFile(file);
    if (bytes.length <= CSV_BYTES_MAX) return bytes;
  } catch (cause) {
    throw new OperatorError(
      "topology-file",
      `${file} cannot be read: ${(cause as Error).message}. Check the path and its permissions.`,
      { cause },
    );
  }
  const sentence = `${file} is larger than any list of offices: is it the right file?`;
  throw new OperatorError("topology-file", sentence);
}
