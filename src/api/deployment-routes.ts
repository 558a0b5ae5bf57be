import { Type } from "typebox";
import { ContentIdPrefix, Count, PriorityWord } from "./common.ts";
import {
  AuditView,
  DeploymentDetail,
  DeploymentIdText,
  DeploymentInput,
  DeploymentView,
  GroupChange,
  GroupInput,
  GroupName,
  GroupResult,
  GroupView,
  SteeringInput,
  SteeringResult,
} from "./deployment-schemas.ts";
import { listQuery, PAGE_FIELDS } from "./list.ts";
import { exact, route } from "./route.ts";

/** Deployments, groups of devices, and what operators did. */
export const DEPLOYMENT_ROUTES = {
  deploy: route({
    method: "POST",
    path: "/api/v1/deployments",
    summary: "Distributes a content to devices.",
    body: DeploymentInput,
    once: "kept",
    status: 201,
    response: exact({ deploymentId: Type.String() }),
  }),
  listDeployments: route({
    method: "GET",
    path: "/api/v1/deployments",
    summary: "Deployments, the newest first.",
    query: listQuery(
      { content: ContentIdPrefix, priority: PriorityWord, finished: Type.Boolean() },
      ["created", "finished"],
    ),
    status: 200,
    response: exact({ deployments: Type.Array(DeploymentView), ...PAGE_FIELDS }),
  }),
  showDeployment: route({
    method: "GET",
    path: "/api/v1/deployments/:deploymentId",
    summary: "One deployment: each device, each office, each byte over each link.",
    params: exact({ deploymentId: DeploymentIdText }),
    status: 200,
    response: DeploymentDetail,
  }),
  steerDeployments: route({
    method: "POST",
    path: "/api/v1/deployment-orders",
    summary: "Pauses, resumes, reprioritises, cancels or retries deployments, or parts of them.",
    body: SteeringInput,
    once: "kept",
    ifMatch: true,
    status: 200,
    response: SteeringResult,
  }),
  listGroups: route({
    method: "GET",
    path: "/api/v1/groups",
    summary: "All groups of devices, in the order of their creation.",
    status: 200,
    response: exact({ groups: Type.Array(GroupView) }),
  }),
  createGroup: route({
    method: "POST",
    path: "/api/v1/groups",
    summary: "Makes a group of devices.",
    body: GroupInput,
    once: "kept",
    status: 201,
    response: GroupResult,
  }),
  changeGroup: route({
    method: "POST",
    path: "/api/v1/groups/:name/members",
    summary: "Puts devices into a group and takes them out; deployments follow at once.",
    params: exact({ name: GroupName }),
    body: GroupChange,
    status: 200,
    response: GroupResult,
  }),
  removeGroup: route({
    method: "DELETE",
    path: "/api/v1/groups/:name",
    summary: "Removes a group that no deployment names.",
    params: exact({ name: GroupName }),
    status: 200,
    response: GroupResult,
  }),
  listAudit: route({
    method: "GET",
    path: "/api/v1/audit",
    summary: "What operators did, the newest first.",
    query: exact({
      limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000 })),
      /** The id of the last row of the page before. */
      after: Type.Optional(Type.String({ pattern: "^[0-9]{1,16}-[0-9]{1,16}$" })),
    }),
    status: 200,
    response: exact({ rows: Type.Array(AuditView), total: Count }),
  }),
} as const;
