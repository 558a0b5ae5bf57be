import type { BigIntStats } from "node:fs";
import { type FileHandle, open, realpath, stat } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join, sep } from "node:path";
import { pipeline } from "node:stream/promises";
import { informationOf } from "../branchcache/content-hashes.ts";
import type { ByteRange } from "../branchcache/content-information.ts";
import { encodeContentInformationV1 } from "../branchcache/content-information-v1.ts";
import { encodeContentInformationV2 } from "../branchcache/content-information-v2.ts";
import {
  answerHeader,
  MAKE_HASH_REQUEST,
  type Negotiated,
  PROTOCOL_VERSION,
  versionText,
} from "../branchcache/http-negotiation.ts";
import { askedRange, negotiated, readPath } from "./content-request.ts";
import type { HashCache } from "./hash-cache.ts";
import { branchCacheCrypto } from "./node-crypto.ts";

/** What a content server counts, under the names that Windows has for them. */
export const CONTENT_COUNTERS = [
  "Total HTTP Requests",
  "BranchCache-aware HTTP requests",
  "Client Cache Miss Bytes",
  "Hash Bytes",
  "Projected Server Bytes Without Caching",
  "Server Cache Miss Bytes",
  "Total Hash Retrievals Accepted",
  "Plain Bytes",
] as const;

/** The name of one of them. */
export type ContentCounter = (typeof CONTENT_COUNTERS)[number];

/** How files are served. */
export type ContentServiceOptions = {
  /** The folder whose files are served. */
  readonly folder: string;
  /** What the path of every request begins with. */
  readonly prefix: string;
  /** The server's secret key K. */
  readonly secretKey: Uint8Array;
  /** Smaller files have no content information. */
  readonly leastBytes: number;
  readonly hashes: HashCache;
  count(name: ContentCounter, count: number): void;
};

type Found = { readonly path: string; readonly stats: BigIntStats; readonly file: FileHandle };

/**
 * Serves the files of a folder over HTTP: plainly, by range, and as content information to those
 * who take that (PT1 to PT8).
 *
 * Whoever may ask for a file may have its content information, and nobody else: both are
 * answers to the same request, behind the same door.
 */
export class ContentService {
  readonly #options: ContentServiceOptions;

  constructor(options: ContentServiceOptions) {
    this.#options = options;
  }

