import { once } from "node:events";
import type { Server } from "node:https";
import { OperatorError } from "../operator-error.ts";
import { type AppOptions, createApp } from "./app.ts";
import type { Caller, HttpPages, HttpRoutes } from "./route.ts";

/** What a server shows to whoever connects: PEM, the certificate first, then those above it. */
export type TlsIdentity = { readonly cert: string; readonly key: string };

/** An API that is being served over TLS. */
export type TlsServer = {
  readonly port: number;
  /** Shows another certificate from now on. */
  useIdentity(identity: TlsIdentity): void;
  /** Answers nothing new and drops what is open. */
  close(): Promise<void>;
};

/** What an API over TLS takes. */
export type TlsOptions<Routes extends HttpRoutes, Pages extends HttpPages> = AppOptions<
  Routes,
  Pages
> & {
  /** Absent: all addresses of the machine. */
  readonly host?: string;
  readonly port: number;
  readonly tls: TlsIdentity;
  readonly authorise: (header: string | undefined) => Caller;
};

/**
 * Serves an API over TLS to whoever has a token.
 *
 * @throws OperatorError `port-in-use`, `port-forbidden`, `address-not-here`, `socket-not-opened`.
 */
export async function serveTls<Routes extends HttpRoutes, Pages extends HttpPages>(
  options: TlsOptions<Routes, Pages>,
): Promise<TlsServer> {
  const { host, port } = options;
  const app = await createApp(options);
  const server = app.server as unknown as Server;
  try {
    server.listen({ port, ...(host === undefined ? {} : { host }) });
    await once(server, "listening");
  } catch (cause) {
    await app.close();
    throw notOpened(host, port, cause);
  }
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : port,
    useIdentity: (identity) => server.setSecureContext({ ...identity, minVersion: "TLSv1.2" }),
    close: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
      await app.close();
    },
  };
}

function notOpened(host: string | undefined, port: number, cause: unknown): OperatorError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : String(cause);
  const place = `TCP port ${port}${host === undefined ? "" : ` of ${host}`}`;
  const known = REASONS.get(code);
  if (known !== undefined)
    return new OperatorError(known.error, `${place} ${known.text}`, { cause });
  return new OperatorError(
    "socket-not-opened",
    `${place} could not be opened for the API (${code}): choose others (api.address, api.port).`,
    { cause },
  );
}

const REASONS = new Map([
  ["EADDRINUSE", { error: "port-in-use", text: "is in use: end what uses it, or set api.port." }],
  ["EACCES", { error: "port-forbidden", text: "needs more rights: set api.port to 1024 or more." }],
  [
    "EADDRNOTAVAIL",
    { error: "address-not-here", text: "is not of this machine: correct or unset api.address." },
  ],
]);
