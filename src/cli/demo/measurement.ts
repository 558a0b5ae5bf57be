import type { DeploymentDetail, DeploymentDevice } from "../../api/deployment-schemas.ts";
import type { LedgerEntry } from "../../api/server-schemas.ts";
import type { LineCounters } from "../../runtime/line.ts";
import type { OfficeType } from "../../topology/office.ts";
import { liveView } from "../live/deployment-view.ts";
import { Rates } from "../live/rates.ts";
import type { LiveView } from "../live/view.ts";
import type { DemoState } from "./demo-state.ts";
import type { DemoPlan, PlannedLine } from "./plan.ts";

/** Over how long a rate is taken, in milliseconds. */
const RATE_MS = 1_500;

/** Makes rates from the counters of the line emulator, for each office whatever lines it has. */
export class Meter {
  readonly #offices: ReadonlyMap<string, string>;
  readonly #rates = new Rates(RATE_MS);

  constructor(lines: readonly PlannedLine[]) {
    this.#offices = new Map(lines.map(({ name, office }) => [name, office]));
  }

  /** Takes in what the counters say now. */
  add(atMs: number, counters: readonly LineCounters[]): void {
    const bytes = new Map<string, number>();
    for (const counter of counters) {
      const office = this.#offices.get(counter.office);
      if (counter.direction !== "down" || office === undefined) continue;
      bytes.set(office, (bytes.get(office) ?? 0) + counter.bytes);
    }
    this.#rates.add(atMs, bytes);
  }

  /** What has come over the lines of an office so far. */
  bytes(office: string): number {
    return this.#rates.bytes(office);
  }

  /** How fast it comes now. */
  bytesPerS(office: string): number {
    return this.#rates.bytesPerS(office);
  }
}

/** What is known of a distribution at one moment. */
export type Seen = {
  readonly plan: DemoPlan;
  readonly state: DemoState;
  readonly deployment: DeploymentDetail;
  readonly meter: Meter;
  /** The wall clock. */
  readonly nowMs: number;
};

/** What the live view shows of the demonstration's deployment. */
export function viewOf({ plan, state, deployment, meter, nowMs }: Seen): LiveView {
  return liveView(deployment, {
    nowMs,
    nameOf: (device) => agentName(state, device),
    lineOf: (office) => ({
      rates: plan.lines.filter((line) => line.office === office).map(({ mbit }) => mbit),
      bytes: meter.bytes(office),
      bytesPerS: meter.bytesPerS(office),
    }),
  });
}

/** What a demonstration's result says of an office. */
export type OfficeResult = {
  readonly office: string;
  readonly type: OfficeType;
  /** Empty for the Central Office. */
  readonly parent: string;
  /** The agent that fetches for the office; empty where none does, as by VPN. */
  readonly rvp: string;
  readonly devices: number;
  readonly verified: number;
  readonly wanBytes: number;
  readonly lanBytes: number;
  readonly copies: number;
  /** How many copies may come over its line: none where there is no line. */
  readonly bound: number;
  /** What came over its line in this run, with all headers, as the line itself counts it. */
  readonly lineBytes: number;
  /** What would have come over it, had every device fetched a copy of its own. */
  readonly withoutBytes: number;
  readonly savedBytes: number;
  /** More has come than may. */
  readonly alarm: boolean;
};

/** What a demonstration's result says of its offices. */
export function officeResults(
  { state, deployment, meter }: Seen,
  ledger: readonly LedgerEntry[],
): readonly OfficeResult[] {
  return deployment.offices.map((office) => {
    const rvp = deployment.devices.find(
      (one) => one.rvp && one.office === office.office && office.type !== "vpn",
    );
    const entry = ledger.find((one) => one.office === office.office);
    const parent = office.parent ?? "";
    return {
      office: office.office,
      type: office.type,
      parent,
      rvp: rvp === undefined ? "" : agentName(state, rvp),
      devices: office.devices,
      verified: office.verified,
      wanBytes: office.wanBytes,
      lanBytes: office.lanBytes,
      copies: Math.round(office.copies * 10_000) / 10_000,
      bound: parent === "" ? 0 : boundOf(entry),
      lineBytes: meter.bytes(office.office),
      withoutBytes: parent === "" ? 0 : withoutBranchline(entry),
      savedBytes: entry?.savedBytes ?? 0,
      alarm: entry?.alarm ?? false,
    };
  });
}

/** How many copies the ledger allows. */
function boundOf(entry: LedgerEntry | undefined): number {
  return entry === undefined || entry.sizeBytes === 0 ? 0 : entry.boundBytes / entry.sizeBytes;
}

/** What every holder's own copy over the line would have come to. */
function withoutBranchline(entry: LedgerEntry | undefined): number {
  return entry === undefined ? 0 : entry.sizeBytes * entry.holders;
}

/** All agents of a demonstration have the host name of this machine; their own names say more. */
function agentName(state: DemoState, device: DeploymentDevice): string {
  const known = Object.entries(state.deviceIds).find(([, id]) => id === device.deviceId);
  return known?.[0] ?? device.hostName;
}
