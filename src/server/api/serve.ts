import type { Logger } from "pino";
import { serverOpenApi } from "../../api/server-openapi.ts";
import { SERVER_PAGES } from "../../api/server-pages.ts";
import { SERVER_ROUTES } from "../../api/server-routes.ts";
import type { Answered } from "../../runtime/http/app.ts";
import { serveControl } from "../../runtime/http/control-server.ts";
import { serveTls } from "../../runtime/http/tls-server.ts";
import type { Certificates } from "../certificates.ts";
import { isPassing } from "../database-errors.ts";
import { serverFiles } from "../files.ts";
import type { ServerSettings } from "../settings.ts";
import { ApiIdentity } from "./api-identity.ts";
import { createServerHandlers, type ServerApi } from "./handlers.ts";
import type { Live } from "./live.ts";
import { createPageHandlers } from "./page-handlers.ts";
import { databaseAway } from "./refusals.ts";

/** What the API is served with. */
export type ServeParts = {
  readonly api: ServerApi;
  readonly live: Live;
  readonly settings: ServerSettings;
  readonly certificates: Certificates;
  readonly log: Logger;
  /** Aborted when the server ends. */
  readonly ending: AbortSignal;
};

/** The API as it is being served. */
export type Serving = {
  /** The TCP port over TLS; absent where it is not served so. */
  readonly port?: number;
  /** Takes up certificates that were replaced or have grown old. */
  refresh(): Promise<void>;
  close(): Promise<void>;
};

/**
 * Serves the API to the local administrator on the control socket, and over TLS to whoever has a
 * token.
 *
 * @throws OperatorError as `serveControl`, `serveTls` and `ApiIdentity.open` do.
 */
export async function serveApi(parts: ServeParts): Promise<Serving> {
  const { api, live, settings, certificates, log, ending } = parts;
  await using stack = new AsyncDisposableStack();
  const common = {
    routes: SERVER_ROUTES,
    handlers: createServerHandlers(api),
    pages: {
      ...SERVER_PAGES,
      showMetrics: { ...SERVER_PAGES.showMetrics, open: settings.api.openMetrics },
    },
    pageHandlers: createPageHandlers({ database: api.database, live, ending }),
    memory: api.database.onceMemory,
    standstill: () => (api.database.isAway ? databaseAway() : undefined),
    refusalOf: (error: unknown) => (isPassing(error) ? databaseAway() : undefined),
    onFault: (error: unknown) => log.error({ err: error }, "api-fault"),
    onAnswered: (answered: Answered) => {
      live.metrics.onAnswered(answered);
      log.debug(answered, "api-answered");
    },
  };
  const { controlSocket } = serverFiles(settings.data);
  const control = await serveControl({ ...common, socketPath: controlSocket });
  stack.defer(() => control.close());
  if (!settings.api.listen) {
    const kept = stack.move();
    return { refresh: async () => {}, close: () => kept.disposeAsync() };
  }
  const identity = await ApiIdentity.open(settings, certificates);
  const host = settings.api.address ?? settings.network.address;
  const tls = await serveTls({
    ...common,
    ...(host === undefined ? {} : { host }),
    port: settings.api.port + settings.network.portOffset,
    tls: identity.current,
    authorise: (header) => api.database.tokens.judge(header, api.wallMs()),
    document: serverOpenApi(),
  });
  stack.defer(() => tls.close());
  log.info({ port: tls.port }, "api-served");
  const kept = stack.move();
  return {
    port: tls.port,
    refresh: async () => {
      const renewed = await identity.refresh().catch((error: unknown) => {
        log.warn({ err: error }, "api-certificate-unusable");
        return false;
      });
      if (renewed) tls.useIdentity(identity.current);
    },
    close: () => kept.disposeAsync(),
  };
}
