import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import type { ByteRange } from "../branchcache/content-information.ts";
import { CLIENT_HEADERS, MISSING_DATA_HEADERS } from "../branchcache/http-negotiation.ts";
import { OperatorError } from "../runtime/operator-error.ts";

/** How long the server may be silent, in milliseconds. */
const SILENCE_MS = 30_000;

/** Asks a server for a file, as content information where it has that. */
export async function askForFile(url: URL, signal: AbortSignal): Promise<IncomingMessage> {
  const response = await ask(url, CLIENT_HEADERS, signal);
  if (response.statusCode === 200) return response;
  response.destroy();
  throw new OperatorError(
    "branchcache-server-refused",
    `${url.href} was answered with status ${response.statusCode}: check the address, and that the ` +
      "server has the file.",
  );
}

/** Asks it for the file itself. */
export async function askForPlainFile(url: URL, signal: AbortSignal): Promise<IncomingMessage> {
  const response = await ask(url, { "Accept-Encoding": "identity" }, signal);
  if (response.statusCode === 200) return response;
  response.destroy();
  throw new OperatorError(
    "branchcache-server-refused",
    `${url.href} was answered with status ${response.statusCode}.`,
  );
}

/**
 * Asks a server for bytes that nobody else has (PT8).
 *
 * @returns `undefined` where the server does not give exactly these.
 */
export async function askForRange(
  url: URL,
  range: ByteRange,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  const { startBytes, endBytes } = range;
  const headers = { ...MISSING_DATA_HEADERS, Range: `bytes=${startBytes}-${endBytes - 1}` };
  try {
    const response = await ask(url, headers, signal);
    if (response.statusCode !== 206) {
      response.destroy();
      return undefined;
    }
    const bytes = await bodyOf(response, endBytes - startBytes);
    return bytes?.length === endBytes - startBytes ? bytes : undefined;
  } catch {
    // The line is down, or the server: the download says what becomes of it.
    return undefined;
  }
}

/** The whole body; `undefined` where it is longer than allowed. */
export async function bodyOf(
  response: IncomingMessage,
  bytesMax: number,
): Promise<Uint8Array | undefined> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > bytesMax) {
      response.destroy();
      return undefined;
    }
    parts.push(part);
  }
  const whole = Buffer.concat(parts);
  return new Uint8Array(whole.buffer, whole.byteOffset, whole.length);
}

/** A header that a server may send once or several times, as one list. */
export function headerOf(response: IncomingMessage, name: string): string | undefined {
  const value = response.headers[name];
  return Array.isArray(value) ? value.join(",") : value;
}

async function ask(
  url: URL,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const request = url.protocol === "https:" ? httpsRequest : httpRequest;
  return await new Promise<IncomingMessage>((resolve, reject) => {
    const asked = request(url, { headers, signal }, resolve);
    asked.setTimeout(SILENCE_MS, () => asked.destroy(new Error("no answer")));
    asked.on("error", (cause) => {
      const why = signal.aborted ? "interrupted" : cause.message;
      const text = `${url.href} could not be had (${why}): check the address and the line.`;
      reject(new OperatorError("branchcache-server-away", text, { cause }));
    });
    asked.end();
  });
}
