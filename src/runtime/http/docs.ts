import type { FastifyInstance } from "fastify";

/** Where the page lies on which people read what an API can do, and try it. */
const DOCS_PATH = "/api/docs";

/**
 * Adds the page on which people browse an OpenAPI document. All of it is served from here: the page
 * asks nobody else for anything.
 */
export async function addDocs(app: FastifyInstance, document: object): Promise<void> {
  const { default: swagger } = await import("@fastify/swagger");
  const { default: swaggerUi } = await import("@fastify/swagger-ui");
  await app.register(swagger, { mode: "static", specification: { document: document as never } });
  await app.register(swaggerUi, {
    routePrefix: DOCS_PATH,
    staticCSP: true,
    // Otherwise the page has the document judged by a site of the makers of the viewer.
    uiConfig: { validatorUrl: null, persistAuthorization: false },
    theme: { title: "Branchline API" },
  });
}

/** Whether a route belongs to the page. It says nothing of the organisation, so all may see it. */
export function isDocs(url: string | undefined): boolean {
  return url === DOCS_PATH || url?.startsWith(`${DOCS_PATH}/`) === true;
}
