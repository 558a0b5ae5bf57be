import { OperatorError } from "../../runtime/operator-error.ts";
import type { Row } from "./csv.ts";
import { judgeZip } from "./zip-bounds.ts";

// The one module that knows the library for workbooks, so that another one could take its place.

/** Most rows and columns that are read of a sheet, and most characters of a cell. */
export const ROWS_MAX = 100_000;
const COLUMNS_MAX = 64;
const CELL_LENGTH_MAX = 4_096;

/** Whether bytes are those of a workbook, or of another zip file. */
export function isXlsx(bytes: Buffer): boolean {
  return bytes.subarray(0, 2).toString("latin1") === "PK";
}

/**
 * Reads the cells of the first sheet of a workbook. Nothing in it is calculated: a cell with a
 * formula counts as what its program showed last.
 *
 * @param file - Named in errors only.
 * @throws OperatorError `topology-file`.
 */
export async function xlsxRows(bytes: Buffer, file: string): Promise<readonly Row[]> {
  const wrong = judgeZip(bytes);
  if (wrong !== undefined) throw refusal(file, wrong);
  const { readXlsx } = await import("hucre/xlsx");
  const range = `A1:${columnName(COLUMNS_MAX)}${ROWS_MAX + 1}`;
  const read = await readXlsx(bytes, { sheets: [0], range }).catch((cause: unknown) => {
    throw refusal(file, "is no workbook, or a damaged one", cause);
  });
  const rows = read.sheets[0]?.rows ?? [];
  if (rows.length > ROWS_MAX) throw refusal(file, `has more than ${ROWS_MAX} rows`);
  return rows.map((cells, index) => ({ line: index + 1, cells: cells.map(textOf) }));

  function textOf(value: unknown): string {
    const text = value instanceof Date ? value.toISOString() : String(value ?? "").trim();
    if (text.length <= CELL_LENGTH_MAX) return text;
    throw refusal(file, `has a cell of more than ${CELL_LENGTH_MAX} characters`);
  }
}

/** Writes cells as the only sheet of a workbook; all of them are text, and the first row stays. */
export async function xlsxOf(
  name: string,
  rows: readonly (readonly string[])[],
): Promise<Uint8Array> {
  const { writeXlsx } = await import("hucre/xlsx");
  const widths = rows[0]?.map((_, index) => ({ width: widthOf(rows, index) })) ?? [];
  return await writeXlsx({
    sheets: [
      {
        name,
        rows: rows.map((row) => [...row]),
        columns: widths,
        freezePane: { rows: 1 },
      },
    ],
  });
}

/** How many characters wide a column is shown. */
function widthOf(rows: readonly (readonly string[])[], column: number): number {
  const lengths = rows.slice(0, 200).map((row) => row[column]?.length ?? 0);
  return Math.min(60, Math.max(10, ...lengths) + 2);
}

function columnName(number: number): string {
  const letter = (value: number): string => String.fromCharCode(64 + value);
  return number <= 26
    ? letter(number)
    : letter(Math.floor((number - 1) / 26)) + letter(((number - 1) % 26) + 1);
}

function refusal(file: string, problem: string, cause?: unknown): OperatorError {
  const sentence = `${file} ${problem}: save the list of offices alone, as .xlsx or .csv.`;
  return new OperatorError("topology-file", sentence, { cause });
}
