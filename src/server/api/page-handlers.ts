import { serverOpenApi } from "../../api/server-openapi.ts";
import type { SERVER_PAGES } from "../../api/server-pages.ts";
import { RequestRefused } from "../../runtime/http/problem.ts";
import type { PageHandlers } from "../../runtime/http/route.ts";
import type { ServerDatabase } from "../database.ts";
import type { Live } from "./live.ts";

/** What the server's pages stand on. */
export type ServerPageParts = {
  readonly database: Pick<ServerDatabase, "organisation">;
  readonly live: Pick<Live, "streams" | "metrics">;
  /** Aborted when the server ends. */
  readonly ending: AbortSignal;
};

/** The pages of the server's API. */
export function createPageHandlers(parts: ServerPageParts): PageHandlers<typeof SERVER_PAGES> {
  const { live } = parts;
  const openApi = JSON.stringify(serverOpenApi());
  return {
    showOpenApi: () => ({ text: openApi }),
    watchEvents: ({ query, header, caller }) =>
      live.streams.open({ topics: query.topics, lastId: header("last-event-id"), caller }),
    showMetrics: async () => ({ text: await live.metrics.text(), media: live.metrics.media }),
    showLiveness: () => ({ text: "alive\n" }),
    showReadiness: async () => {
      if (parts.ending.aborted || !(await answers(parts.database))) {
        const detail = "The server is ending, or its database does not answer: look at its log.";
        throw new RequestRefused(503, "not-ready", detail, {}, { "retry-after": "5" });
      }
      return { text: "ready\n" };
    },
  };
}

async function answers(database: ServerPageParts["database"]): Promise<boolean> {
  return await database.organisation().then(
    () => true,
    () => false,
  );
}
