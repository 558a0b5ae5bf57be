import type { TObject, TSchema } from "typebox";
import { listShapeOf } from "../base/list-shape.ts";
import { Problem } from "./common.ts";
import type { Page, Pages, Route, Routes } from "./route.ts";

/** What an OpenAPI document is made from. */
export type OpenApiParts = {
  readonly title: string;
  readonly version: string;
  readonly description: string;
  readonly routes: Routes;
  readonly pages: Pages;
  /** Schemas that are to have a name, by that name; what has none is written where it stands. */
  readonly schemas: Readonly<Record<string, unknown>>;
};

/**
 * Writes an API as an OpenAPI 3.1 document, from the very schemas by which requests are checked.
 *
 * @returns Plain JSON.
 */
export function openApiOf(parts: OpenApiParts): object {
  const names = new Map<unknown, string>(
    Object.entries(parts.schemas).flatMap(([name, schema]) =>
      isNamed(schema) ? [[schema, name] as const] : [],
    ),
  );
  names.set(Problem, "Problem");
  const write = (schema: unknown): unknown => written(schema, names);
  const paths: Record<string, Record<string, unknown>> = {};
  const add = (path: string, method: string, operation: object): void => {
    const key = path.replace(/:([A-Za-z]+)/g, "{$1}");
    const item = paths[key] ?? {};
    item[method.toLowerCase()] = operation;
    paths[key] = item;
  };
  for (const [name, route] of Object.entries(parts.routes)) {
    add(route.path, route.method, operationOf(name, route, write));
  }
  for (const [name, one] of Object.entries(parts.pages))
    add(one.path, "GET", pageOf(name, one, write));
  const schemas = [...names].map(([schema, name]) => [name, written(schema, names, true)]);
  return {
    openapi: "3.1.0",
    info: { title: parts.title, version: parts.version, description: parts.description },
    servers: [{ url: "/" }],
    security: [{ token: [] }],
    paths,
    components: {
      schemas: Object.fromEntries(schemas),
      responses: {
        Problem: {
          description: "Why the request was refused: `detail` says what to do, `code` is stable.",
          content: { "application/problem+json": { schema: write(Problem) } },
        },
      },
      headers: { ETag: { schema: { type: "string" } } },
      securitySchemes: { token: { type: "http", scheme: "bearer" } },
    },
  };
}

/** Scalars are written where they stand: a name for each would hide more than it tells. */
function isNamed(schema: unknown): schema is TSchema {
  return (
    typeof schema === "object" && schema !== null && "type" in schema && schema.type === "object"
  );
}

type Write = (schema: unknown) => unknown;

function operationOf(name: string, route: Route, write: Write): object {
  const isRead = route.method === "GET";
  const isList = listShapeOf(route) !== undefined;
  const refusals = [
    ...[400, 401, 500],
    ...(isRead && !isList ? [406] : []),
    ...(isRead && takesNothing(route) ? [] : [404, 409, 422]),
    ...("type" in route.body && route.body.type === "undefined" ? [] : [413, 415]),
    ...(route.ifMatch === true ? [412] : []),
  ];
  const answer = {
    description: "Done.",
    ...(isRead ? { headers: { ETag: { $ref: "#/components/headers/ETag" } } } : {}),
    content: {
      "application/json": { schema: write(route.response) },
      ...(isList ? { "text/csv": { schema: { type: "string" } } } : {}),
    },
  };
  return {
    operationId: name,
    summary: route.summary,
    tags: [tagOf(route.path)],
    parameters: [
      ...parametersOf("path", route.params, write),
      ...parametersOf("query", route.query, write),
      ...headersOf(route),
    ],
    ...bodyOf(route, write),
    responses: {
      [route.status]: answer,
      ...(isRead ? { 304: { description: "It is still what `If-None-Match` says." } } : {}),
      ...problemsOf(refusals),
    },
  };
}

function pageOf(name: string, one: Page, write: Write): object {
  const schema = one.media === "application/json" ? { type: "object" } : { type: "string" };
  return {
    operationId: name,
    summary: one.summary,
    tags: [tagOf(one.path)],
    ...(one.open ? { security: [] } : {}),
    parameters: parametersOf("query", one.query, write),
    responses: {
      200: { description: "Done.", content: { [one.media]: { schema } } },
      ...problemsOf([400, 500, ...(one.open ? [] : [401]), ...one.refusals]),
    },
  };
}

function takesNothing({ params, query }: Route): boolean {
  return [params, query].every(({ properties }) => Object.keys(properties).length === 0);
}

/** What an operation is about: the first word of its path. */
function tagOf(path: string): string {
  return /^\/api\/v1\/([a-z-]+)/.exec(path)?.[1] ?? "health";
}

function parametersOf(where: "path" | "query", schema: TObject, write: Write): readonly object[] {
  const required = new Set(schema.required ?? []);
  return Object.entries(schema.properties).map(([name, property]) => ({
    name,
    in: where,
    required: where === "path" || required.has(name),
    schema: write(property),
  }));
}

function headersOf(route: Route): readonly object[] {
  const named = (name: string, description: string, pattern = "^[ -~]{1,1000}$") => ({
    name,
    in: "header",
    required: false,
    description,
    schema: { type: "string", pattern },
  });
  return [
    ...(route.method === "GET"
      ? [named("If-None-Match", "The ETag of what you have already.")]
      : []),
    ...(route.ifMatch === true
      ? [named("If-Match", "The ETag of what you saw: nothing is changed if it is another now.")]
      : []),
    ...(route.once === undefined
      ? []
      : [
          named(
            "Idempotency-Key",
            "Under the same key nothing is done twice within a day.",
            "^[!-~]{1,255}$",
          ),
        ]),
  ];
}

function bodyOf(route: Route, write: Write): object {
  if ("type" in route.body && route.body.type === "undefined") return {};
  const media = route.bytes === true ? "application/octet-stream" : "application/json";
  const content = { [media]: { schema: write(route.body) } };
  return { requestBody: { required: true, content } };
}

function problemsOf(statuses: readonly number[]): Readonly<Record<string, object>> {
  return Object.fromEntries(
    statuses.map((status) => [status, { $ref: "#/components/responses/Problem" }]),
  );
}

/** A schema as plain JSON, with references where a named one stands within it. */
function written(schema: unknown, names: ReadonlyMap<unknown, string>, whole = false): unknown {
  const name = whole ? undefined : names.get(schema);
  if (name !== undefined) return { $ref: `#/components/schemas/${name}` };
  if (Array.isArray(schema)) return schema.map((one) => written(one, names));
  if (typeof schema !== "object" || schema === null) return schema;
  return Object.fromEntries(
    Object.entries(schema)
      .filter(([key]) => !key.startsWith("~"))
      .map(([key, value]) => [key, written(value, names)]),
  );
}
