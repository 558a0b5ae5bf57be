import type { DeviceId } from "../../src/base/ids.ts";
import type { DeviceRow } from "../../src/coordinator/state.ts";

/** A device as the server keeps it, the `index`-th of many, seen at an address. */
export function deviceRow(index: number, host: string): DeviceRow {
  return {
    deviceId: index.toString(16).padStart(32, "0") as DeviceId,
    hostName: `pc-${index}`,
    machineId: `machine-${index}`,
    office: "",
    hosts: [host],
    seenHost: host,
    portOffset: 0,
    facts: {
      freeBytes: 100_000_000_000,
      usableBytes: 50_000_000_000,
      preferred: false,
      desktop: true,
      serverOs: false,
      uptimeS: 3_600,
    },
    attributes: [],
    productVersion: "0.1.0",
    enrolledAtMs: 1_800_000_000_000 + index,
    lastSeenAtMs: 1_800_000_000_000 + index,
  };
}
