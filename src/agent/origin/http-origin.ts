import { Agent, type IncomingMessage, request } from "node:http";
import { type AgentOptions, Agent as TlsAgent, request as tlsRequest } from "node:https";
import type { Socket } from "node:net";
import { PRODUCT_VERSION } from "../../base/constants.ts";
import type { OriginRange } from "../../effects/origin.ts";
import { OriginFailure } from "./origin-failure.ts";
import type { OriginWaits } from "./origins.ts";

/**
 * Ranges of packages from web servers (RFC 9110, section 14). An answer is judged by its head
 * before anything of its body is taken, and never more is taken than was asked for.
 */
export class HttpOrigin {
  readonly #waits: OriginWaits;
  readonly #agent = new Agent(CONNECTIONS);
  readonly #tlsAgent: TlsAgent;
  readonly #ending = new AbortController();

  /** @param trust - Whom to trust instead of the authorities that Node trusts. */
  constructor(waits: OriginWaits, trust: TlsTrust = {}) {
    this.#waits = waits;
    this.#tlsAgent = new TlsAgent({ ...CONNECTIONS, ...trust });
  }

  /** @throws OriginFailure where the range does not come as it should. */
  async fetch(range: OriginRange): Promise<Uint8Array> {
    let url = packageUrl(range);
    if (range.lengthBytes === 0) return new Uint8Array(0);
    for (let redirects = 0; redirects <= REDIRECTS_MAX; redirects += 1) {
      const response = await this.#ask(url, range);
      const next = redirectOf(response, url);
      if (next === undefined) return await bodyOf(response, url, range);
      response.destroy();
      url = next;
    }
    throw unreachable(url, `it redirects more than ${REDIRECTS_MAX} times`);
  }

  /** Breaks off everything that is under way. */
  close(): void {
    this.#ending.abort();
    this.#agent.destroy();
    this.#tlsAgent.destroy();
  }

