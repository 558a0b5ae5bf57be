import { createHmac } from "node:crypto";
import { readFile } from "node:fs/promises";
import { type ClientRequest, request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { isIP } from "node:net";
import { rootCertificates } from "node:tls";
import { PRODUCT_VERSION } from "../../base/constants.ts";
import { Destinations } from "../../runtime/http/destination.ts";
import { OperatorError } from "../../runtime/operator-error.ts";

/** What a webhook is told in one call. */
export type WebhookCall = {
  readonly url: string;
  readonly secret: string;
  readonly deliveryId: string;
  readonly kind: string;
  /** JSON. */
  readonly body: string;
};

/** How a call went. */
export type CallOutcome = { readonly ok: boolean; readonly outcome: string };

/** How long a webhook may take to answer, in milliseconds. */
const ANSWER_MS_MAX = 10_000;

/** Calls webhooks: where the settings allow it, and nowhere else. */
export class WebhookCaller {
  readonly #destinations: Destinations;
  readonly #ca: readonly string[];

  /** @throws OperatorError `webhook-authority` where a file of `webhooks.authorities` is unreadable. */
  static async open(settings: {
    readonly allow: readonly string[];
    readonly authorities: readonly string[];
  }): Promise<WebhookCaller> {
    const own = await Promise.all(settings.authorities.map(readAuthority));
    return new WebhookCaller(new Destinations(settings.allow), [...rootCertificates, ...own]);
  }

  private constructor(destinations: Destinations, ca: readonly string[]) {
    this.#destinations = destinations;
    this.#ca = ca;
  }

  /**
   * Judges the URL of a webhook that is to be.
   *
   * @throws OperatorError `webhook-url`, `destination-unknown` or `destination-forbidden`.
   */
  async judge(text: string): Promise<void> {
    await this.#destinations.resolve(urlOf(text).hostname);
  }

  /** Calls a webhook once. It follows no redirect: that would lead past what the settings allow. */
  async call(call: WebhookCall): Promise<CallOutcome> {
    try {
      const url = urlOf(call.url);
      const { address, family } = await this.#destinations.resolve(url.hostname);
      const status = await this.#post(url, { address, family }, call);
      if (status >= 200 && status < 300) return { ok: true, outcome: `HTTP ${status}` };
      const why = status >= 300 && status < 400 ? ", and redirects are not followed" : "";
      return { ok: false, outcome: `HTTP ${status}${why}` };
    } catch (error) {
      if (error instanceof OperatorError) return { ok: false, outcome: error.message };
      const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
      return { ok: false, outcome: code.slice(0, 200) };
    }
  }

  #post(
    url: URL,
    { address, family }: { readonly address: string; readonly family: 4 | 6 },
    call: WebhookCall,
  ): Promise<number> {
    const bare = url.hostname.replace(/^\[|\]$/g, "");
    const options = {
      method: "POST",
      host: address,
      family,
      path: `${url.pathname}${url.search}`,
      headers: headersOf(url, call),
      // A connection of its own: a pooled one could lead to an address of before.
      agent: false,
      signal: AbortSignal.timeout(ANSWER_MS_MAX),
    };
    return new Promise((resolve, reject) => {
      let asked: ClientRequest;
      if (url.protocol === "https:") {
        const port = url.port === "" ? 443 : Number(url.port);
        const servername = isIP(bare) === 0 ? { servername: bare } : {};
        asked = httpsRequest({ ...options, ...servername, port, ca: [...this.#ca] });
      } else {
        asked = httpRequest({ ...options, port: url.port === "" ? 80 : Number(url.port) });
      }
      asked.on("response", (response) => {
        resolve(response.statusCode ?? 0);
        // What it says is of no use to anybody, and could be endless.
        response.destroy();
      });
      asked.on("error", (error) => {
        reject(error.name === "TimeoutError" || error.name === "AbortError" ? SLOW : error);
      });
      asked.end(call.body);
    });
  }
}

const SLOW = new OperatorError("webhook-slow", `No answer within ${ANSWER_MS_MAX / 1_000} s.`);

/**
 * What a receiver checks: the time and an HMAC of time and body, so that nobody else can make a
 * delivery, and nobody can send an old one again.
 */
export function signatureOf(secret: string, timeS: number, body: string): string {
  const digest = createHmac("sha256", secret).update(`${timeS}.${body}`).digest("hex");
  return `t=${timeS},v1=${digest}`;
}

function headersOf(url: URL, { secret, deliveryId, kind, body }: WebhookCall) {
  return {
    host: url.host,
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    "user-agent": `Branchline/${PRODUCT_VERSION}`,
    "branchline-delivery": deliveryId,
    "branchline-event": kind,
    "branchline-signature": signatureOf(secret, Math.floor(Date.now() / 1_000), body),
  };
}

function urlOf(text: string): URL {
  const url = URL.parse(text);
  const isWeb = url?.protocol === "https:" || url?.protocol === "http:";
  if (url !== null && isWeb && url.username === "" && url.password === "" && url.hash === "") {
    return url;
  }
  const sentence =
    "A webhook is an http or https URL without a name, a password or a fragment in it.";
  throw new OperatorError("webhook-url", sentence);
}

async function readAuthority(path: string): Promise<string> {
  const text = await readFile(path, "utf8").catch(() => "");
  if (text.includes("-----BEGIN CERTIFICATE-----")) return text;
  throw new OperatorError(
    "webhook-authority",
    `${path} holds no certificate in PEM: correct the setting webhooks.authorities.`,
  );
}
