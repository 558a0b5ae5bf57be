import { hash } from "node:crypto";
import type { ServerResponse } from "node:http";
import { type Duplex, Readable } from "node:stream";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { listShapeOf } from "../../base/list-shape.ts";
import { csvOfList, wantsCsv } from "./csv-list.ts";
import { addDocs, isDocs } from "./docs.ts";
import { namesTag, tagOfText } from "./entity-tag.ts";
import { PROBLEM_MEDIA, type Problem, problem, problemOf, RequestRefused } from "./problem.ts";
import type {
  Caller,
  HttpHandlers,
  HttpPage,
  HttpPages,
  HttpRequest,
  HttpRoute,
  HttpRoutes,
  PageHandlers,
  PageSink,
} from "./route.ts";
import { type Check, checkOf, checkOfQuery } from "./validation.ts";

/** What has been asked and how it went, for figures. */
export type Answered = {
  /** The operation's name; empty where there is none of that path and method. */
  readonly operation: string;
  readonly method: string;
  readonly status: number;
  readonly seconds: number;
};

/** Remembers what has been asked under an `Idempotency-Key`, and what was answered. */
export type OnceMemory = {
  /**
   * Has something done unless it was done under this key; gives the answer as JSON either way.
   *
   * @throws RequestRefused where the key was used for something else, or its end is not known.
   */
  once(key: OnceKey, work: () => Promise<string>): Promise<string>;
};

/** Under what something is done once. */
export type OnceKey = {
  /** Hashes, both: of who asks under which key, and of what is asked. */
  readonly key: string;
  readonly request: string;
  /** Whether the answer may not be kept. */
  readonly secret: boolean;
};

/** What an API takes. */
export type AppOptions<Routes extends HttpRoutes, Pages extends HttpPages> = {
  readonly routes: Routes;
  readonly handlers: HttpHandlers<Routes>;
  readonly pages: Pages;
  readonly pageHandlers: PageHandlers<Pages>;
  /**
   * Who asks, by the header `authorization`; absent: everyone who gets here is the administrator.
   *
   * @throws RequestRefused where nobody is known by it.
   */
  readonly authorise?: (header: string | undefined) => Caller;
  readonly memory?: OnceMemory;
  /** The OpenAPI document, for the page to browse it; absent: there is no page. */
  readonly document?: object;
  /** Certificate and key in PEM; absent: plain HTTP, for a Unix socket. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Whether answers are held against their schemas, as tests do; an answer outside is a fault. */
  readonly checkAnswers?: boolean;
  /** What an error is to who asks where it is nobody's fault, such as a database that is away. */
  readonly refusalOf?: (error: unknown) => RequestRefused | undefined;
  /** Why nothing can be changed now; absent or `undefined`: it can. */
  readonly standstill?: () => RequestRefused | undefined;
  /** Told of errors that are our own fault; the asker only learns that there was one. */
  readonly onFault: (error: unknown) => void;
  readonly onAnswered?: (answered: Answered) => void;
};

/** Most bytes of a body where a route does not say otherwise. */
const BODY_BYTES_MAX = 1024 * 1024;

/** How long a request may take to arrive, in milliseconds. */
const REQUEST_MS_MAX = 60_000;

/** Most open connections: a device never has one, people and programs of an administrator do. */
const CONNECTIONS_MAX = 1_000;

/**
 * Builds an API from its routes: everything that comes in is checked against them, and every
 * refusal is a problem document.
 *
 * The framework is loaded here, only by those that serve: it takes 20 MB of memory.
 */