  #ask(url: URL, range: OriginRange): Promise<IncomingMessage> {
    const last = range.offsetBytes + range.lengthBytes - 1;
    const headers = {
      range: `bytes=${range.offsetBytes}-${last}`,
      // A range is of the package's own bytes, not of a compressed form of them.
      "accept-encoding": "identity",
      "user-agent": `branchline/${PRODUCT_VERSION}`,
    };
    const { connectMs, silenceMs } = this.#waits;
    const { signal } = this.#ending;
    return new Promise((resolve, reject) => {
      const asked =
        url.protocol === "https:"
          ? tlsRequest(url, { agent: this.#tlsAgent, headers, signal })
          : request(url, { agent: this.#agent, headers, signal });
      asked.on("response", resolve);
      asked.on("error", (error: NodeJS.ErrnoException) => {
        reject(unreachable(url, error.code ?? error.message));
      });
      asked.on("socket", (socket) => limitConnecting(socket, connectMs, () => asked.destroy(SLOW)));
      asked.setTimeout(silenceMs, () => asked.destroy(SILENT));
      asked.end();
    });
  }
}

/** Whom a web server's certificate must be from, and what it must say. */
export type TlsTrust = Pick<AgentOptions, "ca" | "checkServerIdentity" | "maxCachedSessions">;

/** Connections are kept for the next range; more than these to one origin would only compete. */
const CONNECTIONS = { keepAlive: true, maxSockets: 4, maxFreeSockets: 4 };

const REDIRECTS_MAX = 3;

const SLOW = new Error("it does not answer");
const SILENT = new Error("it says nothing any more");

function limitConnecting(socket: Socket, connectMs: number, onSlow: () => void): void {
  // A connection that is used again is there already.
  if (!socket.connecting) return;
  const timer = setTimeout(onSlow, connectMs);
  const done = (): void => clearTimeout(timer);
  socket.once("connect", done).once("close", done);
}

function packageUrl({ location, name }: OriginRange): URL {
  const url = URL.parse(location);
  if (url === null) {
    throw new OriginFailure("unreachable", `The origin ${location} is no address: correct it.`);
  }
  url.pathname = `${url.pathname.replace(/\/+$/, "")}/${encodeURIComponent(name)}`;
  return url;
}

/** Where an answer sends us; `undefined` where it is an answer. */
function redirectOf(response: IncomingMessage, url: URL): URL | undefined {
  if (!REDIRECTS.has(response.statusCode ?? 0)) return undefined;
  const target = URL.parse(response.headers.location ?? "", url.href);
  if (target !== null && /^https?:$/.test(target.protocol)) return target;
  response.destroy();
  throw unreachable(url, "it redirects to where we do not go");
}

const REDIRECTS = new Set([301, 302, 303, 307, 308]);

async function bodyOf(
  response: IncomingMessage,
  url: URL,
  range: OriginRange,
): Promise<Uint8Array> {
  const failure = headProblem(response, url, range);
  if (failure !== undefined) {
    // Whatever body comes with it is of no use, and may be the whole package.
    response.destroy();
    throw failure;
  }
  const bytes = new Uint8Array(range.lengthBytes);
  let doneBytes = 0;
  try {
    for await (const chunk of response as AsyncIterable<Uint8Array>) {
      // The generator closes the connection when it is left like this.
      if (doneBytes + chunk.length > bytes.length) throw tooLong(url, range);
      bytes.set(chunk, doneBytes);
      doneBytes += chunk.length;
    }
  } catch (error) {
    if (error instanceof OriginFailure) throw error;
    throw brokenOff(url, doneBytes, range);
  }
  if (!response.complete) throw brokenOff(url, doneBytes, range);
  if (doneBytes === bytes.length) return bytes;
  throw new OriginFailure(
    "wrong-length",
    `${shown(url)} sent ${doneBytes} bytes where ${range.lengthBytes} were asked for.`,
  );
}

/** What is wrong with an answer, by its head alone. */
function headProblem(
  { statusCode = 0, headers }: IncomingMessage,
  url: URL,
  range: OriginRange,
): OriginFailure | undefined {
  if (statusCode === 404 || statusCode === 410) {
    return new OriginFailure("absent", `The package is not at ${shown(url)}.`);
  }
  if (statusCode === 200) {
    return new OriginFailure(
      "ignores-ranges",
      `${shown(url)} answers with the whole package: its server must support ranges.`,
    );
  }
  if (statusCode === 206 || statusCode === 416) {
    return rangeProblem(statusCode, headers, url, range);
  }
  const mend = statusCode === 401 || statusCode === 403 ? "it asks for rights" : "it answers";
  return unreachable(url, `${mend}: ${statusCode}`);
}

function rangeProblem(
  statusCode: number,
  headers: IncomingMessage["headers"],
  url: URL,
  { offsetBytes, lengthBytes, totalBytes }: OriginRange,
): OriginFailure | undefined {
  const wanted = `bytes ${offsetBytes}-${offsetBytes + lengthBytes - 1}/${totalBytes}`;
  const given = headers["content-range"] ?? "no range";
  const length = headers["content-length"];
  const encoding = headers["content-encoding"] ?? "identity";
  const right =
    statusCode === 206 &&
    given.trim().toLowerCase() === wanted &&
    (length === undefined || Number(length) === lengthBytes) &&
    encoding === "identity";
  if (right) return undefined;
  return new OriginFailure(
    "wrong-length",
    `${shown(url)} has something else than the package: asked for ${wanted}, it answers ` +
      `${statusCode} with ${given}, ${length ?? "an unknown number of"} bytes. Put the package ` +
      "there again.",
  );
}

function tooLong(url: URL, { lengthBytes }: OriginRange): OriginFailure {
  return new OriginFailure(
    "wrong-length",
    `${shown(url)} sends more than the ${lengthBytes} bytes that were asked for.`,
  );
}

function brokenOff(url: URL, doneBytes: number, { lengthBytes }: OriginRange): OriginFailure {
  return new OriginFailure(
    "broken-off",
    `${shown(url)} broke off after ${doneBytes} of ${lengthBytes} bytes.`,
  );
}

function unreachable(url: URL, why: string): OriginFailure {
  return new OriginFailure(
    "unreachable",
    `${shown(url)} cannot be fetched (${why}): check the address and that this device may use it.`,
  );
}

/** An address as it may be logged: without a password. */
function shown(url: URL): string {
  const plain = new URL(url);
  plain.username = "";
  plain.password = "";
  return plain.href;
}
