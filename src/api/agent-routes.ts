import { AgentStatusView, PublicationInput } from "./agent-schemas.ts";
import { ContentIdText } from "./common.ts";
import { exact, route } from "./route.ts";

/** The API of an agent. */
export const AGENT_ROUTES = {
  showStatus: route({
    method: "GET",
    path: "/api/v1/status",
    summary: "What the device is and does.",
    status: 200,
    response: AgentStatusView,
  }),
  publish: route({
    method: "POST",
    path: "/api/v1/publications",
    summary: "Brings a content to the organisation; answers once the server has it.",
    body: PublicationInput,
    status: 201,
    response: exact({ contentId: ContentIdText }),
  }),
} as const;
