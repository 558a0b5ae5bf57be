import { once } from "node:events";
import { lstat, rm } from "node:fs/promises";
import { connect } from "node:net";
import type { FastifyError, FastifyInstance, FastifyReply } from "fastify";
import type { ControlHandlers, ControlProblem, ControlRoute } from "./control-route.ts";
import { OperatorError } from "./operator-error.ts";

/** A request that is refused: `status` is the HTTP one. */
export class RequestRefused extends OperatorError {
  readonly status: number;
  /** What the problem says beside its sentence. */
  readonly extra: Readonly<Record<string, unknown>>;

  constructor(
    status: number,
    code: string,
    detail: string,
    extra: Readonly<Record<string, unknown>> = {},
  ) {
    super(code, detail);
    this.status = status;
    this.extra = extra;
  }
}

/** A control API that is being served. */
export type ControlServer = {
  /** Answers nothing new, drops what is open, and removes the socket. */
  close(): Promise<void>;
};

/** What a control API takes. */
export type ControlOptions<Routes extends Readonly<Record<string, ControlRoute>>> = {
  readonly socketPath: string;
  readonly routes: Routes;
  readonly handlers: ControlHandlers<Routes>;
  /** Told of errors that are our own fault; the asker only learns that there was one. */
  readonly onFault: (error: unknown) => void;
};

/** Most bytes of a request: the largest manifest in base64, and some. */
const BODY_BYTES_MAX = 24 * 1024 * 1024;

/** Longest path of a Unix domain socket on Linux, in bytes. */
const SOCKET_PATH_BYTES_MAX = 107;

/**
 * Serves a control API over HTTP on a Unix domain socket that only its owner can use.
 *
 * The socket of a process that died is replaced.
 *
 * @throws OperatorError `already-running`, `control-path-too-long`, `control-path-blocked`,
 * `control-not-opened`.
 */
export async function serveControl<Routes extends Readonly<Record<string, ControlRoute>>>(
  options: ControlOptions<Routes>,
): Promise<ControlServer> {
  const { socketPath } = options;
  if (Buffer.byteLength(socketPath) > SOCKET_PATH_BYTES_MAX) {
    throw new OperatorError(
      "control-path-too-long",
      `${socketPath} has more than ${SOCKET_PATH_BYTES_MAX} bytes: choose a shorter data folder.`,
    );
  }
  await clearPath(socketPath);
  const app = await createApp(options);
  await listen(app, socketPath);
  return {
    close: async () => {
      const closed = once(app.server, "close");
      app.server.close();
      app.server.closeAllConnections();
      await closed;
      await app.close();
    },
  };
}

/** Loaded only by those that serve: the framework takes 20 MB of memory. */
async function createApp<Routes extends Readonly<Record<string, ControlRoute>>>(
  options: ControlOptions<Routes>,
): Promise<FastifyInstance> {
  const { fastify } = await import("fastify");
  const app = fastify({
    bodyLimit: BODY_BYTES_MAX,
    // A request says what it means: nothing is converted, added or left out to make it fit.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false } },
  });
  for (const [name, route] of Object.entries(options.routes)) {
    const handler = options.handlers[name as keyof Routes];
    const schema = {
      params: route.params,
      ...(route.method === "GET" || isNothing(route) ? {} : { body: route.body }),
      response: { [route.status]: route.response },
    };
    app.route({
      method: route.method,
      url: route.path,
      schema,
      handler: async ({ params, body }, reply) => {
        reply.status(route.status);
        // The framework has checked both against the route's schemas.
        return await handler({ params, body } as Parameters<typeof handler>[0]);
      },
    });
  }
  app.setErrorHandler((error: FastifyError, _, reply) => {
    const problem = problemOf(error);
    if (problem.status >= 500) options.onFault(error);
    return send(reply, problem);
  });
  app.setNotFoundHandler((request, reply) => {
    const detail = `There is no ${request.method} ${request.url}: check the versions of both sides.`;
    return send(reply, problem(404, "route-not-found", detail));
  });
  await app.ready();
  return app;
}

function isNothing(route: ControlRoute): boolean {
  return "type" in route.body && route.body.type === "undefined";
}

function problemOf(error: FastifyError): ControlProblem {
  if (error instanceof RequestRefused) {
    return { ...error.extra, ...problem(error.status, error.code, error.message) };
  }
  if (error instanceof OperatorError) return problem(422, error.code, error.message);
  const status = error.statusCode ?? 500;
  if (status < 500) {
    return problem(
      status,
      "request-malformed",
      `The request is not as it must be: ${error.message}.`,
    );
  }
  return problem(500, "internal-error", "The program made a mistake: its log says which.");
}

function problem(status: number, code: string, detail: string): ControlProblem {
  const title = code.replaceAll("-", " ");
  return { type: "about:blank", title, status, detail, code };
}

function send(reply: FastifyReply, body: ControlProblem): FastifyReply {
  // Serialised here: the framework would add a charset, which JSON has not (RFC 8259, section 11).
  const bytes = Buffer.from(JSON.stringify(body));
  return reply.status(body.status).type("application/problem+json").send(bytes);
}

async function listen(app: FastifyInstance, socketPath: string): Promise<void> {
  // The socket must never be open to others, not even until a chmod: bind happens within listen().
  const mask = process.umask(0o177);
  try {
    app.server.listen(socketPath);
  } finally {
    process.umask(mask);
  }
  try {
    await once(app.server, "listening");
  } catch (cause) {
    await app.close();
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : String(cause);
    if (code === "EADDRINUSE") throw alreadyRunning(socketPath);
    throw new OperatorError(
      "control-not-opened",
      `The control socket ${socketPath} could not be made (${code}): check that its folder is ` +
        "there and belongs to the account that runs Branchline.",
      { cause },
    );
  }
}

/** Removes the socket of a process that is gone. */
async function clearPath(socketPath: string): Promise<void> {
  const found = await lstat(socketPath).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isSocket()) {
    throw new OperatorError(
      "control-path-blocked",
      `${socketPath} is in the way and is no socket: move it elsewhere.`,
    );
  }
  if (await isAnswered(socketPath)) throw alreadyRunning(socketPath);
  await rm(socketPath, { force: true });
}

function alreadyRunning(socketPath: string): OperatorError {
  return new OperatorError(
    "already-running",
    `Another process serves ${socketPath}: end it first, or use another data folder.`,
  );
}

function isAnswered(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => {
      // Only these two say that nobody is there; a socket that is full, for one, has an owner.
      resolve(error.code !== "ECONNREFUSED" && error.code !== "ENOENT");
    });
  });
}
