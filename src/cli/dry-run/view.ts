import { unreachable } from "../../base/invariant.ts";
import { GIB } from "../../base/units.ts";
import type {
  Bottleneck,
  Forecast,
  LinkForecast,
  OfficeForecast,
  RvpForecast,
} from "../../sim/forecast-types.ts";
import type { OfficeType } from "../../topology/office.ts";
import { sizeText, textTable } from "../text-table.ts";

/** Of the offices below one so many are drawn: those that are done last. */
const CHILDREN_MAX = 10;

/** So many lines stand in the table: the busiest. */
const LINES_MAX = 30;

/** So many devices that are not done are named. */
const UNFINISHED_MAX = 20;

/** Writes a forecast for a person: a tree of the offices, a table of the lines, and the sum of it. */
export function renderForecast(forecast: Forecast): string {
  const { sizeBytes, pieces, devices, offices, seed, grain } = forecast;
  const what = `${sizeText(sizeBytes)} in ${counted(pieces, "piece")}`;
  const whom = `${counted(devices, "device")} in ${counted(offices.length, "office")}`;
  const parts = [
    `Dry run: ${what} for ${whom} (seed ${seed}, ${grain}).`,
    treeOf(offices).join("\n"),
    linesText(offices),
    mishapsText(forecast),
    summaryOf(forecast).join("\n"),
  ];
  return parts.filter((part) => part !== "").join("\n\n");
}

/** What stands before an office's first line, and before all others of it and of those below. */
type Indent = { readonly first: string; readonly rest: string };

function treeOf(offices: readonly OfficeForecast[]): readonly string[] {
  const children = new Map<string, OfficeForecast[]>();
  for (const office of offices) {
    if (office.parent === undefined) continue;
    const siblings = children.get(office.parent);
    if (siblings === undefined) children.set(office.parent, [office]);
    else siblings.push(office);
  }
  const draw = (office: OfficeForecast, indent: Indent): readonly string[] => {
    const below = children.get(office.office) ?? [];
    const drawn = lastOf(below);
    const rest = below.length - drawn.length;
    const stem = below.length > 0 ? "│" : " ";
    return [
      `${indent.first}${officeLine(office)}`,
      ...detailsOf(office).map((detail) => `${indent.rest}${stem}   ${detail}`),
      ...drawn.flatMap((child, index) => {
        const last = index === drawn.length - 1 && rest === 0;
        return draw(child, {
          first: `${indent.rest}${last ? "└" : "├"}─ `,
          rest: `${indent.rest}${last ? " " : "│"}  `,
        });
      }),
      ...(rest === 0 ? [] : [`${indent.rest}└─ and ${rest} more, done before these`]),
    ];
  };
  const roots = offices.filter(({ parent }) => parent === undefined);
  return roots.flatMap((root) => draw(root, { first: "", rest: "" }));
}

/** Those that are done last, as they were entered. */
function lastOf(offices: readonly OfficeForecast[]): readonly OfficeForecast[] {
  const endOf = ({ lastS = 0, finished, devices }: OfficeForecast): number =>
    finished < devices ? Number.POSITIVE_INFINITY : lastS;
  const order = [...offices].sort((a, b) => endOf(b) - endOf(a) || 0);
  const drawn = new Set(order.slice(0, CHILDREN_MAX));
  return offices.filter((office) => drawn.has(office));
}

const TYPE_TEXT: Readonly<Record<OfficeType, string>> = {
  default: "",
  wifi: " (WiFi)",
  vpn: " (VPN)",
};

function officeLine({ office, type, devices, finished, lastS }: OfficeForecast): string {
  const who = finished === devices ? "" : `${finished} of `;
  const done = lastS === undefined ? "" : `, done after ${durationText(lastS)}`;
  return `${office}${TYPE_TEXT[type]}: ${who}${counted(devices, "device")}${done}`;
}

function detailsOf({ rvp, type, devices, link }: OfficeForecast): readonly string[] {
  const fetcher = type === "vpn" && devices > 0 ? ["each fetches for itself"] : [];
  return [
    ...(rvp === undefined ? fetcher : [`RVP ${rvp.hostName} (${rvp.host}): ${reasonText(rvp)}`]),
    ...(link === undefined ? [] : [linkText(link)]),
  ];
}

function reasonText({ reason, facts }: RvpForecast): string {
  const free = `${Math.floor(facts.freeBytes / GIB)} GiB free`;
  switch (reason) {
    case "freeBytes":
      return `most free space, ${free}`;
    case "preferred":
      return `preferred, among those with most free space (${free})`;
    case "desktop":
      return `a desktop, among those with most free space (${free})`;
    case "serverOs":
      return `a server's system, among the desktops with most free space (${free})`;
    case "uptimeS":
      return `on for longest (${durationText(facts.uptimeS)}), among equals (${free})`;
    case "usableBytes":
      return `most usable free space, among equals (${free})`;
    case "deviceId":
      return `as good as others (${free})`;
    case "alone":
      return "the only device";
    case "incumbent":
      return `was there before better ones, and does its work (${free})`;
    default:
      return unreachable(reason);
  }
}

