import { inForceView, valuesView } from "../../api/profile-forms.ts";
import type { DeviceProfileView, ProfileView } from "../../api/profile-schemas.ts";
import type { Coordinator } from "../../coordinator/coordinator.ts";
import { pendingOf } from "../../coordinator/profile-precedence.ts";
import type { ProfileRow } from "../../coordinator/profile-rows.ts";
import type { DeviceRow } from "../../coordinator/state.ts";

/** A profile. */
export function profileView(row: ProfileRow): ProfileView {
  const { name, order, targets, createdAtMs, changedAtMs } = row;
  return {
    ...{ name, order, values: valuesView(row.values) },
    targets: {
      groups: [...targets.groups],
      offices: [...targets.offices],
      devices: [...targets.devices],
    },
    ...{ createdAtMs, changedAtMs },
  };
}

/** What profiles say to a device, and what it has taken of it. */
export function deviceProfileView(
  coordinator: Coordinator,
  device: Pick<DeviceRow, "deviceId" | "office">,
): DeviceProfileView {
  const wanted = coordinator.profileValues(device);
  const report = coordinator.profileReport(device.deviceId);
  return {
    wanted: inForceView(wanted),
    ...(report === undefined
      ? {}
      : { reported: inForceView(report.values), reportedAtMs: report.atMs }),
    pending: [...pendingOf(wanted, report?.values)],
    problems: [...(report?.problems ?? [])],
  };
}
