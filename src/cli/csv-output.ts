import type { Route } from "../api/route.ts";
import type { Io } from "./io.ts";
import { openServer, type ServerOptions } from "./server-access.ts";

/** A list of the server's API that is to be written as CSV. */
export type WantedCsv = {
  readonly route: Pick<Route, "path" | "query">;
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
};

/** Has the server write a list as CSV, and passes it on as it comes. */
export async function writeCsv(
  { route, params = {}, query = {} }: WantedCsv,
  options: ServerOptions,
  io: Io,
): Promise<void> {
  const server = await openServer(options, io);
  const path = route.path.replace(/:([A-Za-z]+)/g, (_, name: string) =>
    encodeURIComponent(params[name] ?? ""),
  );
  const page = { path, query: route.query, media: "text/csv", open: false };
  const answer = await server.open(page, { query }, new AbortController().signal);
  answer.setEncoding("utf8");
  for await (const part of answer) {
    // Whoever reads slowly is waited for: a list may be longer than what memory there is.
    if (io.stdout.write(String(part)) === false) await io.stdout.drained?.();
  }
}
