import type { Server } from "node:http";
import { OperatorError } from "../runtime/operator-error.ts";

/** Where a program listens, and how the operator changes that. */
export type ListenPlace = {
  readonly address?: string | undefined;
  readonly port: number;
  /** The setting that chooses the port. */
  readonly setting: string;
};

/**
 * Has an HTTP server listen. Each client may have a connection for every block it asks for at once.
 *
 * @throws OperatorError `branchcache-port-in-use`, `branchcache-port-forbidden` or
 * `branchcache-no-address`.
 */
export async function listenHttp(server: Server, place: ListenPlace): Promise<void> {
  // Everybody may connect: who comes when there are so many is turned away.
  server.maxConnections = CONNECTIONS_MAX;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) => reject(portError("TCP", place, cause)));
    server.listen({ port: place.port, host: place.address, backlog: 1_024 }, () => {
      server.removeAllListeners("error");
      server.on("error", () => {});
      resolve();
    });
  });
}

/** How many connections a server has at a time: some clients open 32 each. */
const CONNECTIONS_MAX = 4_096;

/** Ends a server with everything that is connected to it. */
export async function closeHttp(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

/** What kept a program from a port, and how to mend it. */
export function portError(
  protocol: "TCP" | "UDP",
  { port, address, setting }: ListenPlace,
  cause: unknown,
): OperatorError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : String(cause);
  const what = `${protocol} port ${port}${address === undefined ? "" : ` of ${address}`}`;
  if (code === "EADDRINUSE") {
    return new OperatorError(
      "branchcache-port-in-use",
      `${what} is in use: end what uses it (a web server, or another WS-Discovery service), or set ` +
        `${setting} to another port.`,
      { cause },
    );
  }
  if (code === "EACCES" || code === "EPERM") {
    return new OperatorError(
      "branchcache-port-forbidden",
      `${what} needs more rights than this account has: give the program CAP_NET_BIND_SERVICE ` +
        `(setcap, or AmbientCapabilities of systemd), or set ${setting} to a port from 1024 on.`,
      { cause },
    );
  }
  return new OperatorError(
    "branchcache-no-address",
    `The program cannot listen on ${what} (${code}): correct or unset network.address.`,
    { cause },
  );
}
