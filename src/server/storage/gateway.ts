import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { certificatePem, type Identity } from "../../runtime/identity/identity.ts";
import { OperatorError } from "../../runtime/operator-error.ts";
import { type BlobName, type ByteRange, parseBlobName } from "./blob-storage.ts";
import type { FileStorage } from "./file-storage.ts";
import { readRange } from "./range-header.ts";

/** What the gateway is opened with. */
export type GatewayOptions = {
  readonly fileStorage: FileStorage;
  /** Absent: all addresses of the machine. */
  readonly host?: string;
  readonly port: number;
  readonly identity: Identity;
  /** Told what kept a package from being served, for the log. */
  readonly onTrouble: (error: unknown) => void;
};

/** Most open connections: an RVP has at most four. */
const CONNECTIONS_MAX = 4_096;

/** Most packages that are being read at once: each takes about a megabyte of memory. */
const READERS_MAX = 128;

/** How long somebody may take nothing of what is sent to them, in milliseconds. */
const SILENCE_MS = 60_000;

/**
 * Serves packages of the file storage over HTTPS, whole and in ranges (row B12, table "own").
 *
 * Who names a package may have it: its name is a keyed hash of the content id, which is the
 * capability. There is no list, and what is not there looks the same whatever was asked for.
 */
export class Gateway {
  readonly #options: GatewayOptions;
  readonly #server: Server;
  #readers = 0;
  #sentBytes = 0;

  /** @throws OperatorError `port-in-use`, `port-forbidden`, `address-not-here`, `socket-not-opened`. */
  static async open(options: GatewayOptions): Promise<Gateway> {
    const gateway = new Gateway(options);
    const { host, port } = options;
    try {
      gateway.#server.listen({ port, ...(host === undefined ? {} : { host }) });
      await once(gateway.#server, "listening");
    } catch (cause) {
      throw notOpened(host, port, cause);
    }
    return gateway;
  }

  private constructor(options: GatewayOptions) {
    this.#options = options;
    this.#server = createServer(contextOf(options.identity), (request, response) => {
      void this.#answer(request, response);
    });
    this.#server.maxConnections = CONNECTIONS_MAX;
    this.#server.setTimeout(SILENCE_MS);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** How many bytes of packages have been sent. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** Shows another certificate from now on. */
  useIdentity(identity: Identity): void {
    this.#server.setSecureContext(contextOf(identity));
  }

  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      await this.#serve(request, response);
    } catch (error) {
      // Whoever breaks off is no trouble of ours.
      if (request.socket.destroyed) return;
      this.#options.onTrouble(error);
      if (response.headersSent) response.destroy();
      else refuse(response, 503, "The file storage does not work: ask again later.");
    }
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "", url = "", headers } = request;
    if (method !== "GET" && method !== "HEAD") {
      response.setHeader("allow", "GET, HEAD");
      refuse(response, 405, "Packages are read with GET.");
      return;
    }
    const name = parseBlobName(url.slice(1));
    const { fileStorage } = this.#options;
    const sizeBytes =
      name === undefined || !fileStorage.isConfigured
        ? undefined
        : await (await fileStorage.storage()).sizeOf(name);
    if (name === undefined || sizeBytes === undefined) {
      refuse(response, 404, "There is no such package.");
      return;
    }
    const tag = `"${name}"`;
    const sameAsBefore = headers["if-range"] === undefined || headers["if-range"] === tag;
    const range = readRange(sameAsBefore ? headers.range : undefined, sizeBytes);
    if (range === "unsatisfiable") {
      response.setHeader("content-range", `bytes */${sizeBytes}`);
      refuse(response, 416, `The package has ${sizeBytes} bytes.`);
      return;
    }
    if (this.#readers >= READERS_MAX) {
      response.setHeader("retry-after", "5");
      refuse(response, 503, "Too many are reading packages: ask again in a moment.");
      return;
    }
    const wanted = range === "whole" ? { offsetBytes: 0, lengthBytes: sizeBytes } : range;
    const { offsetBytes, lengthBytes } = wanted;
    response.writeHead(range === "whole" ? 200 : 206, {
      "accept-ranges": "bytes",
      "content-type": "application/octet-stream",
      "content-length": lengthBytes,
      "cache-control": "public, max-age=31536000, immutable",
      etag: tag,
      ...(range === "whole"
        ? {}
        : {
            "content-range": `bytes ${offsetBytes}-${offsetBytes + lengthBytes - 1}/${sizeBytes}`,
          }),
    });
    if (method === "HEAD") response.end();
    else await this.#send(name, wanted, response);
  }

  async #send(name: BlobName, range: ByteRange, response: ServerResponse): Promise<void> {
    const storage = await this.#options.fileStorage.storage();
    this.#readers += 1;
    try {
      await pipeline(Readable.from(this.#counted(storage.read(name, range))), response);
    } finally {
      this.#readers -= 1;
    }
  }

  async *#counted(parts: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    for await (const part of parts) {
      yield part;
      this.#sentBytes += part.length;
    }
  }
}

function contextOf({ privateKeyPem, certificateDer, authorityDer }: Identity) {
  const cert = certificatePem(certificateDer) + certificatePem(authorityDer);
  return { key: privateKeyPem, cert, minVersion: "TLSv1.3" as const };
}

function refuse(response: ServerResponse, status: number, sentence: string): void {
  response.writeHead(status, { "content-type": "text/plain" });
  response.end(`${sentence}\n`);
}

function notOpened(host: string | undefined, port: number, cause: unknown): OperatorError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : String(cause);
  const place = `TCP port ${port}${host === undefined ? "" : ` of ${host}`}, for packages,`;
  const [error, text] = REASONS.get(code) ?? [
    "socket-not-opened",
    `could not be opened (${code}): choose another one (storage.port).`,
  ];
  return new OperatorError(error, `${place} ${text}`, { cause });
}

const REASONS: ReadonlyMap<string, readonly [string, string]> = new Map([
  ["EADDRINUSE", ["port-in-use", "is in use: end what uses it, or set storage.port."]],
  ["EACCES", ["port-forbidden", "needs more rights: set storage.port to 1024 or more."]],
  ["EADDRNOTAVAIL", ["address-not-here", "is not of this machine: correct network.address."]],
]);
