import type { DEPLOYMENT_ROUTES } from "../../api/deployment-routes.ts";
import type { Command } from "../../coordinator/contract.ts";
import type { Coordinator } from "../../coordinator/coordinator.ts";
import { requireRevision } from "../../runtime/http/entity-tag.ts";
import { RequestRefused } from "../../runtime/http/problem.ts";
import type { HttpHandlers } from "../../runtime/http/route.ts";
import type { ServerApi } from "./handlers.ts";
import { refusal } from "./refusals.ts";
import { deploymentFields } from "./views.ts";

/** How many audit rows a page has where nobody says otherwise. */
const AUDIT_ROWS = 100;

/** Deployments, groups of devices, and what operators did. */
export function deploymentHandlers(
  api: ServerApi,
): Omit<HttpHandlers<typeof DEPLOYMENT_ROUTES>, "listDeployments"> {
  const { coordinator } = api;
  return {
    deploy: async ({ body, caller }) => {
      const { priority = "medium", ...asked } = body;
      const answer = await api.command({ kind: "deploy", priority, ...asked }, caller);
      if (answer.kind !== "deployed") throw refusal(answer);
      return { deploymentId: answer.deploymentId };
    },
    showDeployment: ({ params }) => {
      const one = coordinator.deployment(params.deploymentId);
      if (one === undefined) {
        const detail = `There is no deployment ${params.deploymentId}: check its id.`;
        throw new RequestRefused(404, "deployment-unknown", detail);
      }
      return {
        ...deploymentFields(one, one.content),
        sizeBytes: one.content.sizeBytes,
        startedAtMs: one.createdAtMs,
        devices: [...one.devices],
        offices: [...one.offices],
      };
    },
    steerDeployments: async ({ body, ifMatch, caller }) => {
      if ((body.deploymentId === undefined) === (body.contentId === undefined)) {
        const detail =
          "Name a deployment, or a content whose deployments are meant: one of the two.";
        throw new RequestRefused(422, "bad-scope", detail);
      }
      checkRevision(coordinator, body.deploymentId, ifMatch);
      const answer = await api.command({ kind: "steer", ...body }, caller);
      if (answer.kind !== "steered") throw refusal(answer);
      const { deployments, changed, devices, reached } = answer;
      return { deployments: [...deployments], changed, devices, reached };
    },
    ...groupHandlers(api),
    listAudit: async ({ query: { limit = AUDIT_ROWS, after } }) =>
      await api.database.audit(limit, after),
  };
}

/** Where the caller says which deployment it saw, it is the one that is to be changed. */
function checkRevision(
  coordinator: Coordinator,
  deploymentId: string | undefined,
  ifMatch: string | undefined,
): void {
  if (ifMatch === undefined) return;
  if (deploymentId === undefined) {
    const detail = "If-Match is for one deployment: name its id, or leave the header out.";
    throw new RequestRefused(422, "bad-scope", detail);
  }
  const row = coordinator.deploymentRows().find((one) => one.deploymentId === deploymentId);
  // Of one that is not there the coordinator says so.
  if (row !== undefined) requireRevision(ifMatch, row.revision);
}

type GroupRoutes = Pick<
  typeof DEPLOYMENT_ROUTES,
  "listGroups" | "createGroup" | "changeGroup" | "removeGroup"
>;

function groupHandlers(api: ServerApi): HttpHandlers<GroupRoutes> {
  const change = async (command: Command, caller: Parameters<ServerApi["command"]>[1]) => {
    const answer = await api.command(command, caller);
    if (answer.kind !== "group-changed") throw refusal(answer);
    const { name, devices, present } = answer;
    return { name, devices, present };
  };
  return {
    listGroups: () => ({
      groups: api.coordinator
        .groups()
        .map(({ name, devices }) => ({ name, devices: [...devices] })),
    }),
    createGroup: ({ body: { name, devices = [] }, caller }) =>
      change({ kind: "change-group", name, create: true, add: devices }, caller),
    changeGroup: ({ params, body, caller }) =>
      change({ kind: "change-group", ...params, ...body }, caller),
    removeGroup: ({ params, caller }) => change({ kind: "remove-group", ...params }, caller),
  };
}
