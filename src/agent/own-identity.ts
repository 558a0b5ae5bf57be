import { certificateFacts } from "../runtime/identity/certificate-facts.ts";
import type { Identity } from "../runtime/identity/identity.ts";
import { loadIdentity } from "../runtime/identity/identity-file.ts";
import {
  type AgentFiles,
  type EnrolmentRecord,
  loadEnrolment,
  saveEnrolment,
} from "./enrolment-file.ts";
import { machineIdOf } from "./machine-id.ts";
import type { AgentSettings } from "./settings.ts";

/** Who this device is, as it keeps it in its files. */
export type OwnIdentity = {
  readonly identity: Identity;
  readonly enrolment: EnrolmentRecord;
  readonly machineId: string;
};

/**
 * Reads who this device is. Where a crash came while it got another identity, the certificate
 * counts, and the record beside it is mended.
 *
 * @throws OperatorError as `loadEnrolment` and `loadIdentity` do.
 */
export async function loadOwnIdentity(
  settings: AgentSettings,
  files: AgentFiles,
): Promise<OwnIdentity> {
  const kept = await loadEnrolment(files.enrolment);
  const identity = await loadIdentity(files.identity);
  const machineId = await machineIdOf(settings, kept.machineId ?? kept.deviceId);
  const shown = certificateFacts(identity.certificateDer, identity.authorityDer);
  const deviceId = shown.kind === "certificate" ? shown.facts.id : kept.deviceId;
  if (deviceId === kept.deviceId) return { identity, enrolment: kept, machineId };
  const enrolment = { ...kept, deviceId, machineId };
  await saveEnrolment(files.enrolment, enrolment);
  return { identity, enrolment, machineId };
}
