import type { ClientRequest, IncomingMessage, RequestOptions } from "node:http";
import { pipeline, Readable } from "node:stream";
import { OperatorError } from "../operator-error.ts";
import type { Problem } from "./problem.ts";
import type { HttpPage, HttpRequest, HttpResponse, HttpRoute } from "./route.ts";

/** Speaks to a running program over its API. */
export type ApiClient = {
  /**
   * Asks for an operation and waits for its answer.
   *
   * @throws OperatorError with the program's own code and sentence where it refuses; `not-running`,
   * `control-not-permitted`, `api-unreachable`, `api-untrusted` or `control-broken` where it cannot
   * be asked.
   */
  call<R extends HttpRoute>(route: R, input?: Partial<HttpRequest<R>>): Promise<HttpResponse<R>>;

  /** Opens a page and gives its body as it comes; it ends when the signal aborts. */
  open(
    page: HttpPage,
    input: { readonly query?: object; readonly headers?: Readonly<Record<string, string>> },
    signal: AbortSignal,
  ): Promise<IncomingMessage>;
};

/** How the program is reached. */
export type Way = {
  /** Sends a request; gives the answer's head, with its body to come. */
  send(
    options: Pick<RequestOptions, "method" | "path" | "headers" | "signal">,
    body?: string | AsyncIterable<Uint8Array>,
  ): Promise<IncomingMessage>;

  /** What an operator is told where it cannot be reached, or breaks off. */
  failure(cause: Error): OperatorError;
};

/** Most bytes of an answer; beyond it something else than our program is answering. */
const RESPONSE_BYTES_MAX = 256 * 1024 * 1024;

/** Makes a client of the program at the end of a way. */
export function createClient(way: Way): ApiClient {
  return {
    call: async (route, input) => {
      const path = targetOf(route.path, input?.params ?? {}, input?.query ?? {});
      const body = bodyOf(route, input?.body);
      const headers = {
        accept: "application/json, application/problem+json",
        ...(input?.ifMatch === undefined ? {} : { "if-match": input.ifMatch }),
        ...headersOf(body),
      };
      const reply = await replyOf(
        way,
        await way.send({ method: route.method, path, headers }, body),
      );
      if (reply.status !== route.status) throw refusalOf(reply);
      // The program speaks the version of the API that we do, or refuses what it does not know.
      return parse(reply) as HttpResponse<typeof route>;
    },
    open: async (page, { query = {}, headers = {} }, signal) => {
      const path = targetOf(page.path, {}, query);
      const asked = { method: "GET", path, headers: { accept: page.media, ...headers }, signal };
      const response = await way.send(asked);
      if (response.statusCode === 200) return response;
      throw refusalOf(await replyOf(way, response));
    },
  };
}

type Body = string | AsyncIterable<Uint8Array> | undefined;

function bodyOf({ bytes }: HttpRoute, body: unknown): Body {
  if (bytes === true) return body as AsyncIterable<Uint8Array>;
  return body === undefined ? undefined : JSON.stringify(body);
}

function headersOf(body: Body): Readonly<Record<string, string | number>> {
  if (body === undefined) return {};
  if (typeof body !== "string") return { "content-type": "application/octet-stream" };
  return { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
}

/** Sends a body and ends the request; what fails is told by the request's own error. */
export function endWith(asked: ClientRequest, body: Body): void {
  if (typeof body === "object") pipeline(Readable.from(body), asked, () => {});
  else asked.end(body);
}

type Reply = { readonly status: number; readonly text: string };

function targetOf(pattern: string, params: object, query: object): string {
  const values = new Map<string, unknown>(Object.entries(params));
  const path = pattern.replace(/:([A-Za-z]+)/g, (_, name: string) =>
    encodeURIComponent(String(values.get(name) ?? "")),
  );
  const asked = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) asked.set(name, String(value));
  }
  return asked.size === 0 ? path : `${path}?${asked}`;
}

async function replyOf(way: Way, response: IncomingMessage): Promise<Reply> {
  const parts: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const part of response) {
      bytes += part.length;
      if (bytes > RESPONSE_BYTES_MAX) throw new Error("the answer is too long");
      parts.push(part);
    }
  } catch (cause) {
    response.destroy();
    throw way.failure(cause as Error);
  }
  return { status: response.statusCode ?? 0, text: Buffer.concat(parts).toString("utf8") };
}

function refusalOf(reply: Reply): OperatorError {
  const problem = parse(reply) as Partial<Problem>;
  const { code = "control-broken", detail = `The program answered ${reply.status}.` } = problem;
  return new OperatorError(code, detail);
}

function parse(reply: Reply): unknown {
  try {
    const value: unknown = JSON.parse(reply.text);
    if (typeof value === "object" && value !== null) return value;
  } catch {
    // Not JSON at all, which is the same to us as JSON of another shape.
  }
  const sentence = `The program answered ${reply.status} with something that is no JSON object.`;
  throw new OperatorError("control-broken", sentence);
}
