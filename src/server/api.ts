import type { SERVER_ROUTES } from "../api/server-routes.ts";
import type {
  ContentView,
  DeploymentView,
  DeviceView,
  LedgerEntry,
  ServerView,
} from "../api/server-schemas.ts";
import { PRODUCT_VERSION, PROTOCOL_VERSION } from "../base/constants.ts";
import type { Answer, Command, RefusalCode } from "../coordinator/contract.ts";
import type { Coordinator } from "../coordinator/coordinator.ts";
import type { LedgerStanding } from "../coordinator/ledger-view.ts";
import type { ContentRow, DeploymentRow, Targets } from "../coordinator/state.ts";
import type { DeviceStanding } from "../coordinator/views.ts";
import type { ControlHandlers } from "../runtime/control-route.ts";
import { RequestRefused } from "../runtime/control-server.ts";
import type { ServerDatabase } from "./database.ts";

/** What the server's API stands on. */
export type ServerApi = {
  readonly coordinator: Coordinator;
  /** Has the coordinator carry out a command; answers once what it changed is durable. */
  readonly command: (command: Command) => Promise<Answer>;
  readonly database: ServerDatabase;
  readonly organisation: string;
  /** Of the authority's certificate. */
  readonly fingerprint: string;
  readonly epoch: number;
  readonly wallMs: () => number;
};

/** The operations of the server's API. */
export function createServerHandlers(api: ServerApi): ControlHandlers<typeof SERVER_ROUTES> {
  const { coordinator } = api;
  return {
    showServer: () => serverView(api),
    listContents: () => ({ contents: coordinator.contents().map(contentView) }),
    showContent: async ({ params }) => {
      const content = contentOf(coordinator, params.contentId);
      const fileList = [...(await api.database.contentFiles(content.contentId))];
      return { ...contentView(content), fileList };
    },
    ...deviceHandlers(api),
    ...originHandlers(api),
    showLedger: () => ({ entries: coordinator.ledger().map(ledgerEntry) }),
    showContentLedger: ({ params }) => {
      const { contentId } = contentOf(coordinator, params.contentId);
      return { entries: coordinator.ledger(contentId).map(ledgerEntry) };
    },
    listOffices: () => ({ offices: officeViews(coordinator) }),
    replaceOffices: async ({ body }) => {
      const answer = await api.command({ kind: "replace-offices", offices: body.offices });
      if (answer.kind !== "offices-replaced") throw refusal(answer);
      return { offices: officeViews(coordinator), findings: [...answer.findings] };
    },
    deploy: async ({ body }) => {
      const { contentId, targets, priority = "medium" } = body;
      const answer = await api.command({ kind: "deploy", contentId, targets, priority });
      if (answer.kind !== "deployed") throw refusal(answer);
      return { deploymentId: answer.deploymentId };
    },
    listDeployments: () => ({
      deployments: coordinator
        .deployments()
        .map((one) => ({ ...deploymentView(one, one.content), ...countsOf(one) })),
    }),
    showDeployment: ({ params }) => {
      const one = coordinator.deployment(params.deploymentId);
      if (one === undefined) {
        const detail = `There is no deployment ${params.deploymentId}: check its id.`;
        throw new RequestRefused(404, "deployment-unknown", detail);
      }
      return {
        ...deploymentView(one, one.content),
        sizeBytes: one.content.sizeBytes,
        startedAtMs: one.createdAtMs,
        devices: [...one.devices],
        offices: [...one.offices],
      };
    },
    regenerateSecurityKey: async () => ({
      securityKey: await api.database.securityKeys.regenerate(api.wallMs()),
    }),
  };
}

type Handlers = ControlHandlers<typeof SERVER_ROUTES>;

function deviceHandlers(
  api: ServerApi,
): Pick<Handlers, "listDevices" | "showDevice" | "pardonDevice"> {
  const { coordinator } = api;
  const view = (device: DeviceStanding) => deviceView(device, api.wallMs());
  return {
    listDevices: () => ({ devices: coordinator.devices().map(view) }),
    showDevice: ({ params }) => {
      const devices = coordinator.devices();
      const device = devices.find(({ deviceId }) => deviceId === params.deviceId);
      if (device === undefined) {
        const detail = `No device ${params.deviceId} is enrolled: check its id.`;
        throw new RequestRefused(404, "device-unknown", detail);
      }
      const { machineId, seenHost, deviceId } = device;
      const names = new Map<string, string>(devices.map((one) => [one.deviceId, one.hostName]));
      const accusations = coordinator.accusations(deviceId).map(({ accused: _, ...one }) => ({
        ...one,
        reporterHostName: names.get(one.reporter) ?? "",
      }));
      return { ...view(device), machineId, seenHost, accusations };
    },
    pardonDevice: async ({ params }) => {
      const answer = await api.command({ kind: "pardon", deviceId: params.deviceId });
      if (answer.kind !== "pardoned") throw refusal(answer);
      return { deviceId: params.deviceId };
    },
  };
}

