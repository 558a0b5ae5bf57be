import type { SERVER_ROUTES } from "../../api/server-routes.ts";
import type { ServerView } from "../../api/server-schemas.ts";
import { PRODUCT_VERSION, PROTOCOL_VERSION } from "../../base/constants.ts";
import type { Answer, Command, Question } from "../../coordinator/contract.ts";
import type { Coordinator } from "../../coordinator/coordinator.ts";
import type { Caller, HttpHandlers } from "../../runtime/http/route.ts";
import type { ServerDatabase } from "../database.ts";
import type { FileStorage } from "../storage/file-storage.ts";
import type { Uploads } from "../storage/uploads.ts";
import { deploymentHandlers } from "./deployment-handlers.ts";
import { explanationHandler } from "./explanation-handler.ts";
import { insightHandlers } from "./insight-lists.ts";
import { listHandlers } from "./lists.ts";
import { selectPage } from "./paging.ts";
import { profileHandlers } from "./profile-handlers.ts";
import { contentOf, deviceOf, refusal } from "./refusals.ts";
import { statisticsHandler } from "./statistics-list.ts";
import { storageHandlers } from "./storage-handlers.ts";
import { topologyHandlers } from "./topology-handlers.ts";
import { uploadHandlers } from "./upload-handlers.ts";
import { contentView, deviceView } from "./views.ts";
import type { Webhooks } from "./webhooks.ts";

/** What the server's API stands on. */
export type ServerApi = {
  readonly coordinator: Coordinator;
  /** Has the coordinator carry out a command; answers once what it changed is durable. */
  readonly command: (command: Command, caller: Caller) => Promise<Answer>;
  /** Asks a device something; answers what it says, or why it says nothing. */
  readonly ask: (question: Question) => Promise<Answer>;
  readonly database: ServerDatabase;
  readonly webhooks: Webhooks;
  /** Where packages are kept, and whether that is configured. */
  readonly fileStorage: FileStorage;
  readonly uploads: Uploads;
  readonly organisation: string;
  /** Of the authority's certificate. */
  readonly fingerprint: string;
  readonly epoch: number;
  readonly wallMs: () => number;
};

type Handlers = HttpHandlers<typeof SERVER_ROUTES>;

/** The operations of the server's API. */
export function createServerHandlers(api: ServerApi): Handlers {
  const { coordinator, database, wallMs } = api;
  return {
    showServer: () => serverView(api),
    ...listHandlers(coordinator, wallMs),
    ...explanationHandler(api),
    ...insightHandlers(api),
    ...statisticsHandler(api),
    showContent: async ({ params }) => {
      const content = contentOf(coordinator, params.contentId);
      const fileList = [...(await database.contentFiles(content.contentId))];
      return { ...contentView(content), fileList };
    },
    ...deviceHandlers(api),
    ...originHandlers(api),
    ...topologyHandlers(api),
    ...deploymentHandlers(api),
    ...profileHandlers(api),
    ...storageHandlers(api),
    ...uploadHandlers(api),
    ...accessHandlers(api),
    ...webhookHandlers(api),
  };
}

function deviceHandlers({
  coordinator,
  command,
  wallMs,
}: ServerApi): Pick<Handlers, "showDevice" | "pardonDevice"> {
  return {
    showDevice: ({ params }) => {
      const device = deviceOf(coordinator, params.deviceId);
      const { machineId, seenHost, deviceId } = device;
      const accusations = coordinator.accusations(deviceId).map(({ accused: _, ...one }) => ({
        ...one,
        reporterHostName: coordinator.device(one.reporter)?.hostName ?? "",
      }));
      return { ...deviceView(device, wallMs()), machineId, seenHost, accusations };
    },
    pardonDevice: async ({ params, caller }) => {
      const answer = await command({ kind: "pardon", deviceId: params.deviceId }, caller);
      if (answer.kind !== "pardoned") throw refusal(answer);
      return { deviceId: params.deviceId };
    },
  };
}

function originHandlers(
  api: ServerApi,
): Pick<Handlers, "listOrigins" | "addOrigin" | "removeOrigin"> {
  const change = async (command: Command, caller: Caller) => {
    const answer = await api.command(command, caller);
    if (answer.kind !== "origins-changed") throw refusal(answer);
    return { origins: [...answer.origins] };
  };
  return {
    listOrigins: () => ({ origins: [...api.coordinator.origins()] }),
    addOrigin: ({ body: { kind, location }, caller }) => {
      const said = kind === undefined ? {} : { originKind: kind };
      return change({ kind: "add-origin", location, ...said }, caller);
    },
    removeOrigin: ({ body, caller }) =>
      change({ kind: "remove-origin", location: body.location }, caller),
  };
}

/** Who may enrol, and who may use the API. What is secret is in no audit row. */
function accessHandlers(
  api: ServerApi,
): Pick<Handlers, "regenerateSecurityKey" | "listTokens" | "createToken" | "revokeToken"> {
  const { tokens, securityKeys } = api.database;
  return {
    regenerateSecurityKey: async ({ caller }) => {
      const securityKey = await securityKeys.regenerate(api.wallMs());
      await record(api, { action: "regenerate-security-key", subject: "" }, caller);
      return { securityKey };
    },
    listTokens: () => ({ tokens: [...tokens.list()] }),
    createToken: async ({ body, caller }) => {
      const made = await tokens.create(body, api.wallMs());
      const { token: _, ...after } = made;
      await record(api, { action: "create-token", subject: made.tokenId, after }, caller);
      return made;
    },
    revokeToken: async ({ params, caller }) => {
      const before = await tokens.revoke(params.tokenId);
      await record(api, { action: "revoke-token", subject: before.tokenId, before }, caller);
      return before;
    },
  };
}

/** Leaves an audit row, once what it says has been done. */
async function record(
  { command }: ServerApi,
  what: Omit<Extract<Command, { kind: "record" }>, "kind">,
  caller: Caller,
): Promise<void> {
  const answer = await command({ kind: "record", ...what }, caller);
  if (answer.kind !== "recorded") throw refusal(answer);
}

function webhookHandlers(
  api: ServerApi,
): Pick<
  Handlers,
  "listWebhooks" | "addWebhook" | "removeWebhook" | "testWebhook" | "listDeliveries"
> {
  const { webhooks } = api;
  return {
    listWebhooks: () => ({ webhooks: webhooks.list() }),
    addWebhook: async ({ body, caller }) => {
      const made = await webhooks.add(body);
      const { secret: _, ...after } = made;
      await record(api, { action: "add-webhook", subject: made.webhookId, after }, caller);
      return made;
    },
    removeWebhook: async ({ params, caller }) => {
      const before = await webhooks.remove(params.webhookId);
      await record(api, { action: "remove-webhook", subject: before.webhookId, before }, caller);
      return before;
    },
    testWebhook: ({ params }) => webhooks.test(params.webhookId),
    listDeliveries: async ({ params, query }) => {
      const { entries, ...page } = selectPage(
        {
          entries: await webhooks.deliveries(params.webhookId),
          matches: ({ state }) => query.state === undefined || state === query.state,
          sorts: { created: ({ createdAtMs }) => createdAtMs },
          id: ({ deliveryId }) => deliveryId,
          order: "-created",
        },
        query,
      );
      return { deliveries: [...entries], ...page };
    },
  };
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
