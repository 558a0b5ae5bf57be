import type { OfficeInput } from "../api/server-schemas.ts";

/** The columns of a topology file, by what they say. */
export const TOPOLOGY_COLUMNS = {
  office: "Office",
  parent: "Parent Office",
  type: "Office Type",
  subnet: "Subnet",
  start: "Start IP",
  end: "End IP",
  wanKbitS: "WAN kbit/s",
  preferredRvp: "Preferred RVP",
  metered: "Metered",
  directCdn: "Direct CDN",
  timeZone: "Time Zone",
  description: "Description",
} as const;

/** What a column says. */
export type Column = keyof typeof TOPOLOGY_COLUMNS;

/** The columns that an export has: subnets are written as they are kept, ranges among them. */
export const EXPORTED_COLUMNS: readonly Column[] = (
  Object.keys(TOPOLOGY_COLUMNS) as Column[]
).filter((column) => column !== "start" && column !== "end");

/** What else people call the columns; case, spaces, dashes and underscores do not matter. */
const ALIASES: Readonly<Partial<Record<Column, readonly string[]>>> = {
  office: ["office name", "location", "site", "name"],
  parent: ["parent", "parent location", "parent site"],
  type: ["type", "location type"],
  subnet: ["subnets", "cidr", "network", "networks"],
  start: ["start address", "ip start", "first ip", "from ip"],
  end: ["end address", "ip end", "last ip", "to ip"],
  wanKbitS: ["wan kbps", "wan", "bandwidth kbit/s", "bandwidth kbps"],
  preferredRvp: ["rvp"],
  metered: ["metered line", "metered connection"],
  directCdn: ["cdn", "direct to cdn"],
  timeZone: ["tz"],
  description: ["comment", "remark"],
};

/** Where each column stands in a heading; of two that mean the same the first counts. */
export function placesOf(heading: readonly string[]): ReadonlyMap<Column, number> {
  const words = heading.map(plain);
  const places = new Map<Column, number>();
  for (const [column, name] of Object.entries(TOPOLOGY_COLUMNS) as [Column, string][]) {
    // Its own name goes before all others.
    const known = [name, ...(ALIASES[column] ?? [])].map(plain);
    const place = known.map((one) => words.indexOf(one)).find((at) => at >= 0);
    if (place !== undefined) places.set(column, place);
  }
  return places;
}

function plain(name: string): string {
  return name.toLowerCase().replaceAll(/[\s_-]+/g, "");
}

/** Why a cell cannot be read, as a part of a sentence. */
type Problem = { readonly problem: string };

/** Reads what a row says of an office besides name, parent, type and subnets. */
export function readDetails(
  cell: (column: Column) => string,
): readonly [Partial<OfficeInput>, readonly string[]] {
  const problems: string[] = [];
  const read = <T>(column: Column, parse: (text: string) => T | Problem): T | undefined => {
    const text = cell(column);
    const value = text === "" ? undefined : parse(text);
    if (typeof value !== "object" || value === null || !("problem" in value)) return value;
    problems.push(`has "${text}" as ${TOPOLOGY_COLUMNS[column]}: ${value.problem}`);
    return undefined;
  };
  const given = {
    wanKbitS: read("wanKbitS", wholeNumber),
    preferredRvp: read("preferredRvp", String),
    metered: read("metered", yesOrNo),
    directCdn: read("directCdn", yesOrNo),
    timeZone: read("timeZone", timeZone),
    description: read("description", String),
  };
  const details = Object.entries(given).filter(([, value]) => value !== undefined);
  return [Object.fromEntries(details) as Partial<OfficeInput>, problems];
}

/** What an office says in a column of an export. */
export function writeCell(office: OfficeInput, column: Column, subnet: string): string {
  switch (column) {
    case "office":
      return office.name;
    case "parent":
      return office.parent ?? "";
    case "type":
      return office.type;
    case "subnet":
      return subnet;
    case "start":
    case "end":
      return "";
    case "metered":
    case "directCdn": {
      const value = office[column];
      return value === undefined ? "" : value ? "yes" : "no";
    }
    default:
      return String(office[column] ?? "");
  }
}

/** A whole number as spreadsheets write it, also with separators of thousands. */
function wholeNumber(text: string): number | Problem {
  const digits = text.replaceAll(/[ '.,\u00a0\u202f](?=\d{3}(?!\d))/g, "").replace(/[.,]0+$/, "");
  const wanted = { problem: "write a whole number of kbit/s, 10000 for 10 Mbit/s" };
  return /^\d{1,12}$/.test(digits) && Number(digits) > 0 ? Number(digits) : wanted;
}

const WORDS: ReadonlyMap<string, boolean> = new Map([
  ...["yes", "y", "true", "1", "x", "ja"].map((word) => [word, true] as const),
  ...["no", "n", "false", "0", "-", "nein"].map((word) => [word, false] as const),
]);

function yesOrNo(text: string): boolean | Problem {
  return WORDS.get(text.toLowerCase()) ?? { problem: "write yes or no" };
}

/** Zones that are: making a formatter takes long, and most offices have the same. */
const zones = new Set<string>();

function timeZone(text: string): string | Problem {
  if (zones.has(text)) return text;
  try {
    new Intl.DateTimeFormat("en-US", { timeZone: text });
  } catch {
    return { problem: "write the name of a time zone, such as Europe/Berlin" };
  }
  zones.add(text);
  return text;
}