export async function createApp<Routes extends HttpRoutes, Pages extends HttpPages>(
  options: AppOptions<Routes, Pages>,
): Promise<FastifyInstance> {
  const { fastify } = await import("fastify");
  const { tls } = options;
  const app = fastify({
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: REQUEST_MS_MAX,
    routerOptions: { maxParamLength: 1_024 },
    ...(tls === undefined ? {} : { https: { ...tls, minVersion: "TLSv1.2" as const } }),
    frameworkErrors: (error, _, reply) => void refuse(reply, error),
    clientErrorHandler,
  }) as unknown as FastifyInstance;
  app.server.maxConnections = CONNECTIONS_MAX;
  app.removeContentTypeParser("text/plain");
  // Not read here: an operation that takes bytes reads them itself, and bounds them.
  app.addContentTypeParser(BYTES_MEDIA, (_, payload, done) => done(null, payload));
  app.decorateRequest("caller", null);
  addHooks(app, options);
  if (options.document !== undefined) await addDocs(app, options.document);
  for (const [name, route] of Object.entries(options.routes)) {
    addRoute(app, { name, route }, options);
  }
  for (const [name, page] of Object.entries(options.pages)) {
    addPage(app, { name, page }, options.pageHandlers[name as keyof Pages]);
  }
  app.setErrorHandler((thrown, _, reply) => {
    const error = options.refusalOf?.(thrown) ?? thrown;
    const isRefusal = error instanceof RequestRefused;
    if (!isRefusal && problemOf(error).status >= 500) options.onFault(error);
    return refuse(reply, error);
  });
  const known = [...Object.values(options.routes), ...Object.values(options.pages)].map(known405);
  app.setNotFoundHandler((request, reply) => refuse(reply, notFound(request, known)));
  await app.ready();
  return app;
}

declare module "fastify" {
  interface FastifyRequest {
    caller: Caller | null;
  }
  interface FastifyContextConfig {
    /** The operation's name. */
    operation?: string;
    open?: boolean;
  }
}

/** The media type of a body that is bytes. */
const BYTES_MEDIA = "application/octet-stream";

/** Stands before everything that is answered. */
const HEADERS = { "x-content-type-options": "nosniff", "cache-control": "private, no-cache" };

const LOCAL: Caller = { kind: "local" };

function addHooks(
  app: FastifyInstance,
  {
    authorise,
    standstill,
    onAnswered,
  }: Pick<AppOptions<HttpRoutes, HttpPages>, "authorise" | "standstill" | "onAnswered">,
): void {
  app.addHook("onRequest", (request, reply, done) => {
    void reply.headers(HEADERS);
    const open = request.routeOptions.config.open === true || isDocs(request.routeOptions.url);
    request.caller =
      authorise === undefined || open ? LOCAL : authorise(request.headers.authorization);
    done(CHANGING.has(request.method) ? standstill?.() : undefined);
  });
  app.addHook("onResponse", (request, reply, done) => {
    onAnswered?.({
      operation: request.routeOptions.config.operation ?? "",
      method: request.method,
      status: reply.statusCode,
      seconds: reply.elapsedTime / 1_000,
    });
    done();
  });
}

/** The methods of what changes something. */
const CHANGING: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH", "DELETE"]);

type Handler = (request: HttpRequest<HttpRoute>) => unknown;

function addRoute<Routes extends HttpRoutes, Pages extends HttpPages>(
  app: FastifyInstance,
  { name, route }: { readonly name: string; readonly route: HttpRoute },
  { handlers, memory, checkAnswers }: AppOptions<Routes, Pages>,
): void {
  const handler = handlers[name as keyof Routes] as Handler;
  const checks = {
    params: checkOf("path", route.params),
    query: checkOfQuery(route.query),
    body: bodyCheckOf(route),
    answer: checkAnswers === true ? checkOf("body", route.response) : (value: unknown) => value,
  };
  const list = listShapeOf(route);
  app.route({
    method: route.method,
    url: route.path,
    config: { operation: name },
    bodyLimit: route.bodyBytesMax ?? BODY_BYTES_MAX,
    handler: async (request, reply) => {
      const asked = askedOf(route, checks, request);
      if (route.method === "GET" && wantsCsv(request.headers.accept)) {
        if (list === undefined) throw noList(name);
        const ask = async (query: object) =>
          checked(checks.answer, await handler({ ...asked, query } as typeof asked));
        const rows = await csvOfList(route, list, asked.query, ask);
        return reply
          .type("text/csv; charset=utf-8")
          .header("vary", "accept")
          .send(Readable.from(rows));
      }
      if (route.method === "GET") {
        return sendTagged(request, reply, checked(checks.answer, await handler(asked)));
      }
      const work = async (): Promise<string> =>
        JSON.stringify(checked(checks.answer, await handler(asked)));
      const key = onceKey(route, request, asked);
      const text =
        key === undefined || memory === undefined ? await work() : await memory.once(key, work);
      return reply.status(route.status).type("application/json").send(Buffer.from(text));
    },
  });
}

