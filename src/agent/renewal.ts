import type { PeerEvent } from "../peer/contract.ts";
import type { Identity } from "../runtime/identity/identity.ts";
import { saveIdentity } from "../runtime/identity/identity-file.ts";
import { createSigningRequest } from "../runtime/identity/keys.ts";
import { isDueForRenewal } from "../runtime/identity/lifetime.ts";

/** How often the certificate's age is looked at, in milliseconds. */
const CHECK_MS = 3_600_000;

/** Keeps the device's certificate fresh: asks for the next one in time, and takes it on. */
export class Renewal {
  readonly #options: RenewalOptions;
  readonly #timer: NodeJS.Timeout;
  #identity: Identity;

  constructor(identity: Identity, options: RenewalOptions) {
    this.#identity = identity;
    this.#options = options;
    this.#timer = setInterval(() => void this.#ask(), CHECK_MS);
  }

  /** Ends the looking. */
  close(): void {
    clearInterval(this.#timer);
  }

  onEvent(event: PeerEvent): void {
    if (event.kind === "server-connected") void this.#ask();
    if (event.kind === "certificate-issued") void this.#takeOn(event.certificate.slice());
  }

  async #ask(): Promise<void> {
    const { wallS, request } = this.#options;
    if (!isDueForRenewal(this.#identity.certificateDer, wallS())) return;
    // The same key: the certificate that proves it now is the one that vouches for the next.
    const { requestDer } = await createSigningRequest(this.#identity.privateKeyPem);
    request(requestDer);
  }

  async #takeOn(certificateDer: Uint8Array): Promise<void> {
    const next = { ...this.#identity, certificateDer };
    try {
      await saveIdentity(this.#options.file, next);
    } catch (error) {
      this.#options.onFault(error);
      return;
    }
    this.#identity = next;
    this.#options.adopt(next);
  }
}

/** What renewing needs. */
export type RenewalOptions = {
  /** Where the identity is kept. */
  readonly file: string;
  readonly wallS: () => number;
  /** Sends a request to the server. */
  readonly request: (requestDer: Uint8Array) => void;
  /** Has handshakes show the new certificate from now on. */
  readonly adopt: (identity: Identity) => void;
  readonly onFault: (error: unknown) => void;
};
