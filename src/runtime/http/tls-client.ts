import { Agent, request } from "node:https";
import { connect, type DetailedPeerCertificate, type TLSSocket } from "node:tls";
import { fingerprintOf, parseFingerprint } from "../identity/fingerprint.ts";
import { OperatorError } from "../operator-error.ts";
import { type ApiClient, createClient, endWith } from "./client.ts";

/** Where a server's API is, and by what it is trusted and trusts. */
export type RemoteServer = {
  /** `https://HOST:PORT`. */
  readonly url: URL;
  readonly token: string;
  /**
   * Whom to trust: certificates in PEM, or the fingerprint of the authority's certificate, which
   * `server init` prints; neither: the authorities that Node trusts.
   */
  readonly trust: { readonly ca?: string; readonly fingerprint?: string };
};

/** How long connecting may take, in milliseconds. */
const CONNECT_MS_MAX = 15_000;

/** Makes a client of a server somewhere else. @throws OperatorError as its calls do. */
export async function createRemoteClient(server: RemoteServer): Promise<ApiClient> {
  const { url, token, trust } = server;
  const failure = (cause: Error) => failureOf(url, cause);
  const { fingerprint } = trust;
  const ca = fingerprint === undefined ? trust.ca : await authorityOf(url, fingerprint, failure);
  const agent = new Agent({ keepAlive: true, ...(ca === undefined ? {} : { ca }) });
  return createClient({
    send: (options, body) =>
      new Promise((resolve, reject) => {
        const headers = { ...options.headers, authorization: `Bearer ${token}` };
        const where = { host: hostOf(url), port: portOf(url), agent };
        const asked = request(
          { ...options, ...where, headers, timeout: CONNECT_MS_MAX },
          (response) => {
            // From here on silence is no failure: a stream of events has its own signs of life.
            asked.setTimeout(0);
            resolve(response);
          },
        );
        asked.on("timeout", () => asked.destroy(new Error("it does not answer")));
        asked.on("error", (cause) => reject(failure(cause)));
        endWith(asked, body);
      }),
    failure,
  });
}

/** The authority to trust: the one of this fingerprint among those that the server shows. */
async function authorityOf(
  url: URL,
  fingerprint: string,
  failure: (cause: Error) => OperatorError,
): Promise<string> {
  const wanted = parseFingerprint(fingerprint) ?? "";
  for (const der of await shownBy(url, failure)) {
    if (parseFingerprint(fingerprintOf(der)) === wanted) return pemOf(der);
  }
  throw new OperatorError(
    "api-untrusted",
    `The server at ${url.host} shows no certificate with this fingerprint: compare it with what ` +
      "branchline server show prints there. Nothing was sent to it.",
  );
}

/** All certificates that a server shows. Nothing is sent to it: it is not trusted yet. */
function shownBy(
  url: URL,
  failure: (cause: Error) => OperatorError,
): Promise<readonly Uint8Array[]> {
  return new Promise((resolve, reject) => {
    const socket: TLSSocket = connect(
      { host: hostOf(url), port: portOf(url), rejectUnauthorized: false, timeout: CONNECT_MS_MAX },
      () => {
        const found: Uint8Array[] = [];
        let next: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
        while (next?.raw !== undefined && found.length < CHAIN_MAX) {
          found.push(next.raw);
          next = next.issuerCertificate === next ? undefined : next.issuerCertificate;
        }
        socket.destroy();
        resolve(found);
      },
    );
    socket.on("timeout", () => socket.destroy(new Error("it does not answer")));
    socket.on("error", (cause) => reject(failure(cause)));
  });
}

/** Most certificates of a chain that are looked at. */
const CHAIN_MAX = 10;

function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, "");
}

function portOf(url: URL): number {
  return url.port === "" ? 443 : Number(url.port);
}

function pemOf(der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join("\n");
}

function failureOf(url: URL, cause: Error): OperatorError {
  const code = "code" in cause ? String(cause.code) : cause.message;
  if (/CERT|SIGNATURE|ALTNAME|ISSUER|SELF_SIGNED/.test(code)) {
    const mend = "name its authority (--ca or --fingerprint), or use a name that it is for";
    const sentence = `The certificate of ${url.host} is not to be trusted (${code}): ${mend}.`;
    return new OperatorError("api-untrusted", sentence, { cause });
  }
  const mend = "check the address and the port, and that the server runs and listens (api.listen)";
  const sentence = `The server at ${url.host} cannot be reached (${code}): ${mend}.`;
  return new OperatorError("api-unreachable", sentence, { cause });
}
