import { barText, padEnd, sizeText } from "../text-table.ts";

/** One device in the live view. */
export type DeviceRow = {
  readonly name: string;
  readonly state: "waiting" | "downloading" | "checking" | "complete" | "failed";
  readonly heldBytes: number;
  readonly rvp: boolean;
  /** What is wrong; empty where nothing is. */
  readonly problem: string;
};

/** One office in the live view. */
export type OfficeRow = {
  readonly name: string;
  readonly parent?: string;
  readonly devices: readonly DeviceRow[];
  /** Pieces over the line from the parent office, as agents report them. */
  readonly wanBytes: number;
  /** The same line as the emulator counts it: every datagram with its headers. */
  readonly lineBytes: number;
  /** How fast that is now. */
  readonly lineBytesPerS: number;
  readonly lanBytes: number;
  readonly copies: number;
};

/** Everything that the live view shows. */
export type DemoView = {
  readonly title: string;
  readonly sizeBytes: number;
  readonly wanMbit: number;
  readonly seconds: number;
  readonly offices: readonly OfficeRow[];
};

/** How wide the bars are, in characters. */
const BAR_WIDTH = 24;

/** Draws the live view: one line of text each, without colours. */
export function renderView(view: DemoView): readonly string[] {
  const devices = view.offices.flatMap((office) => office.devices);
  const nameWidth = Math.max(0, ...devices.map(({ name }) => name.length));
  const head =
    `${view.title}, ${sizeText(view.sizeBytes)}, line ${view.wanMbit} Mbit/s, ` +
    `${view.seconds.toFixed(1)} s`;
  const offices = view.offices.flatMap((office) => [
    officeLine(office),
    ...lineLines(office),
    ...office.devices.map((device) => deviceLine(device, view.sizeBytes, nameWidth)),
  ]);
  return [head, ...offices];
}

/** The whole of {@link DemoView} in one line, for where nothing can be redrawn. */
export function renderLine(view: DemoView): string {
  const devices = view.offices.flatMap((office) => office.devices);
  const verified = devices.filter(({ state }) => state === "complete").length;
  const held = devices.reduce((total, { heldBytes }) => total + heldBytes, 0);
  const percent = Math.floor((100 * held) / Math.max(1, view.sizeBytes * devices.length));
  const lines = view.offices
    .filter(({ parent }) => parent !== undefined)
    .map(
      (office) =>
        `${office.name}: ${fetcher(office)}, ${rate(office.lineBytesPerS)}, ` +
        `WAN ${sizeText(office.wanBytes)} (${office.copies.toFixed(2)} copies), ` +
        `LAN ${sizeText(office.lanBytes)}`,
    );
  const seconds = `${view.seconds.toFixed(0)} s`;
  return [`${seconds}: ${percent} %, ${verified} of ${devices.length} verified`, ...lines].join(
    "; ",
  );
}

/** What is said when all is over. */
export function renderSummary(view: DemoView): readonly string[] {
  const devices = view.offices.flatMap((office) => office.devices);
  const verified = devices.filter(({ state }) => state === "complete");
  const seconds = view.seconds.toFixed(1);
  const first =
    verified.length === devices.length
      ? `All ${devices.length} devices have verified ${view.title} (${sizeText(view.sizeBytes)}) in ${seconds} s.`
      : `Only ${verified.length} of ${devices.length} devices have verified ${view.title}.`;
  const problems = devices
    .filter(({ state }) => state !== "complete")
    .map(({ name, state, problem }) => `  ${name}: ${problem === "" ? state : problem}`);
  const lines = view.offices
    .filter(({ parent }) => parent !== undefined)
    .map(
      (office) =>
        `  ${office.parent} -> ${office.name}: ${office.copies.toFixed(2)} copies over the line ` +
        `(${sizeText(office.wanBytes)} of pieces; ${sizeText(office.lineBytes)} on the line with ` +
        `all headers), ${sizeText(office.lanBytes)} over the LAN`,
    );
  return [first, ...problems, ...lines];
}

function officeLine(office: OfficeRow): string {
  const verified = office.devices.filter(({ state }) => state === "complete").length;
  return `${office.name}: ${verified} of ${office.devices.length} verified`;
}

function lineLines(office: OfficeRow): readonly string[] {
  const lan = `LAN ${sizeText(office.lanBytes)}`;
  if (office.parent === undefined) return [`  ${lan}`];
  return [
    `  from ${office.parent}: ${fetcher(office)}, ${rate(office.lineBytesPerS)}, ` +
      `WAN ${sizeText(office.wanBytes)} (on the line ${sizeText(office.lineBytes)}), ` +
      `${office.copies.toFixed(2)} copies, ${lan}`,
  ];
}

function deviceLine(device: DeviceRow, sizeBytes: number, nameWidth: number): string {
  const share = sizeBytes === 0 ? 0 : Math.min(1, device.heldBytes / sizeBytes);
  const percent = `${Math.floor(share * 100)} %`.padStart(5);
  const bar = barText(share, BAR_WIDTH);
  const line = `    ${padEnd(device.name, nameWidth)} ${bar}${percent}  ${stateText(device)}`;
  return device.problem === "" ? line : `${line}: ${device.problem}`;
}

function stateText(device: DeviceRow): string {
  if (device.state === "complete") return "verified";
  return device.rvp ? `${device.state} (RVP)` : device.state;
}

function fetcher(office: OfficeRow): string {
  const names = office.devices.filter(({ rvp }) => rvp).map(({ name }) => name);
  return names.length === 0 ? "nobody fetches" : `${names.join(" and ")} fetches`;
}

function rate(bytesPerS: number): string {
  return `${((bytesPerS * 8) / 1_000_000).toFixed(1)} Mbit/s`;
}
