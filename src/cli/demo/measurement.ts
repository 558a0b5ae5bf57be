import type { DeploymentDetail, DeploymentDevice } from "../../api/server-schemas.ts";
import type { LineCounters } from "../../runtime/line.ts";
import type { DemoState } from "./demo-state.ts";
import type { DemoPlan } from "./plan.ts";
import type { DemoView, DeviceRow } from "./view.ts";

/** Over how long a rate is taken, in milliseconds. */
const RATE_MS = 1_500;

/** Makes rates from the counters of the line emulator. */
export class Meter {
  #samples: { readonly atMs: number; readonly bytes: ReadonlyMap<string, number> }[] = [];

  /** Takes in what the counters say now. */
  add(atMs: number, counters: readonly LineCounters[]): void {
    const down = counters.filter(({ direction }) => direction === "down");
    const bytes = new Map(down.map((counter) => [counter.office, counter.bytes]));
    this.#samples = [...this.#samples.filter((old) => atMs - old.atMs <= RATE_MS), { atMs, bytes }];
  }

  /** What has come over the line of an office so far. */
  bytes(office: string): number {
    return this.#samples.at(-1)?.bytes.get(office) ?? 0;
  }

  /** How fast it comes now. */
  bytesPerS(office: string): number {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (first === undefined || last === undefined || last.atMs === first.atMs) return 0;
    const gained = (last.bytes.get(office) ?? 0) - (first.bytes.get(office) ?? 0);
    return (1000 * gained) / (last.atMs - first.atMs);
  }
}

/** What the live view shows of a deployment. */
export function viewOf(seen: {
  readonly plan: DemoPlan;
  readonly state: DemoState;
  readonly deployment: DeploymentDetail;
  readonly meter: Meter;
  /** The wall clock. */
  readonly nowMs: number;
}): DemoView {
  const { plan, state, deployment, meter } = seen;
  const endMs = deployment.finishedAtMs ?? seen.nowMs;
  return {
    title: `${deployment.name} ${deployment.version}`,
    sizeBytes: deployment.sizeBytes,
    wanMbit: plan.wanMbit,
    seconds: Math.max(0, endMs - deployment.startedAtMs) / 1000,
    offices: deployment.offices.map((office) => ({
      name: office.office,
      ...(office.parent === undefined ? {} : { parent: office.parent }),
      devices: deployment.devices
        .filter((device) => device.office === office.office)
        .map((device) => deviceRow(state, device))
        .toSorted((a, b) => (a.name < b.name ? -1 : 1)),
      wanBytes: office.wanBytes,
      lineBytes: meter.bytes(office.office),
      lineBytesPerS: meter.bytesPerS(office.office),
      lanBytes: office.lanBytes,
      copies: office.copies,
    })),
  };
}

/** What a demonstration's result says of an office. */
export type OfficeResult = {
  readonly office: string;
  readonly type: string;
  /** Empty for the Central Office. */
  readonly parent: string;
  /** The agent that fetches for the office; empty where none does. */
  readonly rvp: string;
  readonly wanBytes: number;
  readonly lanBytes: number;
  readonly copies: number;
};

/** What a demonstration's result says of its offices. */
export function officeResults(
  state: DemoState,
  deployment: DeploymentDetail,
): readonly OfficeResult[] {
  return deployment.offices.map((office) => {
    const rvp = deployment.devices.find((one) => one.rvp && one.office === office.office);
    return {
      office: office.office,
      type: office.type,
      parent: office.parent ?? "",
      rvp: rvp === undefined ? "" : agentName(state, rvp),
      wanBytes: office.wanBytes,
      lanBytes: office.lanBytes,
      copies: Math.round(office.copies * 10_000) / 10_000,
    };
  });
}

function deviceRow(state: DemoState, device: DeploymentDevice): DeviceRow {
  return {
    name: agentName(state, device),
    state: device.state,
    heldBytes: device.heldBytes,
    rvp: device.rvp,
    problem: device.problem,
  };
}

/** All agents of a demonstration have the host name of this machine; their own names say more. */
function agentName(state: DemoState, device: DeploymentDevice): string {
  const known = Object.entries(state.deviceIds).find(([, id]) => id === device.deviceId);
  return known?.[0] ?? device.hostName;
}