  /** Answers a request. Never throws: what goes wrong is the answer. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#options.count("Total HTTP Requests", 1);
    if (request.method !== "GET" && request.method !== "HEAD") {
      end(response, 405, { Allow: "GET, HEAD" });
      return;
    }
    const found = await this.#find(request.url ?? "");
    if (found === undefined) {
      end(response, 404);
      return;
    }
    try {
      await this.#serve(request, response, found);
    } catch {
      // The client has gone, or the disk: whoever waits for more bytes sees that.
      response.destroy();
    } finally {
      await found.file.close();
    }
  }

  async #find(target: string): Promise<Found | undefined> {
    const { folder, prefix } = this.#options;
    const parts = readPath(target, prefix);
    if (parts === undefined) return undefined;
    try {
      const root = await realpath(folder);
      const path = await realpath(join(root, ...parts));
      // A link may lead anywhere, and nobody has said that that is to be served.
      if (!path.startsWith(root + sep)) return undefined;
      if (!(await stat(path)).isFile()) return undefined;
      const file = await open(path, "r");
      return { path, file, stats: await file.stat({ bigint: true }) };
    } catch {
      return undefined;
    }
  }

  async #serve(request: IncomingMessage, response: ServerResponse, found: Found): Promise<void> {
    const { stats } = found;
    const sizeBytes = Number(stats.size);
    const etag = `"${stats.size.toString(16)}-${stats.mtimeNs.toString(16)}"`;
    const decided = negotiated(request);
    const headers = {
      ETag: etag,
      "Last-Modified": new Date(Number(stats.mtimeMs)).toUTCString(),
      "Accept-Ranges": "bytes",
      "Content-Type": "application/octet-stream",
      Vary: "Accept-Encoding, X-P2P-PeerDist, X-P2P-PeerDistEx",
    };
    if (request.headers["if-none-match"] === etag) {
      end(response, 304, headers);
      return;
    }
    const asked = askedRange(request, sizeBytes, etag);
    if (asked === "unsatisfiable") {
      end(response, 416, { ...headers, "Content-Range": `bytes */${sizeBytes}` });
      return;
    }
    const range = asked === "whole" ? { startBytes: 0, endBytes: sizeBytes } : asked;
    const partial =
      asked === "whole"
        ? {}
        : { "Content-Range": `bytes ${range.startBytes}-${range.endBytes - 1}/${sizeBytes}` };
    const whole = { request, response, found, range, headers: { ...headers, ...partial } };
    const extra = await this.#information(whole, decided);
    if (extra === undefined) return;
    await this.#sendPlainly(whole, decided, extra);
  }

  /**
   * Answers with content information where that is possible.
   *
   * @returns `undefined` where it has; else the headers of the plain answer.
   */
  async #information(
    { request, response, found, range, headers }: Answer,
    decided: Negotiated,
  ): Promise<Readonly<Record<string, string>> | undefined> {
    const { leastBytes, hashes, secretKey, count } = this.#options;
    if (decided.kind === "plain") return {};
    count("BranchCache-aware HTTP requests", 1);
    if (found.stats.size < BigInt(leastBytes) || found.stats.size === 0n) return {};
    const known = await hashes.find(found.path, found.stats, decided.version);
    if (known === undefined) {
      void hashes.make(found.path);
      return {
        "X-P2P-PeerDist": `Version=${versionText(PROTOCOL_VERSION)}`,
        "X-P2P-PeerDistEx": MAKE_HASH_REQUEST,
      };
    }
    const isPart = headers["Content-Range"] !== undefined;
    const information = informationOf(
      branchCacheCrypto,
      known,
      secretKey,
      isPart ? range : undefined,
    );
    if (information === undefined) return {};
    const bytes =
      information.version === 1
        ? encodeContentInformationV1(information)
        : encodeContentInformationV2(information);
    const entityBytes = range.endBytes - range.startBytes;
    count("Total Hash Retrievals Accepted", 1);
    count("Hash Bytes", bytes.length);
    count("Projected Server Bytes Without Caching", entityBytes);
    response.writeHead(isPart ? 206 : 200, {
      ...headers,
      "Content-Encoding": "peerdist",
      "Content-Length": bytes.length,
      "X-P2P-PeerDist": answerHeader(decided.protocol, entityBytes),
      // The tag stays the file's: with it the client asks for the bytes that nobody has.
    });
    response.end(request.method === "HEAD" ? undefined : bytes);
    return undefined;
  }

  async #sendPlainly(
    { request, response, found, range, headers }: Answer,
    decided: Negotiated,
    extra: Readonly<Record<string, string>>,
  ): Promise<void> {
    const { startBytes, endBytes } = range;
    const lengthBytes = endBytes - startBytes;
    const isPart = headers["Content-Range"] !== undefined;
    response.writeHead(isPart ? 206 : 200, {
      ...headers,
      ...extra,
      "Content-Length": lengthBytes,
    });
    if (request.method === "HEAD" || lengthBytes === 0) {
      response.end();
      return;
    }
    const isMissing = decided.kind === "plain" && decided.why === "missing-data";
    const isAware = isMissing || decided.kind === "content-information";
    const stream = found.file.createReadStream({
      start: startBytes,
      end: endBytes - 1,
      autoClose: false,
      highWaterMark: READ_BYTES,
    });
    stream.on("data", (part) => {
      const name = isMissing ? "Client Cache Miss Bytes" : "Server Cache Miss Bytes";
      this.#options.count(isAware ? name : "Plain Bytes", part.length);
    });
    if (decided.kind === "content-information") {
      this.#options.count("Projected Server Bytes Without Caching", lengthBytes);
    }
    await pipeline(stream, response);
  }
}

type Answer = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly found: Found;
  readonly range: ByteRange;
  readonly headers: Readonly<Record<string, string>> & {
    readonly ETag: string;
    readonly "Content-Range"?: string;
  };
};

const READ_BYTES = 1 << 18;

function end(
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { ...headers, "Content-Length": 0 });
  response.end();
}
