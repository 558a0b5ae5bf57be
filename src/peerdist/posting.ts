import { Agent, type ClientRequest, request as httpRequest } from "node:http";
import type { Place } from "../branchcache/holdings.ts";
import { RESPONSE_BYTES_MAX, RETRIEVAL_PATH } from "../branchcache/retrieval-limits.ts";
import { SIZE_BYTES } from "../branchcache/retrieval-message.ts";

/** Posts messages to peers and hosted caches, and can take each of them back. */
export class Posting {
  readonly #agent: Agent = new Agent({ keepAlive: true, maxFreeSockets: 16 });
  readonly #open = new Map<number, ClientRequest>();
  readonly #localAddress: string | undefined;

  /** @param localAddress - Where to send from: a hosted cache comes back to there. */
  constructor(localAddress?: string) {
    this.#localAddress = localAddress;
  }

  /**
   * Posts a message.
   *
   * @param onAnswer - Called once, with the answer's body where one came with status 200; never
   * after `abandon`.
   */
  post(
    request: number,
    to: { readonly place: Place; readonly path?: string; readonly bytes: Uint8Array },
    onAnswer: (bytes: Uint8Array | undefined) => void,
  ): void {
    const { place, path = RETRIEVAL_PATH, bytes } = to;
    const client = httpRequest({
      host: place.host,
      port: place.port,
      path,
      method: "POST",
      agent: this.#agent,
      localAddress: this.#localAddress,
      headers: { "Content-Length": bytes.length, "Content-Type": "application/octet-stream" },
    });
    this.#open.set(request, client);
    const end = (answer: Uint8Array | undefined): void => {
      if (this.#open.get(request) !== client) return;
      this.#open.delete(request);
      onAnswer(answer);
    };
    client.on("error", () => end(undefined));
    client.on("response", (response) => {
      const parts: Buffer[] = [];
      let length = 0;
      response.on("data", (part: Buffer) => {
        length += part.length;
        if (length > SIZE_BYTES + RESPONSE_BYTES_MAX) client.destroy();
        else parts.push(part);
      });
      response.on("error", () => end(undefined));
      response.on("close", () => end(undefined));
      response.on("end", () => {
        const whole = Buffer.concat(parts);
        const body = new Uint8Array(whole.buffer, whole.byteOffset, whole.length);
        end(response.statusCode === 200 ? body : undefined);
      });
    });
    client.end(bytes);
  }

  /** The answer is not wanted any more. */
  abandon(request: number): void {
    const client = this.#open.get(request);
    this.#open.delete(request);
    client?.destroy();
  }

  close(): void {
    for (const request of [...this.#open.keys()]) this.abandon(request);
    this.#agent.destroy();
  }
}
