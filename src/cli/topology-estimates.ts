import { unescapeFormula } from "../base/csv.ts";
import type { Finding } from "../topology/office.ts";
import { csvRows } from "./spreadsheet/csv.ts";
import { rowError } from "./topology-file.ts";

/** What the further columns of a topology file say of an office; absent where they are empty. */
export type OfficeEstimate = {
  readonly devices?: number;
  /** Of its line to its parent office, each way. */
  readonly mbit?: number;
  readonly delayMs?: number;
};

/** The columns of a topology file that a forecast reads, and the topology itself passes over. */
export const ESTIMATE_COLUMNS: readonly string[] = ["Devices", "Mbit/s", "Delay ms"];

/** What each column may say, and what is wrong where it says something else. */
const COLUMNS = [
  { name: "devices", maximum: 1_000_000, whole: true, what: "a whole number of devices" },
  { name: "mbit/s", maximum: 1_000_000, whole: false, what: "a rate in Mbit/s from 0.001 on" },
  { name: "delay ms", maximum: 10_000, whole: false, what: "a delay in ms up to 10,000" },
] as const;

/** The slowest line there is. */
export const MBIT_MIN = 0.001;

/**
 * Reads how many devices the offices of a topology file have, and how fast their lines are. The
 * devices of several rows of an office are added up; its line stands in one of them.
 *
 * @param text - Of a file that `parseTopologyCsv` can read.
 */
export function parseEstimates(
  text: string,
  file: string,
): {
  readonly offices: ReadonlyMap<string, OfficeEstimate>;
  readonly findings: readonly Finding[];
} {
  const [heading, ...body] = csvRows(text, file).filter(({ cells }) =>
    cells.some((cell) => cell !== ""),
  );
  const columns = heading?.cells.map((cell) => cell.toLowerCase()) ?? [];
  const places = COLUMNS.map(({ name }) => columns.indexOf(name));
  const offices = new Map<string, OfficeEstimate>();
  const findings: Finding[] = [];
  for (const { line, cells } of body) {
    const office = unescapeFormula(cells[columns.indexOf("office")] ?? "");
    const [devices, mbit, delayMs] = COLUMNS.map((column, index) => {
      const written = cells[places[index] ?? -1] ?? "";
      const value = written === "" ? undefined : readNumber(written, column);
      if (written === "" || value !== undefined) return value;
      findings.push(rowError(line, office, `has "${written}", which is not ${column.what}`));
      return undefined;
    });
    const known = offices.get(office) ?? {};
    const rate = agreed(known.mbit, mbit);
    const delay = agreed(known.delayMs, delayMs);
    if (rate === "differs" || delay === "differs") {
      findings.push(rowError(line, office, "has another line than in its rows above"));
      continue;
    }
    offices.set(office, {
      ...(devices === undefined ? known : { ...known, devices: (known.devices ?? 0) + devices }),
      ...(rate === undefined ? {} : { mbit: rate }),
      ...(delay === undefined ? {} : { delayMs: delay }),
    });
  }
  return { offices, findings };
}

/** A number as spreadsheets write it, also with a decimal comma. */
function readNumber(text: string, { maximum, whole, name }: (typeof COLUMNS)[number]) {
  const plain = text.replace(/^(\d+),(\d{1,2})$/, "$1.$2");
  if (!(whole ? /^\d+$/ : /^\d+(\.\d+)?$/).test(plain)) return undefined;
  const value = Number(plain);
  const tooSmall = name === "mbit/s" && value < MBIT_MIN;
  return value > maximum || tooSmall ? undefined : value;
}

function agreed(
  before: number | undefined,
  now: number | undefined,
): number | undefined | "differs" {
  if (before === undefined || now === undefined) return before ?? now;
  return before === now ? now : "differs";
}
