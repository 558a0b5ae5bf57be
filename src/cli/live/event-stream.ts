import { SERVER_PAGES } from "../../api/server-pages.ts";
import { OperatorError } from "../../runtime/operator-error.ts";
import { interrupted, pause } from "../interruption.ts";
import type { ServerConnection } from "../parts.ts";

/** One server-sent event. */
export type ServerEvent = {
  /** `ready`, `reload`, or the kind of an event. */
  readonly kind: string;
  readonly data: unknown;
};

/** How long to wait before a stream that broke off is opened again, in milliseconds. */
const AGAIN_MS = 2_000;

/** A stream is taken for dead when it is silent for longer than two heartbeats of the server. */
const SILENT_MS = 35_000;

/**
 * Reads the server's events until the signal aborts. A stream that breaks off is opened again where it
 * broke off.
 *
 * @throws OperatorError where the first opening fails, the server refuses, or the signal aborts.
 */
export async function* serverEvents(
  server: ServerConnection,
  topics: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<ServerEvent> {
  let lastId: string | undefined;
  for (;;) {
    try {
      for await (const { id, ...event } of oneStream(server, { topics, lastId }, signal)) {
        lastId = id;
        yield event;
      }
    } catch (error) {
      if (signal.aborted) throw interrupted();
      const isOver = error instanceof OperatorError && !BROKEN.has(error.code);
      if (lastId === undefined || isOver) throw error;
    }
    await pause(AGAIN_MS, signal);
  }
}

/** Failures after which a server may be there again soon. */
const BROKEN: ReadonlySet<string> = new Set([
  "not-running",
  "control-broken",
  "api-unreachable",
  "too-many-streams",
]);

async function* oneStream(
  server: ServerConnection,
  asked: { readonly topics: string | undefined; readonly lastId: string | undefined },
  signal: AbortSignal,
): AsyncGenerator<ServerEvent & { readonly id: string }> {
  const { topics, lastId } = asked;
  const response = await server.open(
    SERVER_PAGES.watchEvents,
    {
      query: { topics },
      headers: lastId === undefined ? {} : { "last-event-id": lastId },
    },
    signal,
  );
  response.setEncoding("utf8");
  response.socket.setTimeout(SILENT_MS, () => response.destroy());
  let text = "";
  try {
    for await (const part of response) {
      text += part;
      const blocks = text.split("\n\n");
      text = blocks.pop() ?? "";
      for (const block of blocks) {
        const event = parseEvent(block);
        if (event !== undefined) yield event;
      }
    }
  } catch (cause) {
    throw new OperatorError("control-broken", "The stream of events broke off.", { cause });
  } finally {
    response.destroy();
  }
}

/** Reads one block of a stream; `undefined` for what is no event, as a sign of life. */
export function parseEvent(block: string): (ServerEvent & { readonly id: string }) | undefined {
  const fields = new Map<string, string>();
  for (const line of block.split("\n")) {
    const [, name = "", value = ""] = /^([a-z]+): ?(.*)$/.exec(line) ?? [];
    if (name !== "") fields.set(name, value);
  }
  const [id, kind, data] = [fields.get("id"), fields.get("event"), fields.get("data")];
  if (id === undefined || kind === undefined || data === undefined) return undefined;
  return { id, kind, data: JSON.parse(data) as unknown };
}
