import { createHash, createHmac, hash, randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** Who may use the bucket of {@link TestS3}. */
export const S3_KEY = { accessKeyId: "AKIDTEST", secretAccessKey: "s3cret/with+signs" } as const;

type Upload = { readonly key: string; readonly parts: Map<number, Buffer> };

/**
 * An S3 server in memory, with one bucket: what the storage uses of the API, and nothing else. Every
 * request must carry a signature (AWS, Signature Version 4), which it computes by itself.
 */
export class TestS3 {
  readonly objects: Map<string, Buffer> = new Map();
  readonly uploads: Map<string, Upload> = new Map();
  /** Answers so many requests with 503 first. */
  failures: number = 0;
  /** Whether completing fails in an answer that began well, as it may. */
  failsCompleting: boolean = false;
  readonly #server: Server;

  static async start(): Promise<TestS3> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new TestS3(server);
  }

  private constructor(server: Server) {
    this.#server = server;
    server.on("request", (request, response) => void this.#answer(request, response));
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request as AsyncIterable<Buffer>) parts.push(part);
    const body = Buffer.concat(parts);
    const url = new URL(request.url ?? "", this.endpoint);
    if (this.failures > 0) {
      this.failures -= 1;
      response.writeHead(503).end();
      return;
    }
    const problem = problemOf(request, url, body);
    if (problem !== undefined) {
      refuse(response, 403, problem);
      return;
    }
    const [, bucket, ...rest] = url.pathname.split("/");
    if (bucket !== "packages") refuse(response, 404, "NoSuchBucket");
    else this.#operate({ request, response, url, body, key: rest.join("/") });
  }

  #operate(asked: Asked): void {
    const { request, response, url, key } = asked;
    if (url.searchParams.has("uploads")) {
      const id = randomUUID();
      this.uploads.set(id, { key, parts: new Map() });
      response.end(`<R><UploadId>${id}</UploadId></R>`);
    } else if (url.searchParams.has("uploadId")) {
      this.#ofUpload(asked);
    } else if (request.method === "PUT") {
      this.objects.set(key, asked.body);
      response.writeHead(200, { etag: etagOf(asked.body) }).end();
    } else if (request.method === "DELETE") {
      this.objects.delete(key);
      response.writeHead(204).end();
    } else {
      this.#read(asked);
    }
  }

  #ofUpload({ request, response, url, body, key }: Asked): void {
    const id = url.searchParams.get("uploadId") ?? "";
    const upload = this.uploads.get(id);
    if (upload?.key !== key) {
      refuse(response, 404, "NoSuchUpload");
    } else if (request.method === "PUT") {
      upload.parts.set(Number(url.searchParams.get("partNumber")), body);
      response.writeHead(200, { etag: etagOf(body) }).end();
    } else if (request.method === "GET") {
      response.end("<ListPartsResult/>");
    } else if (request.method === "DELETE") {
      this.uploads.delete(id);
      response.writeHead(204).end();
    } else if (this.failsCompleting) {
      response.end("<Error><Code>InternalError</Code></Error>");
    } else {
      this.#complete(id, upload, { response, body });
    }
  }

  #complete(
    id: string,
    { key, parts }: Upload,
    { response, body }: Pick<Asked, "response" | "body">,
  ): void {
    const listed = [
      ...body.toString().matchAll(/<PartNumber>(\d+)<\/PartNumber><ETag>([^<]*)<\/ETag>/g),
    ];
    const chosen = listed.map(([, number, etag]) => {
      const part = parts.get(Number(number));
      const same = part !== undefined && etagOf(part) === etag?.replaceAll("&quot;", '"');
      return same ? part : undefined;
    });
    const tooSmall = chosen.slice(0, -1).some((part) => (part?.length ?? 0) < 5 * 1024 * 1024);
    if (chosen.length === 0 || chosen.includes(undefined)) refuse(response, 400, "InvalidPart");
    else if (tooSmall) refuse(response, 400, "EntityTooSmall");
    else {
      this.objects.set(key, Buffer.concat(chosen.flatMap((part) => part ?? [])));
      this.uploads.delete(id);
      response.end("<CompleteMultipartUploadResult/>");
    }
  }

  #read({ request, response, key }: Asked): void {
    const object = this.objects.get(key);
    if (object === undefined) {
      refuse(response, 404, "NoSuchKey");
      return;
    }
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
    const part = from === undefined ? object : object.subarray(Number(from), Number(to) + 1);
    response.writeHead(from === undefined ? 200 : 206, { "content-length": part.length });
    response.end(request.method === "HEAD" ? undefined : part);
  }
}

type Asked = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  readonly body: Buffer;
  readonly key: string;
};

function etagOf(body: Buffer): string {
  return `"${createHash("md5").update(body).digest("hex")}"`;
}

function refuse(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status).end(`<Error><Code>${code}</Code></Error>`);
}

/** What is wrong with a signature, in S3's word; `undefined` where nothing is. */
function problemOf({ method, headers }: IncomingMessage, url: URL, body: Buffer) {
  const form =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/;
  const [, id, day = "", region = "", names = "", signature] =
    form.exec(headers.authorization ?? "") ?? [];
  if (id !== S3_KEY.accessKeyId) return "InvalidAccessKeyId";
  if (region !== "eu-test-1") return "AuthorizationHeaderMalformed";
  const bodyHash = hash("sha256", body, "hex");
  if (headers["x-amz-content-sha256"] !== bodyHash) return "XAmzContentSHA256Mismatch";
  const encode = (text: string) =>
    encodeURIComponent(text).replace(
      /[!'()*]/g,
      (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
    );
  const query = [...url.searchParams]
    .map(([key, value]) => `${encode(key)}=${encode(value)}`)
    .toSorted()
    .join("&");
  const signed = names.split(";").map((name) => `${name}:${String(headers[name]).trim()}\n`);
  const canonical = [method, url.pathname, query, signed.join(""), names, bodyHash].join("\n");
  const time = String(headers["x-amz-date"]);
  const scope = `${day}/${region}/s3/aws4_request`;
  const text = ["AWS4-HMAC-SHA256", time, scope, hash("sha256", canonical, "hex")].join("\n");
  const mac = (key: string | Buffer, data: string) =>
    createHmac("sha256", key).update(data).digest();
  const dayKey = mac(`AWS4${S3_KEY.secretAccessKey}`, day);
  const key = mac(mac(mac(dayKey, region), "s3"), "aws4_request");
  return mac(key, text).toString("hex") === signature ? undefined : "SignatureDoesNotMatch";
}
