import { Type } from "typebox";
import { ContentIdPrefix } from "./common.ts";
import { exact, route } from "./route.ts";
import {
  ContentDetail,
  ContentView,
  DeploymentDetail,
  DeploymentInput,
  DeploymentView,
  DeviceView,
  OfficesInput,
  OfficesResult,
  OfficeView,
  ServerView,
} from "./server-schemas.ts";

/** The API of the server. */
export const SERVER_ROUTES = {
  showServer: route({
    method: "GET",
    path: "/api/v1/server",
    summary: "What the server is, and how many devices it has.",
    status: 200,
    response: ServerView,
  }),
  listContents: route({
    method: "GET",
    path: "/api/v1/contents",
    summary: "All published contents, the newest first.",
    status: 200,
    response: exact({ contents: Type.Array(ContentView) }),
  }),
  showContent: route({
    method: "GET",
    path: "/api/v1/contents/:contentId",
    summary: "One content and its files; eight digits of its id do where they are unique.",
    params: Type.Object({ contentId: ContentIdPrefix }),
    status: 200,
    response: ContentDetail,
  }),
  listDevices: route({
    method: "GET",
    path: "/api/v1/devices",
    summary: "All enrolled devices.",
    status: 200,
    response: exact({ devices: Type.Array(DeviceView) }),
  }),
  listOffices: route({
    method: "GET",
    path: "/api/v1/offices",
    summary: "The topology in force.",
    status: 200,
    response: exact({ offices: Type.Array(OfficeView) }),
  }),
  replaceOffices: route({
    method: "PUT",
    path: "/api/v1/offices",
    summary: "Replaces the whole topology, or nothing where it has errors.",
    body: OfficesInput,
    status: 200,
    response: OfficesResult,
  }),
  deploy: route({
    method: "POST",
    path: "/api/v1/deployments",
    summary: "Distributes a content to devices.",
    body: DeploymentInput,
    status: 201,
    response: exact({ deploymentId: Type.String() }),
  }),
  listDeployments: route({
    method: "GET",
    path: "/api/v1/deployments",
    summary: "All deployments, the newest first.",
    status: 200,
    response: exact({ deployments: Type.Array(DeploymentView) }),
  }),
  showDeployment: route({
    method: "GET",
    path: "/api/v1/deployments/:deploymentId",
    summary: "One deployment: each device, each office, each byte over each link.",
    params: Type.Object({ deploymentId: Type.String({ minLength: 1, maxLength: 64 }) }),
    status: 200,
    response: DeploymentDetail,
  }),
  regenerateSecurityKey: route({
    method: "POST",
    path: "/api/v1/security-keys",
    summary: "Makes a new security key; the ones before it stop enrolling at once.",
    status: 201,
    response: exact({ securityKey: Type.String() }),
  }),
} as const;
