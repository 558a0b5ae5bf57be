import {
  AgentCacheEntry,
  AgentCacheView,
  AgentStatusView,
  CachePin,
  CachePurge,
  CachePurged,
  ExplanationView,
  PublicationInput,
} from "./agent-schemas.ts";
import { ContentIdPrefix, ContentIdText } from "./common.ts";
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
    // The largest manifest in base64, and some.
    bodyBytesMax: 24 * 1024 * 1024,
    status: 201,
    response: exact({ contentId: ContentIdText }),
  }),
  showCache: route({
    method: "GET",
    path: "/api/v1/cache",
    summary: "What lies in the cache, and why it is kept.",
    status: 200,
    response: AgentCacheView,
  }),
  pinContent: route({
    method: "PUT",
    path: "/api/v1/cache/:contentId/pin",
    summary: "Says whether a content is to be kept whatever room lacks.",
    params: exact({ contentId: ContentIdPrefix }),
    body: CachePin,
    status: 200,
    response: AgentCacheEntry,
  }),
  purgeCache: route({
    method: "POST",
    path: "/api/v1/cache/purge",
    summary: "Lets go of a content, or of all that nothing keeps.",
    body: CachePurge,
    status: 200,
    response: CachePurged,
  }),
  explain: route({
    method: "GET",
    path: "/api/v1/contents/:contentId/explanation",
    summary: "From whom each piece of a content came, and why.",
    params: exact({ contentId: ContentIdPrefix }),
    status: 200,
    response: ExplanationView,
  }),
} as const;
