import { X509Certificate } from "node:crypto";
import type { DeviceId } from "../base/ids.ts";
import type { EnrolmentOutcome, EnrolmentRequest } from "../coordinator/contract.ts";
import {
  type Authority,
  issueDeviceCertificate,
  issueServerCertificate,
  issueWebCertificate,
} from "../runtime/identity/authority.ts";
import { fingerprintOf } from "../runtime/identity/fingerprint.ts";
import type { Identity } from "../runtime/identity/identity.ts";
import { loadAuthority, loadIdentity, saveIdentity } from "../runtime/identity/identity-file.ts";
import { createSigningRequest } from "../runtime/identity/keys.ts";
import { isDueForRenewal } from "../runtime/identity/lifetime.ts";
import { OperatorError } from "../runtime/operator-error.ts";
import type { Refused, Renewed } from "../wire/messages.ts";
import { decideEnrolment } from "./enrolment.ts";
import type { ServerFiles } from "./files.ts";
import type { SecurityKeys } from "./security-keys.ts";

/** The server as the organisation's certificate authority, and the certificate it shows itself. */
export class Certificates {
  readonly #file: string;
  readonly #authority: Authority;
  #identity: Identity;

  /** Reads the authority and the server's identity, which is renewed where it has grown old. */
  static async open(files: Pick<ServerFiles, "authority" | "identity">): Promise<Certificates> {
    const authority = await loadAuthority(files.authority);
    const identity = await loadIdentity(files.identity);
    const certificates = new Certificates(files.identity, authority, identity);
    await certificates.refresh();
    return certificates;
  }

  private constructor(file: string, authority: Authority, identity: Identity) {
    this.#file = file;
    this.#authority = authority;
    this.#identity = identity;
  }

  /** What the server shows. */
  get identity(): Identity {
    return this.#identity;
  }

  get organisation(): string {
    return this.#authority.organisation;
  }

  /** What devices compare when they enrol: of the authority's certificate. */
  get fingerprint(): string {
    return fingerprintOf(this.#authority.certificateDer);
  }

  /** Renews the server's own certificate where it has grown old; says whether it has. */
  async refresh(): Promise<boolean> {
    const nowS = Math.floor(Date.now() / 1_000);
    if (!isDueForRenewal(this.#identity.certificateDer, nowS)) return false;
    const { requestDer } = await createSigningRequest(this.#identity.privateKeyPem);
    const issued = await issueServerCertificate(this.#authority, requestDer, nowS);
    if (!issued.ok) throw new OperatorError(issued.error.code, issued.error.reason);
    this.#identity = { ...this.#identity, certificateDer: issued.value.certificateDer };
    await saveIdentity(this.#file, this.#identity);
    return true;
  }

  /** A new key, and a certificate for a web server of these names, with the authority's above it. */
  async issueWeb(
    names: readonly string[],
  ): Promise<{ readonly cert: string; readonly key: string }> {
    const { privateKeyPem, requestDer } = await createSigningRequest();
    const nowS = Math.floor(Date.now() / 1_000);
    const issued = await issueWebCertificate(this.#authority, requestDer, names, nowS);
    if (!issued.ok) throw new OperatorError(issued.error.code, issued.error.reason);
    const chain = [issued.value.certificateDer, this.#authority.certificateDer];
    const cert = chain.map((der) => new X509Certificate(der).toString()).join("");
    return { cert, key: privateKeyPem };
  }

  /** Whether a certificate of `issueWeb` has grown old. */
  isWebDue(cert: string): boolean {
    const { raw } = new X509Certificate(cert);
    return isDueForRenewal(raw, Math.floor(Date.now() / 1_000));
  }

  /** Decides about a request for an identity. */
  enrol(securityKeys: SecurityKeys, request: EnrolmentRequest): Promise<EnrolmentOutcome> {
    const parts = { securityKeys, authority: this.#authority };
    return decideEnrolment(parts, request, Date.now());
  }

  /** The next certificate of a device that has shown its present one, or why it gets none. */
  async renew(deviceId: DeviceId, request: Uint8Array): Promise<Renewed | Refused> {
    const nowS = Math.floor(Date.now() / 1_000);
    const issued = await issueDeviceCertificate(this.#authority, request, deviceId, nowS);
    return issued.ok
      ? { kind: "renewed", certificate: issued.value.certificateDer }
      : { kind: "refused", ...issued.error };
  }
}
