import type { DeploymentView } from "../../api/deployment-schemas.ts";
import type { ContentView, DeviceView, LedgerEntry, OfficeView } from "../../api/server-schemas.ts";
import type { Coordinator } from "../../coordinator/coordinator.ts";
import type { LedgerStanding } from "../../coordinator/ledger-view.ts";
import type { ContentRow, DeploymentRow, Targets } from "../../coordinator/state.ts";
import type { DeploymentSummary, DeviceStanding } from "../../coordinator/views.ts";

// What the coordinator knows, in the form of the API's schemas. Answers and events share it.

/** A device in a list. */
export function deviceView(device: DeviceStanding, wallMs: number): DeviceView {
  const { deviceId, hostName, office, present, productVersion, enrolledAtMs } = device;
  const { shunnedAtMs, retiredAtMs, version } = device;
  return {
    ...{ deviceId, hostName, office, hosts: [...device.hosts], present },
    lastSeenAtMs: present ? wallMs : device.lastSeenAtMs,
    attributes: [...device.attributes],
    ...{ productVersion, versionFit: version, enrolledAtMs },
    ...(shunnedAtMs === undefined ? {} : { shunnedAtMs }),
    ...(retiredAtMs === undefined ? {} : { retiredAtMs }),
  };
}

/** A content in a list. */
export function contentView(content: ContentRow): ContentView {
  const { publishedBy: _, ...view } = content;
  return view;
}

/** A deployment in a list. */
export function deploymentView(one: DeploymentSummary): DeploymentView {
  return { ...deploymentFields(one, one.content), devices: one.devices, verified: one.verified };
}

/** What all views of a deployment share. */
export function deploymentFields(
  one: DeploymentRow,
  { name, version }: ContentRow,
): Omit<DeploymentView, "devices" | "verified"> {
  const { deploymentId, contentId, priority, place, runAction, createdAtMs } = one;
  const { notBeforeMs, notAfterMs, finishedAtMs, cancelledAtMs } = one;
  return {
    ...{ deploymentId, contentId, name, version },
    targets: targetsView(one.targets),
    ...{ priority, place, windows: [...one.windows], runAction },
    ...(notBeforeMs === undefined ? {} : { notBeforeMs }),
    ...(notAfterMs === undefined ? {} : { notAfterMs }),
    revision: one.revision,
    directives: one.directives.map((directive) => ({ ...directive })),
    createdAtMs,
    ...(finishedAtMs === undefined ? {} : { finishedAtMs }),
    ...(cancelledAtMs === undefined ? {} : { cancelledAtMs }),
  };
}

/** A row of the ledger. */
export function ledgerEntry({ content, ...row }: LedgerStanding): LedgerEntry {
  const { name, version, sizeBytes } = content;
  return { ...row, name, version, sizeBytes };
}

/** All offices, in the order of their entry. */
export function officeViews(coordinator: Coordinator): OfficeView[] {
  return coordinator.offices().map((office) => ({ ...office, subnets: [...office.subnets] }));
}

function targetsView({ all, ...names }: Targets): DeploymentView["targets"] {
  const lists = Object.entries(names).map(([name, values]) => [name, [...values]]);
  return { ...(all === undefined ? {} : { all }), ...Object.fromEntries(lists) };
}
