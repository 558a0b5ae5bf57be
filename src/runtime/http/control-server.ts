import { once } from "node:events";
import { lstat, rm } from "node:fs/promises";
import { connect } from "node:net";
import type { FastifyInstance } from "fastify";
import { OperatorError } from "../operator-error.ts";
import { type AppOptions, createApp } from "./app.ts";
import type { HttpPages, HttpRoutes } from "./route.ts";

/** A control API that is being served. */
export type ControlServer = {
  /** Answers nothing new, drops what is open, and removes the socket. */
  close(): Promise<void>;
};

/** What a control API takes: whoever may use the socket is the administrator. */
export type ControlOptions<Routes extends HttpRoutes, Pages extends HttpPages> = Omit<
  AppOptions<Routes, Pages>,
  "authorise" | "tls" | "document"
> & { readonly socketPath: string };

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
export async function serveControl<Routes extends HttpRoutes, Pages extends HttpPages>(
  options: ControlOptions<Routes, Pages>,
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