function originHandlers(
  api: ServerApi,
): Pick<Handlers, "listOrigins" | "addOrigin" | "removeOrigin"> {
  const change = async (command: Command) => {
    const answer = await api.command(command);
    if (answer.kind !== "origins-changed") throw refusal(answer);
    return { origins: [...answer.origins] };
  };
  return {
    listOrigins: () => ({ origins: [...api.coordinator.origins()] }),
    addOrigin: ({ body: { kind, location } }) => {
      const said = kind === undefined ? {} : { originKind: kind };
      return change({ kind: "add-origin", location, ...said });
    },
    removeOrigin: ({ body }) => change({ kind: "remove-origin", location: body.location }),
  };
}

function deviceView(device: DeviceStanding, wallMs: number): DeviceView {
  const { deviceId, hostName, office, present, productVersion, enrolledAtMs } = device;
  const { shunnedAtMs, retiredAtMs, version } = device;
  return {
    ...{ deviceId, hostName, office, hosts: [...device.hosts], present },
    lastSeenAtMs: present ? wallMs : device.lastSeenAtMs,
    ...{ productVersion, versionFit: version, enrolledAtMs },
    ...(shunnedAtMs === undefined ? {} : { shunnedAtMs }),
    ...(retiredAtMs === undefined ? {} : { retiredAtMs }),
  };
}

function ledgerEntry({ content, ...row }: LedgerStanding): LedgerEntry {
  const { name, version, sizeBytes } = content;
  return { ...row, name, version, sizeBytes };
}

function serverView({ coordinator, organisation, fingerprint, epoch }: ServerApi): ServerView {
  return {
    organisation,
    productVersion: PRODUCT_VERSION,
    protocolVersion: PROTOCOL_VERSION,
    fingerprint,
    epoch,
    devices: coordinator.counts(),
  };
}

function contentOf(coordinator: Coordinator, prefix: string): ContentRow {
  const [content, ...others] = coordinator.findContents(prefix);
  if (content === undefined) {
    const detail = `No content has an id that begins with ${prefix}: list them to see which do.`;
    throw new RequestRefused(404, "content-unknown", detail);
  }
  if (others.length > 0) {
    const detail = `More than one content id begins with ${prefix}: give more digits.`;
    throw new RequestRefused(409, "content-ambiguous", detail);
  }
  return content;
}

function contentView(content: ContentRow): ContentView {
  const { publishedBy: _, ...view } = content;
  return view;
}

function officeViews(coordinator: Coordinator) {
  return coordinator.offices().map((office) => ({ ...office, subnets: [...office.subnets] }));
}

function deploymentView(
  one: DeploymentRow,
  content: ContentRow,
): Omit<DeploymentView, "devices" | "verified"> {
  const { deploymentId, contentId, priority, createdAtMs, finishedAtMs } = one;
  return {
    deploymentId,
    contentId,
    name: content.name,
    version: content.version,
    targets: targetsView(one.targets),
    priority,
    createdAtMs,
    ...(finishedAtMs === undefined ? {} : { finishedAtMs }),
  };
}

function targetsView({ all, offices, devices }: Targets): DeploymentView["targets"] {
  return {
    ...(all === undefined ? {} : { all }),
    ...(offices === undefined ? {} : { offices: [...offices] }),
    ...(devices === undefined ? {} : { devices: [...devices] }),
  };
}

function countsOf({ devices, verified }: { devices: number; verified: number }) {
  return { devices, verified };
}

const STATUS: Readonly<Record<RefusalCode, number>> = {
  "bad-topology": 422,
  "content-unknown": 404,
  "content-ambiguous": 409,
  "no-targets": 422,
  "office-unknown": 422,
  "device-unknown": 422,
  "too-many-deployments": 409,
  "origin-malformed": 422,
  "origin-duplicate": 409,
  "origin-unknown": 404,
  "too-many-origins": 409,
};

function refusal(answer: Answer): RequestRefused {
  if (answer.kind !== "refused") {
    return new RequestRefused(500, "internal-error", "The coordinator answered something else.");
  }
  const findings = answer.findings.length === 0 ? {} : { findings: answer.findings };
  return new RequestRefused(STATUS[answer.code], answer.code, answer.reason, findings);
}
