import type { QueryOf } from "../../api/route.ts";
import type { SERVER_ROUTES } from "../../api/server-routes.ts";
import type { Coordinator } from "../../coordinator/coordinator.ts";
import { type LedgerEntry, ledgerEntries } from "../../coordinator/ledger-view.ts";
import type { DeviceRow } from "../../coordinator/state.ts";
import type { HttpHandlers } from "../../runtime/http/route.ts";
import { finder, selectPage } from "./paging.ts";
import { contentOf } from "./refusals.ts";
import { contentView, deploymentView, deviceView, ledgerEntry, officeViews } from "./views.ts";

type Handlers = HttpHandlers<typeof SERVER_ROUTES>;

/** The lists of the API. All of them come from the coordinator's memory, where the live state is. */
export function listHandlers(
  coordinator: Coordinator,
  wallMs: () => number,
): Pick<
  Handlers,
  "listDevices" | "listContents" | "listDeployments" | "listOffices" | "showLedger"
> {
  return {
    listDevices: ({ query }) => listDevices(coordinator, query, wallMs()),
    listContents: ({ query }) => listContents(coordinator, query),
    listDeployments: ({ query }) => listDeployments(coordinator, query),
    listOffices: ({ query }) => listOffices(coordinator, query),
    showLedger: ({ query }) => listLedger(coordinator, query),
  };
}

type QueryFor<Name extends keyof typeof SERVER_ROUTES> = QueryOf<(typeof SERVER_ROUTES)[Name]>;

function listDevices(coordinator: Coordinator, query: QueryFor<"listDevices">, wallMs: number) {
  const { search, office, present, versionFit, mark } = query;
  const isNamed = finder(search);
  const isFound = ({ deviceId, hostName, hosts }: DeviceRow): boolean =>
    search === undefined ||
    isNamed(hostName) ||
    deviceId.startsWith(search.toLowerCase()) ||
    hosts.includes(search);
  const { entries, ...page } = selectPage(
    {
      entries: coordinator.deviceRows(),
      matches: (device) =>
        (office === undefined || device.office === office) &&
        (present === undefined || coordinator.isPresent(device.deviceId) === present) &&
        (mark === undefined || markOf(device) === mark) &&
        isFound(device) &&
        (versionFit === undefined || coordinator.device(device.deviceId)?.version === versionFit),
      sorts: {
        hostName: ({ hostName }) => hostName,
        office: (device) => device.office,
        lastSeen: (device) =>
          coordinator.isPresent(device.deviceId) ? wallMs : device.lastSeenAtMs,
        enrolled: ({ enrolledAtMs }) => enrolledAtMs,
        version: ({ productVersion }) => productVersion,
      },
      id: ({ deviceId }) => deviceId,
      order: "hostName",
    },
    query,
  );
  const devices = entries.flatMap(({ deviceId }) => coordinator.device(deviceId) ?? []);
  return { devices: devices.map((device) => deviceView(device, wallMs)), ...page };
}

function markOf({ shunnedAtMs, retiredAtMs }: DeviceRow): "shunned" | "retired" | "none" {
  if (retiredAtMs !== undefined) return "retired";
  return shunnedAtMs === undefined ? "none" : "shunned";
}

function listContents(coordinator: Coordinator, query: QueryFor<"listContents">) {
  const { search, type, publisher } = query;
  const isNamed = finder(search);
  const { entries, ...page } = selectPage(
    {
      entries: coordinator.contents(),
      matches: (content) =>
        (type === undefined || content.type === type) &&
        (publisher === undefined || content.publisherName === publisher) &&
        isNamed(content.name),
      sorts: {
        published: ({ publishedAtMs }) => publishedAtMs,
        name: ({ name }) => name,
        size: ({ sizeBytes }) => sizeBytes,
      },
      id: ({ contentId }) => contentId,
      order: "-published",
    },
    query,
  );
  return { contents: entries.map(contentView), ...page };
}

function listDeployments(coordinator: Coordinator, query: QueryFor<"listDeployments">) {
  const { content, priority, finished } = query;
  const contentId = content === undefined ? undefined : contentOf(coordinator, content).contentId;
  const { entries, ...page } = selectPage(
    {
      entries: coordinator.deploymentRows(),
      matches: (one) =>
        (contentId === undefined || one.contentId === contentId) &&
        (priority === undefined || one.priority === priority) &&
        (finished === undefined || (one.finishedAtMs !== undefined) === finished),
      sorts: {
        created: ({ createdAtMs }) => createdAtMs,
        // What is under way stands behind all that is over.
        finished: ({ finishedAtMs }) => finishedAtMs ?? Number.MAX_SAFE_INTEGER,
      },
      id: ({ deploymentId }) => deploymentId,
      order: "-created",
    },
    query,
  );
  const deployments = entries.flatMap(
    (one) => coordinator.deploymentSummary(one.deploymentId) ?? [],
  );
  return { deployments: deployments.map(deploymentView), ...page };
}

function listOffices(coordinator: Coordinator, query: QueryFor<"listOffices">) {
  const { search, parent, type } = query;
  const isNamed = finder(search);
  const all = officeViews(coordinator);
  const places = new Map(all.map(({ name }, index) => [name, index]));
  const { entries, ...page } = selectPage(
    {
      entries: all,
      matches: (office) =>
        (parent === undefined || office.parent === parent) &&
        (type === undefined || office.type === type) &&
        isNamed(office.name),
      sorts: { entry: ({ name }) => places.get(name) ?? 0, name: ({ name }) => name },
      id: ({ name }) => name,
      order: "entry",
    },
    query,
  );
  return { offices: [...entries], ...page };
}

function listLedger(coordinator: Coordinator, query: QueryFor<"showLedger">) {
  const { content, office, alarm } = query;
  const contentId = content === undefined ? undefined : contentOf(coordinator, content).contentId;
  const all = ledgerEntries(coordinator.parts, contentId);
  const places = new Map<LedgerEntry, number>(all.map((entry, index) => [entry, index]));
  const { entries, ...page } = selectPage(
    {
      entries: all,
      matches: ({ row, standing }) =>
        (office === undefined || row.office === office) &&
        (alarm === undefined || standing().alarm === alarm),
      sorts: {
        published: (entry) => places.get(entry) ?? 0,
        wan: ({ row }) => row.wanBytes,
        saved: ({ standing }) => standing().savedBytes,
        copies: ({ standing }) => standing().copies,
      },
      id: ({ row }) => `${row.contentId} ${row.office}`,
      order: "published",
    },
    query,
  );
  return { entries: entries.map(({ standing }) => ledgerEntry(standing())), ...page };
}