function noList(name: string): RequestRefused {
  const detail = `${name} answers no list, so there is no CSV of it: ask for application/json.`;
  return new RequestRefused(406, "no-list", detail);
}

/** The check of a body; bytes are handed on as they come, at most as many as the route takes. */
function bodyCheckOf(route: HttpRoute): Check {
  const check = checkOf("body", route.body);
  const bytesMax = route.bodyBytesMax ?? BODY_BYTES_MAX;
  return (body) => {
    if (body instanceof Readable !== (route.bytes === true)) {
      const media = route.bytes === true ? BYTES_MEDIA : "application/json";
      if (body instanceof Readable || (body ?? undefined) !== undefined) throw wrongMedia(media);
      return route.bytes === true ? Readable.from([]) : check(body);
    }
    return body instanceof Readable ? bounded(body, bytesMax) : check(body);
  };
}

function wrongMedia(media: string): RequestRefused {
  const detail = `Send the body as content-type: ${media}.`;
  return new RequestRefused(415, "media-type-unknown", detail);
}

async function* bounded(body: Readable, bytesMax: number): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  try {
    for await (const part of body as AsyncIterable<Uint8Array>) {
      bytes += part.length;
      if (bytes > bytesMax) {
        const detail = `The body has more than ${bytesMax} bytes: send less at a time.`;
        throw new RequestRefused(413, "body-too-large", detail);
      }
      yield part;
    }
  } catch (error) {
    if (error instanceof RequestRefused) throw error;
    throw new RequestRefused(400, "request-broken-off", "The request broke off: send the rest.");
  }
}

type Checks = { readonly params: Check; readonly query: Check; readonly body: Check };

/** What a request brings, once its parts are what the route's schemas say. */
function askedOf(
  route: HttpRoute,
  checks: Checks,
  request: FastifyRequest,
): HttpRequest<HttpRoute> {
  const ifMatch = request.headers["if-match"];
  if (ifMatch !== undefined && route.ifMatch !== true && route.method !== "GET") {
    const detail = "This operation does not heed if-match: leave the header out.";
    throw new RequestRefused(400, "condition-not-heeded", detail);
  }
  return {
    params: checks.params(request.params),
    query: checks.query(request.query),
    body: route.method === "GET" ? undefined : checks.body(request.body),
    ...(ifMatch === undefined ? {} : { ifMatch }),
    caller: request.caller ?? LOCAL,
  } as HttpRequest<HttpRoute>;
}

/** An answer outside its schema is our mistake, whatever the refusal says. */
function checked(check: Check, answer: unknown): unknown {
  try {
    return check(answer);
  } catch (cause) {
    throw new Error("an answer is not as its schema says", { cause });
  }
}

function onceKey(
  route: HttpRoute,
  request: FastifyRequest,
  { caller }: HttpRequest<HttpRoute>,
): OnceKey | undefined {
  const given = request.headers["idempotency-key"];
  if (given === undefined) return undefined;
  if (route.once === undefined) {
    const detail = "This operation may be asked again as it is: leave idempotency-key out.";
    throw new RequestRefused(400, "idempotency-key-not-heeded", detail);
  }
  if (typeof given !== "string" || !/^[\x21-\x7e]{1,255}$/.test(given)) {
    const detail = "An idempotency-key is 1 to 255 visible ASCII characters: a new UUID does.";
    throw new RequestRefused(400, "idempotency-key-malformed", detail);
  }
  const who = caller.kind === "local" ? "local" : caller.tokenId;
  const asked = [route.method, request.url, request.body ?? null];
  return {
    key: hash("sha256", JSON.stringify([who, given]), "hex"),
    request: hash("sha256", JSON.stringify(asked), "hex"),
    secret: route.once === "secret",
  };
}

function sendTagged(request: FastifyRequest, reply: FastifyReply, answer: unknown): FastifyReply {
  const text = JSON.stringify(answer);
  const { revision } = answer as { readonly revision?: unknown };
  const tag = tagOfText(text, typeof revision === "number" ? revision : undefined);
  void reply.header("etag", tag);
  const { "if-none-match": wanted } = request.headers;
  if (wanted !== undefined && namesTag(wanted, tag)) return reply.status(304).send();
  return reply.type("application/json").send(Buffer.from(text));
}