function linkText({
  copies,
  boundCopies,
  wanBytes,
  rateBitsPerS,
  busyShare,
}: LinkForecast): string {
  const crossed = `${copies.toFixed(2)} of ${boundCopies} copies`;
  return `line ${rateText(rateBitsPerS)}: ${sizeText(wanBytes)}, ${crossed}, ${percent(busyShare)} busy`;
}

function linesText(offices: readonly OfficeForecast[]): string {
  const lines = offices.flatMap(({ office, parent = "", link }) =>
    link === undefined ? [] : [{ name: `${parent} -> ${office}`, link }],
  );
  if (lines.length === 0) return "";
  const busiest = [...lines].sort((a, b) => b.link.busyShare - a.link.busyShare);
  const rows = busiest
    .slice(0, LINES_MAX)
    .map(({ name, link }) => [
      name,
      rateText(link.rateBitsPerS),
      `${link.delayMs} ms`,
      sizeText(link.wanBytes),
      link.copies.toFixed(2),
      String(link.boundCopies),
      percent(link.busyShare),
      sizeText(link.savedBytes),
    ]);
  const heading = ["Line", "Rate", "Delay", "Bytes", "Copies", "Bound", "Busy", "Saved"];
  const rest = lines.length - rows.length;
  const more =
    rest > 0 ? `\nand ${counted(rest, "line")} more that are less busy; --json has all` : "";
  return `${textTable([heading, ...rows])}${more}`;
}

function mishapsText({ mishaps }: Forecast): string {
  if (mishaps.length === 0) return "";
  const rows = mishaps.map(({ atS, lastsS, sentence }) => [
    durationText(atS),
    durationText(lastsS),
    sentence,
  ]);
  return textTable([["After", "For", "What goes wrong"], ...rows]);
}

function summaryOf(forecast: Forecast): readonly string[] {
  const { devices, finished, seconds, boundS, ratio, wanBytes, savedBytes } = forecast;
  const bound = `${ratio.toFixed(2)} times the least possible, ${durationText(boundS)}`;
  const whole = `All ${counted(devices, "device")} are done after ${durationText(seconds)}`;
  const some = `${finished === 0 ? "None" : `Only ${finished}`} of ${counted(devices, "device")}`;
  const first =
    finished === devices ? `${whole} (${bound}).` : `${some} ${finished > 1 ? "are" : "is"} done:`;
  const { bottleneck } = forecast;
  const saved = `had each device fetched for itself, it would be ${sizeText(wanBytes + savedBytes)}`;
  return [
    first,
    ...unfinishedLines(forecast),
    ...(bottleneck === undefined ? [] : [bottleneckText(bottleneck, forecast)]),
    `Over all lines: ${sizeText(wanBytes)}; ${saved}.`,
    "Which devices there are is invented from the seed; the RVP of your offices depends on yours.",
  ];
}

function unfinishedLines({ unfinished }: Forecast): readonly string[] {
  const lines = unfinished
    .slice(0, UNFINISHED_MAX)
    .map(({ hostName, host, office, why }) => `  ${hostName} (${host}, ${office}): ${why}`);
  const rest = unfinished.length - lines.length;
  return rest > 0 ? [...lines, `  and ${rest} more; --json has all`] : lines;
}

function bottleneckText(narrow: Bottleneck, { offices }: Forecast): string {
  const { kind, office, seconds, lastOffice, busyShare = 0 } = narrow;
  const on = lastOffice === office ? "" : ` on the way to "${lastOffice}", which is done last`;
  const time = durationText(seconds);
  switch (kind) {
    case "line": {
      const found = offices.find((one) => one.office === office);
      const copies = counted(found?.link?.boundCopies ?? 1, "copy", "copies");
      const busy = `it is busy for ${percent(busyShare)} of the time`;
      return `Bottleneck: the line to "${office}"${on}. It takes ${time} for ${copies}; ${busy}.`;
    }
    case "uploads":
      return `Bottleneck: what the devices of "${office}" send${on}. It takes them ${time} for all offices below.`;
    case "lan":
      return `Bottleneck: the LAN of "${office}"${on}. It takes ${time} until a device has everything.`;
    default:
      return unreachable(kind);
  }
}

/** Writes a length of time for a person: `80 ms`, `2.5 s`, `12 min 5 s`, `3 h 20 min`, `2 d 4 h`. */
export function durationText(seconds: number): string {
  if (seconds < 0.9995) return `${Math.round(seconds * 1_000)} ms`;
  if (seconds < 59.5) return `${seconds < 9.95 ? seconds.toFixed(1) : seconds.toFixed(0)} s`;
  const whole = Math.round(seconds);
  if (whole < 3_600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 1_440) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  const hours = Math.round(seconds / 3_600);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

function rateText(bitsPerS: number): string {
  return `${Number((bitsPerS / 1e6).toPrecision(6))} Mbit/s`;
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

function counted(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString("en-US")} ${count === 1 ? one : many}`;
}
