import { DEVICE_ID_BYTES, type DeviceId, deviceIdOf } from "../base/ids.ts";
import { invariant } from "../base/invariant.ts";
import { NO_FACTS } from "../topology/election.ts";
import type { Enrol, EnrolAnew } from "../wire/messages.ts";
import type { Parts } from "./commands.ts";
import type { CoordinatorOutbox, EnrolmentOutcome } from "./contract.ts";
import { canonicalHosts, HOST_NAME_LENGTH_MAX, type Now } from "./roster.ts";
import type { DeviceRow } from "./state.ts";
import { plainText } from "./text.ts";

/** Somebody whose request for an identity is being decided. */
type Applicant = {
  readonly deviceId: DeviceId;
  readonly hostName: string;
  readonly machineId: string;
  readonly host: string;
  /** The identity that this one is to take the place of. */
  readonly former?: DeviceId;
};

/** Gives identities: to strangers with a security key, and to machines that share one. */
export class Enrolments {
  readonly #parts: Parts;
  readonly #applicants = new Map<number, Applicant>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Takes in the request of somebody without a certificate. */
  onEnrol(association: number, host: string, message: Enrol, outbox: CoordinatorOutbox): void {
    const { securityKey, request } = message;
    const applicant = this.#apply(association, host, message, outbox);
    if (applicant === undefined) return;
    outbox.requestEnrolment(association, { ...applicant, securityKey, request });
  }

  /** Takes in the request of a machine whose identity was taken back. */
  onEnrolAnew(
    association: number,
    former: DeviceId,
    { host, message }: { readonly host: string; readonly message: EnrolAnew },
    outbox: CoordinatorOutbox,
  ): void {
    const { request } = message;
    const applicant = this.#apply(association, host, message, outbox);
    if (applicant === undefined) return;
    if (!this.#parts.clones.mayGive(former)) {
      this.#applicants.delete(association);
      outbox.send(association, { kind: "refused", ...TOO_MANY });
      return;
    }
    this.#applicants.set(association, { ...applicant, former });
    outbox.requestEnrolment(association, { ...applicant, request });
  }

  /** Takes in what became of a request. */
  onDecided(
    association: number,
    outcome: EnrolmentOutcome,
    now: Now,
    outbox: CoordinatorOutbox,
  ): void {
    const applicant = this.#applicants.get(association);
    // Gone before it was decided: nobody has the certificate, so there is no device.
    if (applicant === undefined) return;
    this.#applicants.delete(association);
    if (outcome.kind === "refused") {
      outbox.send(association, outcome);
      return;
    }
    this.#noteKnown(applicant, outbox);
    const { roster } = this.#parts;
    const device = rowOf(applicant, now);
    const where = { hosts: [], seenHost: device.seenHost, witnesses: [] };
    const office = roster.offices.place(where, () => undefined);
    roster.enrol({ ...device, office }, outbox);
    outbox.send(association, { ...outcome, deviceId: device.deviceId });
  }

  forget(association: number): void {
    this.#applicants.delete(association);
  }

  #apply(
    association: number,
    host: string,
    said: Pick<Enrol, "hostName" | "machineId">,
    outbox: CoordinatorOutbox,
  ): Applicant | undefined {
    if (this.#applicants.has(association)) {
      const reason = "The request before this one is not decided yet: wait for its answer.";
      outbox.send(association, { kind: "refused", code: "enrolment-busy", reason });
      return undefined;
    }
    // The server chooses the id: what a device could choose, it could also claim.
    const deviceId = deviceIdOf(this.#parts.randomBytes(DEVICE_ID_BYTES));
    invariant(deviceId !== undefined, "sixteen random bytes are a device id");
    const applicant = {
      deviceId,
      hostName: plainText(said.hostName, HOST_NAME_LENGTH_MAX),
      machineId: plainText(said.machineId, 256),
      host: canonicalHosts([host])[0] ?? "",
    };
    this.#applicants.set(association, applicant);
    return applicant;
  }

  /** A machine that is enrolled already, as after its disk was lost, leaves its old row behind. */
  #noteKnown(
    { deviceId, hostName, machineId, former }: Applicant,
    outbox: CoordinatorOutbox,
  ): void {
    if (former !== undefined) {
      outbox.note({ level: "info", event: "device-enrolled-anew", fields: { deviceId, former } });
      return;
    }
    const { roster } = this.#parts;
    const known = roster
      .active()
      .find((row) => row.machineId === machineId && row.hostName === hostName);
    if (known === undefined || machineId === "" || roster.isPresent(known.deviceId)) return;
    const fields = { deviceId, hostName, earlier: known.deviceId };
    outbox.note({ level: "info", event: "machine-enrolled-again", fields });
  }
}

function rowOf(applicant: Applicant, now: Now): DeviceRow {
  const { deviceId, hostName, machineId, host } = applicant;
  return {
    deviceId,
    hostName,
    machineId,
    office: "",
    hosts: [],
    seenHost: host,
    portOffset: 0,
    facts: NO_FACTS,
    attributes: [],
    productVersion: "",
    enrolledAtMs: now.wallMs,
    lastSeenAtMs: now.wallMs,
  };
}

const TOO_MANY = {
  code: "too-many-clones",
  reason:
    "Too many machines have asked for an identity in place of this one: enrol each with a " +
    "security key, by branchline agent enrol.",
} as const;