function addPage<Pages extends HttpPages, Name extends keyof Pages>(
  app: FastifyInstance,
  { name, page }: { readonly name: string; readonly page: HttpPage },
  handler: PageHandlers<Pages>[Name],
): void {
  const check = checkOfQuery(page.query);
  app.route({
    method: "GET",
    url: page.path,
    exposeHeadRoute: page.media !== "text/event-stream",
    config: { operation: name, open: page.open },
    handler: async (request, reply) => {
      const answer = await handler({
        query: check(request.query),
        header: (header: string) => {
          const value = request.headers[header];
          return Array.isArray(value) ? value[0] : value;
        },
        caller: request.caller ?? LOCAL,
      } as Parameters<typeof handler>[0]);
      if ("text" in answer) return reply.type(answer.media ?? page.media).send(answer.text);
      reply.hijack();
      const raw = reply.raw;
      raw.writeHead(200, { ...HEADERS, "content-type": page.media, "x-accel-buffering": "no" });
      raw.flushHeaders();
      raw.on("error", () => raw.destroy());
      const close = answer.open(sinkOf(raw));
      raw.once("close", close);
      if (raw.destroyed) close();
      return reply;
    },
  });
}

function sinkOf(raw: ServerResponse): PageSink {
  return {
    write: (text) => {
      if (!raw.destroyed && !raw.writableEnded) raw.write(text);
    },
    backlogBytes: () => raw.writableLength,
    cut: () => raw.destroy(),
  };
}

type KnownPath = { readonly pattern: RegExp; readonly method: string };

function known405(route: { readonly path: string; readonly method?: string }): KnownPath {
  const pattern = new RegExp(
    `^${route.path.replaceAll(".", "\\.").replace(/:[A-Za-z]+/g, "[^/]+")}$`,
  );
  return { pattern, method: route.method ?? "GET" };
}

function notFound(request: FastifyRequest, known: readonly KnownPath[]): RequestRefused {
  const [path = ""] = request.url.split("?", 1);
  const shown = path.length > 200 ? `${path.slice(0, 200)}…` : path;
  const methods = known.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method);
  if (methods.length === 0) {
    const detail = `There is no ${shown} here: check the path, and the versions of both sides.`;
    return new RequestRefused(404, "route-not-found", detail);
  }
  const allow = [...new Set(methods.flatMap((one) => (one === "GET" ? ["GET", "HEAD"] : [one])))];
  const detail = `${shown} cannot be asked with ${request.method}, but with ${allow.join(", ")}.`;
  return new RequestRefused(405, "method-not-allowed", detail, {}, { allow: allow.join(", ") });
}

function refuse(reply: FastifyReply, error: unknown): FastifyReply {
  const body = problemOf(error);
  if (error instanceof RequestRefused) void reply.headers(error.headers);
  return reply.status(body.status).headers(HEADERS).type(PROBLEM_MEDIA).send(bytesOf(body));
}

/** Serialised here: the framework would add a charset, which JSON has not (RFC 8259, section 11). */
function bytesOf(body: Problem): Buffer {
  return Buffer.from(JSON.stringify(body));
}

/** Answers what is no HTTP at all, or too slow, or has headers that are too long. */
function clientErrorHandler(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === "ECONNRESET" || socket.destroyed) return;
  const [status, words, detail] = CLIENT_ERRORS.get(error.code ?? "") ?? NO_HTTP;
  const body = bytesOf(problem(status, "request-malformed", detail));
  const head = [
    `HTTP/1.1 ${status} ${words}`,
    `content-type: ${PROBLEM_MEDIA}`,
    `content-length: ${body.length}`,
    "connection: close",
  ];
  if (socket.writable)
    socket.end(Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\n\r\n`), body]));
  else socket.destroy();
}

const NO_HTTP = [400, "Bad Request", "What was sent is no HTTP request."] as const;

const CLIENT_ERRORS: ReadonlyMap<string, readonly [number, string, string]> = new Map([
  [
    "ERR_HTTP_REQUEST_TIMEOUT",
    [408, "Request Timeout", "The request came too slowly: send it faster."],
  ],
  ["HPE_HEADER_OVERFLOW", [431, "Request Header Fields Too Large", "The headers are too long."]],
]);
