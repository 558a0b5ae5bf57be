import type { OfficeType } from "../../topology/office.ts";
import { barText, padEnd, sizeText, textTable } from "../text-table.ts";

/** One device in the live view. */
export type DeviceRow = {
  readonly name: string;
  readonly state: "waiting" | "downloading" | "checking" | "complete" | "failed";
  readonly heldBytes: number;
  readonly rvp: boolean;
  /** What is wrong; empty where nothing is. */
  readonly problem: string;
};

/** What lies between an office and its parent: one line, or for VPN one for each device. */
export type LineRow = {
  readonly parent: string;
  /** In Mbit/s; empty where no line is emulated. */
  readonly rates: readonly number[];
  /** Pieces over the line, for the office and those below it, as agents report them. */
  readonly wanBytes: number;
  /** That over the size of the content, and how much of it may be. */
  readonly copies: number;
  readonly bound: number;
  /** The same as the emulator counts it: every datagram with its headers. */
  readonly lineBytes: number;
  /** How fast that is now. */
  readonly lineBytesPerS: number;
};

/** One office in the live view. */
export type OfficeRow = {
  readonly name: string;
  readonly type: OfficeType;
  /** Absent for the Central Office alone. */
  readonly line?: LineRow;
  readonly devices: readonly DeviceRow[];
  /** Those that are counted and not drawn, where an office has more than a screen; absent: none. */
  readonly others?: {
    readonly devices: number;
    readonly verified: number;
    readonly heldBytes: number;
  };
  readonly lanBytes: number;
};

/** Everything that the live view shows. */
export type LiveView = {
  readonly title: string;
  readonly sizeBytes: number;
  readonly seconds: number;
  readonly offices: readonly OfficeRow[];
};

/** How wide the bars are, in characters. */
const BAR_WIDTH = 24;

/** Draws the live view as a tree: one line of text each, without colours. */
export function renderView(view: LiveView): readonly string[] {
  const { devices, verified } = countsOf(view);
  const head =
    `${view.title}, ${sizeText(view.sizeBytes)}, ${view.seconds.toFixed(1)} s, ` +
    `${verified} of ${devices} verified`;
  const names = view.offices.flatMap((office) => office.devices.map(({ name }) => name.length));
  const look = { view, nameWidth: Math.max(0, ...names) };
  const roots = view.offices.filter(({ line }) => line === undefined);
  return [head, ...roots.flatMap((office) => officeLines(look, office, { first: "", rest: "" }))];
}

/** The whole of {@link LiveView} in one line, for where nothing can be redrawn. */
export function renderLine(view: LiveView): string {
  const { devices, verified, heldBytes } = countsOf(view);
  const percent = Math.floor((100 * heldBytes) / Math.max(1, view.sizeBytes * devices));
  const lines = view.offices.flatMap((office) => {
    if (office.line === undefined) return [];
    const { wanBytes, lineBytesPerS, copies, bound } = office.line;
    const facts = [
      office.type === "vpn" ? "each for itself" : fetcher(office),
      `${mbit(lineBytesPerS)} Mbit/s`,
      `WAN ${sizeText(wanBytes)}`,
      `${copies.toFixed(2)} of ${bound} copies`,
      `LAN ${sizeText(office.lanBytes)}`,
    ];
    return [`${office.name}: ${facts.join(", ")}`];
  });
  const seconds = `${view.seconds.toFixed(0)} s`;
  const first = `${seconds}: ${percent} %, ${verified} of ${devices} verified`;
  return [first, ...lines].join("; ");
}

/** What is said when all is over: how it went, and what has kept whom from it. */
export function renderSummary(view: LiveView): readonly string[] {
  const { devices, verified } = countsOf(view);
  const seconds = view.seconds.toFixed(1);
  const first =
    verified === devices
      ? `All ${devices} devices have verified ${view.title} (${sizeText(view.sizeBytes)}) in ${seconds} s.`
      : `Only ${verified} of ${devices} devices have verified ${view.title}.`;
  const problems = view.offices
    .flatMap((office) => office.devices)
    .filter(({ state }) => state !== "complete")
    .map(({ name, state, problem }) => `  ${name}: ${problem === "" ? state : problem}`);
  return [first, ...problems];
}

/** What the lines themselves have counted, which the ledger cannot: it knows pieces alone. */
export function renderLines(view: LiveView): string {
  const rows = view.offices.flatMap(({ name, line }) => {
    if (line === undefined || line.rates.length === 0) return [];
    const { parent, wanBytes, lineBytes } = line;
    return [
      [`${parent} -> ${name}`, rateText(line.rates), sizeText(wanBytes), sizeText(lineBytes)],
    ];
  });
  return textTable([["Line", "Rate", "Pieces", "With all headers"], ...rows]);
}

