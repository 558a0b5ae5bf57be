import type { PeerEvent } from "../peer/contract.ts";
import type { Identity } from "../runtime/identity/identity.ts";
import { saveIdentity } from "../runtime/identity/identity-file.ts";
import { createSigningRequest, type SigningRequest } from "../runtime/identity/keys.ts";
import { type AgentFiles, type EnrolmentRecord, saveEnrolment } from "./enrolment-file.ts";

/** What a new identity needs. */
export type ReidentificationOptions = {
  readonly files: Pick<AgentFiles, "identity" | "enrolment">;
  readonly identity: Identity;
  readonly enrolment: EnrolmentRecord;
  /** What this machine is called now. */
  readonly machineId: string;
  /** Asks the server for an identity of the device's own. */
  readonly request: (requestDer: Uint8Array) => void;
  /** The new identity is kept: the program begins anew with it. */
  readonly onNewIdentity: () => void;
  readonly onFault: (error: unknown) => void;
};

/**
 * Gives a device that shares its identity with another machine one of its own. That it does, the
 * server says, which sees both; or the device itself, where it enrolled on another machine.
 */
export class Reidentification {
  readonly #options: ReidentificationOptions;
  /** The key of the new identity, as long as there is no certificate for it. */
  #pending: Promise<SigningRequest> | undefined;

  constructor(options: ReidentificationOptions) {
    this.#options = options;
  }

  onEvent(event: PeerEvent): void {
    const { enrolment, machineId, onFault } = this.#options;
    const moved = enrolment.machineId !== undefined && enrolment.machineId !== machineId;
    if (event.kind === "identity-cloned" || (event.kind === "server-connected" && moved)) {
      this.#ask().catch(onFault);
    }
    if (event.kind === "identity-issued") {
      this.#takeOn(event.deviceId, event.certificate.slice()).catch(onFault);
    }
  }

  async #ask(): Promise<void> {
    // One key, however often it is asked for: an answer may have been lost on its way.
    this.#pending ??= createSigningRequest();
    const { requestDer } = await this.#pending;
    this.#options.request(requestDer);
  }

  async #takeOn(deviceId: string, certificateDer: Uint8Array): Promise<void> {
    const pending = await this.#pending;
    if (pending === undefined) return;
    const { files, identity, enrolment, machineId, onNewIdentity } = this.#options;
    const { authorityDer } = identity;
    const { privateKeyPem } = pending;
    // After a crash between the two, the certificate says whose the enrolment is.
    await saveIdentity(files.identity, { privateKeyPem, certificateDer, authorityDer });
    await saveEnrolment(files.enrolment, { ...enrolment, deviceId, machineId });
    onNewIdentity();
  }
}
