import { hash } from "node:crypto";
import { Agent, request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest, Agent as TlsAgent } from "node:https";
import { isIP } from "node:net";
import { AwsV4Signer } from "aws4fetch";
import type { Destinations } from "../../runtime/http/destination.ts";
import { OperatorError } from "../../runtime/operator-error.ts";

/** Where a bucket is, and with what it is opened. */
export type S3Place = {
  /** `https://s3.example`, without a path. */
  readonly endpoint: string;
  readonly region: string;
  readonly bucket: string;
  /** Stands before the name of each package; empty, or with a slash at its end. */
  readonly prefix: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
};

/** One request for an object, or for the bucket's upload of one. */
export type S3Request = {
  readonly method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE";
  readonly name: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
};

/** What came, with its text; of what is read as bytes the text is empty. */
export type S3Answer = {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly text: string;
};

/** Connections are kept for the next request; more than these to one bucket would only compete. */
const CONNECTIONS = { keepAlive: true, maxSockets: 64, maxFreeSockets: 8 };

/** How long a bucket may say nothing, in milliseconds. */
const SILENCE_MS = 60_000;

/** Most bytes of an answer that is read as a text. */
const TEXT_BYTES_MAX = 1024 * 1024;

/** How often something is asked that may be asked again, and the pause before, in milliseconds. */
const ATTEMPTS = 3;
const PAUSE_MS = 500;

/**
 * Requests to an S3-compatible bucket, signed by version 4 of AWS's signature, at addresses to which
 * the setting `storage.allow` lets the server go.
 */
export class S3Requests {
  readonly #place: S3Place;
  readonly #destinations: Destinations;
  /** Connections are told apart by the address that was allowed, not by a name. */
  readonly #agent = new Agent(CONNECTIONS);
  readonly #tlsAgent = new TlsAgent(CONNECTIONS);

  constructor(place: S3Place, destinations: Destinations) {
    this.#place = place;
    this.#destinations = destinations;
  }

  /** The bucket as it may be shown. */
  get shown(): string {
    const { endpoint, bucket, prefix } = this.#place;
    return `${endpoint}/${bucket}/${prefix}`;
  }

  /**
   * Asks, and again where the bucket or the line to it has a bad moment.
   *
   * @throws OperatorError `storage-unusable`, `storage-denied`, or as `Destinations.resolve` does.
   */
  async ask(asked: S3Request): Promise<S3Answer> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const response = await this.#send(asked);
        const answer = await read(response);
        if (answer.status < 500 && answer.status !== 429) return this.#judged(answer);
        throw this.unusable(`it answers ${answer.status}`);
      } catch (error) {
        const isFinal = error instanceof OperatorError && error.code !== "storage-unusable";
        if (attempt === ATTEMPTS || isFinal) throw this.#problemOf(error);
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS * attempt));
    }
  }

  /** Gives up the connections that are kept. */
  close(): void {
    this.#agent.destroy();
    this.#tlsAgent.destroy();
  }

  /** Asks for bytes, to be read as they come. @throws OperatorError as `ask` does. */
  async open(asked: S3Request): Promise<IncomingMessage> {
    try {
      const response = await this.#send(asked);
      const { statusCode: status = 0, headers } = response;
      if (status === 206 || status === 404) return response;
      const { text } = await read(response);
      this.#judged({ status, headers, text });
      throw this.unusable(`it answers ${status} where a range was asked for`);
    } catch (error) {
      throw this.#problemOf(error);
    }
  }

  /** The error about a bucket that does not do its part. */
  unusable(why: string, cause?: unknown): OperatorError {
    const mend = "check its address, its region and its name, and that it can be reached from here";
    const sentence = `The file storage ${this.shown} cannot be used (${why}): ${mend}.`;
    return new OperatorError("storage-unusable", sentence, { cause });
  }

  /** What is refused for good is an error; what is not there is the caller's to judge. */
  #judged(answer: S3Answer): S3Answer {
    const { status, text } = answer;
    const code = elementOf(text, "Code") ?? "";
    if (status === 401 || status === 403) throw denied(this.shown, code);
    if (status === 301 || status === 307 || code === "NoSuchBucket") {
      throw this.unusable(`it answers ${status} ${code}`);
    }
    if (status === 400 || status === 409 || status === 411 || status === 413) {
      throw this.unusable(`it answers ${status} ${code}`);
    }
    return answer;
  }

  #problemOf(error: unknown): unknown {
    if (error instanceof OperatorError) return error;
    const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
    return this.unusable(code, error);
  }

  async #send(asked: S3Request): Promise<IncomingMessage> {
    const { method, body } = asked;
    const url = this.#urlOf(asked);
    const { address, family } = await this.#destinations.resolve(url.hostname);
    const { accessKeyId, secretAccessKey, region } = this.#place;
    const signed = await new AwsV4Signer({
      ...{ method, url: url.href, accessKeyId, secretAccessKey, region, service: "s3" },
      headers: {
        ...asked.headers,
        "x-amz-content-sha256": hash("sha256", body ?? "", "hex"),
      },
    }).sign();
    const headers = {
      ...Object.fromEntries(signed.headers),
      host: url.host,
      "content-length": body?.length ?? 0,
    };
    const bare = url.hostname.replace(/^\[|\]$/g, "");
    const where = { host: address, family, path: `${url.pathname}${url.search}` };
    return await new Promise((resolve, reject) => {
      const options = { ...where, method, headers, timeout: SILENCE_MS };
      const port = url.port === "" ? undefined : Number(url.port);
      const sent =
        url.protocol === "https:"
          ? httpsRequest({
              ...options,
              agent: this.#tlsAgent,
              port: port ?? 443,
              ...(isIP(bare) === 0 ? { servername: bare } : {}),
            })
          : httpRequest({ ...options, agent: this.#agent, port: port ?? 80 });
      sent.on("response", resolve);
      sent.on("timeout", () => sent.destroy(new Error("it does not answer")));
      sent.on("error", reject);
      sent.end(body);
    });
  }

  #urlOf({ name, query = {} }: S3Request): URL {
    const { endpoint, bucket, prefix } = this.#place;
    const url = new URL(`/${bucket}/${prefix}${name}`, endpoint);
    for (const [key, value] of Object.entries(query)) url.searchParams.set(key, value);
    return url;
  }
}

/** The text of an element of an answer, which is all that is read of its XML. */
export function elementOf(xml: string, element: string): string | undefined {
  const match = new RegExp(`<${element}>([^<]{1,1024})</${element}>`).exec(xml);
  return match?.[1]
    ?.replaceAll("&quot;", '"')
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&amp;", "&");
}

async function read(response: IncomingMessage): Promise<S3Answer> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > TEXT_BYTES_MAX) throw new Error("its answer is too long");
    parts.push(part);
  }
  const { statusCode: status = 0, headers } = response;
  return { status, headers, text: Buffer.concat(parts).toString("utf8") };
}

function denied(shown: string, code: string): OperatorError {
  const why = code === "" ? "" : ` (${code})`;
  const sentence =
    `The file storage ${shown} does not take the key${why}: check the key and its secret, this ` +
    "machine's clock, and that the key may list the bucket, and get, put and delete its objects.";
  return new OperatorError("storage-denied", sentence);
}
