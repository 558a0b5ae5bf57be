import type { IncomingMessage, ServerResponse } from "node:http";

/** HTTP requests whose answers come later, by numbers that a machine knows them by. */
export class Exchanges {
  readonly #open = new Map<number, ServerResponse>();
  #numbers = 0;

  /** Gives a request a number. @param onGone - The client has gone before its answer. */
  begin(response: ServerResponse, onGone: (exchange: number) => void): number {
    this.#numbers += 1;
    const exchange = this.#numbers;
    this.#open.set(exchange, response);
    response.once("close", () => {
      if (this.#open.delete(exchange)) onGone(exchange);
    });
    return exchange;
  }

  /** Answers with bytes. */
  respond(exchange: number, bytes: Uint8Array): void {
    const response = this.#take(exchange);
    response?.writeHead(200, {
      "Content-Type": "application/octet-stream",
      "Content-Length": bytes.length,
    });
    response?.end(bytes);
  }

  /** Answers that the request was none (RR10). */
  refuse(exchange: number): void {
    const response = this.#take(exchange);
    response?.writeHead(400, { "Content-Length": 0 });
    response?.end();
  }

  #take(exchange: number): ServerResponse | undefined {
    const response = this.#open.get(exchange);
    this.#open.delete(exchange);
    return response;
  }
}

/**
 * Reads a request's body; `undefined` where it is longer than allowed, or the client has gone.
 *
 * @param bytesMax - Checked before anything is read, where the length is announced.
 */
export async function readBody(
  request: IncomingMessage,
  bytesMax: number,
): Promise<Uint8Array | undefined> {
  if (Number(request.headers["content-length"] ?? 0) > bytesMax) return undefined;
  const parts: Buffer[] = [];
  let length = 0;
  try {
    for await (const part of request as AsyncIterable<Buffer>) {
      length += part.length;
      if (length > bytesMax) return undefined;
      parts.push(part);
    }
  } catch {
    return undefined;
  }
  const whole = Buffer.concat(parts);
  return new Uint8Array(whole.buffer, whole.byteOffset, whole.length);
}

/** Whether a request is a POST to one of the protocol's addresses, in any case of letters. */
export function isPostTo(request: IncomingMessage, path: string): boolean {
  const asked = (request.url ?? "").split("?", 1)[0]?.toLowerCase() ?? "";
  const wanted = path.toLowerCase();
  return request.method === "POST" && (asked === wanted || `${asked}/` === wanted);
}

/** Says that there is nothing here, without reading what was sent. */
export function answerNothing(response: ServerResponse, status: 400 | 404): void {
  response.writeHead(status, { "Content-Length": 0, Connection: "close" });
  response.end();
}
