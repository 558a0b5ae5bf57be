import { PRODUCT_VERSION } from "../base/constants.ts";
import * as common from "./common.ts";
import * as events from "./event-schemas.ts";
import { openApiOf } from "./openapi.ts";
import { SERVER_PAGES } from "./server-pages.ts";
import { SERVER_ROUTES } from "./server-routes.ts";
import * as server from "./server-schemas.ts";
import * as tokens from "./token-schemas.ts";
import * as webhooks from "./webhook-schemas.ts";

/** The server's API as an OpenAPI 3.1 document. */
export function serverOpenApi(): object {
  return openApiOf({
    title: "Branchline",
    version: PRODUCT_VERSION,
    description:
      "Everything that an administrator of a Branchline server can do and see. Show a token, which " +
      "`branchline server token create` makes, as `Authorization: Bearer TOKEN`. A refusal is a " +
      "problem document (RFC 9457) whose `code` is stable and whose `detail` says what to do.",
    routes: SERVER_ROUTES,
    pages: SERVER_PAGES,
    schemas: { ...common, ...server, ...tokens, ...events, ...webhooks },
  });
}
