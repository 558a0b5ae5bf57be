import { EventsQuery } from "./event-schemas.ts";
import { page } from "./route.ts";

/** What the server answers in another form than the JSON of its operations. */
export const SERVER_PAGES = {
  showOpenApi: page({
    path: "/api/v1/openapi.json",
    summary: "This document: all operations, as OpenAPI 3.1.",
    media: "application/json",
    open: true,
  }),
  watchEvents: page({
    path: "/api/v1/events",
    summary:
      "What happens, as it happens: server-sent events whose data are an EventView each. With " +
      "Last-Event-ID a reader that was away is told what it missed, or `reload`.",
    query: EventsQuery,
    media: "text/event-stream",
    open: false,
    refusals: [503],
  }),
  showMetrics: page({
    path: "/metrics",
    summary: "Figures for Prometheus. Without a token where api.open_metrics is set.",
    media: "text/plain",
    open: false,
  }),
  showLiveness: page({
    path: "/livez",
    summary: "Whether the server runs at all.",
    media: "text/plain",
    open: true,
  }),
  showReadiness: page({
    path: "/readyz",
    summary: "Whether the server can do its work: its database answers, and it is not ending.",
    media: "text/plain",
    open: true,
    refusals: [503],
  }),
} as const;