/** What all lines of the drawing need to know. */
type Look = { readonly view: LiveView; readonly nameWidth: number };

/** What stands before an office's first line, and before all others of it and of those below. */
type Indent = { readonly first: string; readonly rest: string };

function officeLines(look: Look, office: OfficeRow, indent: Indent): readonly string[] {
  const children = look.view.offices.filter(({ line }) => line?.parent === office.name);
  const stem = children.length > 0 ? "│" : " ";
  const devices = office.devices.map(
    (device) => `${indent.rest}${stem}   ${deviceLine(device, office.type, look)}`,
  );
  if (office.others !== undefined) {
    const { devices: more, verified } = office.others;
    devices.push(`${indent.rest}${stem}   and ${more} more, ${verified} of them verified`);
  }
  return [
    `${indent.first}${officeLine(office)}`,
    ...(office.line === undefined ? [] : [`${indent.rest}${stem} ${lineLine(office.line)}`]),
    ...devices,
    ...children.flatMap((child, index) => {
      const last = index === children.length - 1;
      return officeLines(look, child, {
        first: `${indent.rest}${last ? "└" : "├"}─ `,
        rest: `${indent.rest}${last ? " " : "│"}  `,
      });
    }),
  ];
}

function officeLine(office: OfficeRow): string {
  const { devices, verified } = countsOfOffice(office);
  const facts = [
    `${verified} of ${devices} verified`,
    ...(office.line === undefined ? [] : [fetcher(office)]),
    `LAN ${sizeText(office.lanBytes)}`,
  ];
  return `${office.name}${TYPE_TEXT[office.type]}: ${facts.join(", ")}`;
}

const TYPE_TEXT: Readonly<Record<OfficeType, string>> = {
  default: "",
  wifi: " (WiFi)",
  vpn: " (VPN)",
};

function lineLine(line: LineRow): string {
  const rate = line.rates.length === 0 ? "" : ` of ${rateText(line.rates)}`;
  const now = `${mbit(line.lineBytesPerS)}${rate === "" ? " Mbit/s" : rate}`;
  const copies = `${line.copies.toFixed(2)} copies of at most ${line.bound}`;
  return `WAN ${sizeText(line.wanBytes)}, ${now}, ${copies}`;
}

function deviceLine(device: DeviceRow, type: OfficeType, { view, nameWidth }: Look): string {
  const share = view.sizeBytes === 0 ? 0 : Math.min(1, device.heldBytes / view.sizeBytes);
  const percent = `${Math.floor(share * 100)} %`.padStart(5);
  const bar = barText(share, BAR_WIDTH);
  const line = `${padEnd(device.name, nameWidth)} ${bar}${percent}  ${stateText(device, device.rvp && type !== "vpn")}`;
  return device.problem === "" ? line : `${line}: ${device.problem}`;
}

function stateText(device: DeviceRow, isRvp: boolean): string {
  if (device.state === "complete") return "verified";
  return isRvp ? `${device.state} (RVP)` : device.state;
}

/** Devices of a VPN office share nothing, so nobody fetches for the others. */
function fetcher(office: OfficeRow): string {
  if (office.type === "vpn") return "each fetches for itself";
  const names = office.devices.filter(({ rvp }) => rvp).map(({ name }) => name);
  return names.length === 0 ? "no RVP yet" : `RVP ${names.join(" and ")}`;
}

/** `100 Mbit/s`, `3 x 50 Mbit/s`: all lines of an office have one rate. */
function rateText(rates: readonly number[]): string {
  const [rate = 0] = rates;
  return rates.length > 1 ? `${rates.length} x ${rate} Mbit/s` : `${rate} Mbit/s`;
}

function mbit(bytesPerS: number): string {
  return ((bytesPerS * 8) / 1_000_000).toFixed(1);
}

/** How many devices there are and have verified it, and what all of them hold. */
type Counts = { readonly devices: number; readonly verified: number; readonly heldBytes: number };

function countsOf(view: LiveView): Counts {
  return view.offices.map(countsOfOffice).reduce(sum, NO_DEVICES);
}

function countsOfOffice({ devices, others = NO_DEVICES }: OfficeRow): Counts {
  const drawn = {
    devices: devices.length,
    verified: devices.filter(({ state }) => state === "complete").length,
    heldBytes: devices.reduce((total, { heldBytes }) => total + heldBytes, 0),
  };
  return sum(drawn, others);
}

const NO_DEVICES: Counts = { devices: 0, verified: 0, heldBytes: 0 };

function sum(a: Counts, b: Counts): Counts {
  return {
    devices: a.devices + b.devices,
    verified: a.verified + b.verified,
    heldBytes: a.heldBytes + b.heldBytes,
  };
}
