import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { hostname, networkInterfaces } from "node:os";
import type { TlsIdentity } from "../../runtime/http/tls-server.ts";
import { OperatorError } from "../../runtime/operator-error.ts";
import type { Certificates } from "../certificates.ts";
import type { ServerSettings } from "../settings.ts";

/**
 * The certificate that the API shows: one of the organisation's own, from files, or one of the
 * server's authority. The latter is made anew at each start; whoever trusts the authority, or knows
 * its fingerprint, does not notice.
 */
export class ApiIdentity {
  readonly #settings: ServerSettings;
  readonly #certificates: Certificates;
  #current: TlsIdentity;

  /** @throws OperatorError `api-certificate-unusable` where the files are no certificate and key. */
  static async open(settings: ServerSettings, certificates: Certificates): Promise<ApiIdentity> {
    const current = await make(settings, certificates);
    return new ApiIdentity(settings, certificates, current);
  }

  private constructor(settings: ServerSettings, certificates: Certificates, current: TlsIdentity) {
    this.#settings = settings;
    this.#certificates = certificates;
    this.#current = current;
  }

  /** What is shown. */
  get current(): TlsIdentity {
    return this.#current;
  }

  /**
   * Takes up files that were replaced, and renews what has grown old; says whether there is another
   * certificate now.
   *
   * @throws OperatorError `api-certificate-unusable`; what was shown before stays.
   */
  async refresh(): Promise<boolean> {
    const own = this.#settings.api.certificate === undefined;
    if (own && !this.#certificates.isWebDue(this.#current.cert)) return false;
    const next = await make(this.#settings, this.#certificates);
    if (next.cert === this.#current.cert && next.key === this.#current.key) return false;
    this.#current = next;
    return true;
  }
}

async function make(settings: ServerSettings, certificates: Certificates): Promise<TlsIdentity> {
  const { certificate, key } = settings.api;
  if (certificate !== undefined && key !== undefined) return await readFiles(certificate, key);
  if (certificate === undefined && key === undefined) {
    return await certificates.issueWeb(namesOf(settings));
  }
  throw unusable("api.certificate and api.key are needed together: set both, or none");
}

async function readFiles(certificate: string, key: string): Promise<TlsIdentity> {
  const [cert, secret] = await Promise.all([read(certificate), read(key)]);
  try {
    const first = new X509Certificate(cert);
    if (!first.checkPrivateKey(createPrivateKey(secret))) {
      throw new Error("the key is not that of the certificate");
    }
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw unusable(`${certificate} and ${key} do not serve (${why}): both must be PEM`, cause);
  }
  return { cert, key: secret };
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw unusable(`${path} cannot be read: ${(cause as Error).message}`, cause);
  }
}

function unusable(text: string, cause?: unknown): OperatorError {
  return new OperatorError("api-certificate-unusable", `${text}.`, { cause });
}

/** Everything by which the server may be called. */
function namesOf({ api, network }: ServerSettings): readonly string[] {
  const address = api.address ?? network.address;
  const addresses =
    address === undefined
      ? Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map((one) => one.address))
      : [address];
  const usual = [hostname(), "localhost", "127.0.0.1", "::1"];
  const names = [...api.names, ...usual, ...addresses];
  // An address of a single link has the link's name behind it, which is no part of a certificate.
  return [...new Set(names.map((name) => name.replace(/%.*$/, "").replace(/\.$/, "")))];
}
