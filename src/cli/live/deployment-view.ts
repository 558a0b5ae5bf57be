import type {
  DeploymentDetail,
  DeploymentDevice,
  DeploymentOffice,
} from "../../api/deployment-schemas.ts";
import type { DeviceRow, LineRow, LiveView, OfficeRow } from "./view.ts";

/** What is known of an office's line beside what the server says. */
export type LineFigures = {
  /** Of its lines, in Mbit/s; empty where they are not known. */
  readonly rates: readonly number[];
  readonly bytes: number;
  readonly bytesPerS: number;
};

/** How a deployment is to be shown. */
export type Look = {
  /** The wall clock. */
  readonly nowMs: number;
  readonly nameOf: (device: DeploymentDevice) => string;
  readonly lineOf: (office: string) => LineFigures;
  /** Most devices of an office that are drawn; absent: all. */
  readonly devicesMax?: number;
};

/** What the live view shows of a deployment. */
export function liveView(deployment: DeploymentDetail, look: Look): LiveView {
  const endMs = deployment.finishedAtMs ?? look.nowMs;
  const members = Map.groupBy(deployment.devices, ({ office }) => office);
  return {
    title: `${deployment.name} ${deployment.version}`,
    sizeBytes: deployment.sizeBytes,
    seconds: Math.max(0, endMs - deployment.startedAtMs) / 1000,
    offices: deployment.offices.map((office) =>
      officeRow(office, members.get(office.office) ?? [], look),
    ),
  };
}

function officeRow(
  office: DeploymentOffice,
  members: readonly DeploymentDevice[],
  look: Look,
): OfficeRow {
  const { devicesMax = members.length } = look;
  const drawn = members.toSorted((a, b) => interest(b) - interest(a)).slice(0, devicesMax);
  const others = members.length > drawn.length ? members.filter((one) => !drawn.includes(one)) : [];
  return {
    name: office.office,
    type: office.type,
    ...lineRow(office, look),
    devices: drawn
      .map((device) => deviceRow(device, look))
      .toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    ...(others.length === 0 ? {} : { others: countsOf(others) }),
    lanBytes: office.lanBytes,
  };
}

/** Whom to draw where not all can be: who fetches for the office, who is in trouble, who is at it. */
function interest({ rvp, problem, state }: DeploymentDevice): number {
  const busy = state === "downloading" || state === "checking";
  return (rvp ? 4 : 0) + (problem === "" ? 0 : 2) + (busy ? 1 : 0);
}

function countsOf(devices: readonly DeploymentDevice[]): NonNullable<OfficeRow["others"]> {
  return {
    devices: devices.length,
    verified: devices.filter(({ state }) => state === "complete").length,
    heldBytes: devices.reduce((total, { heldBytes }) => total + heldBytes, 0),
  };
}

function lineRow(
  { office, parent, type, wanBytes, copies, devices }: DeploymentOffice,
  { lineOf }: Look,
): { readonly line?: LineRow } {
  if (parent === undefined) return {};
  const { rates, bytes, bytesPerS } = lineOf(office);
  const bound = type === "vpn" ? devices : 1;
  return {
    line: { parent, rates, wanBytes, copies, bound, lineBytes: bytes, lineBytesPerS: bytesPerS },
  };
}

function deviceRow(device: DeploymentDevice, { nameOf }: Look): DeviceRow {
  const { state, heldBytes, rvp, problem } = device;
  return { name: nameOf(device), state, heldBytes, rvp, problem };
}
