import { agentFiles } from "../../src/agent/enrolment-file.ts";
import { parseDeviceId } from "../../src/base/ids.ts";
import { issueDeviceCertificate } from "../../src/runtime/identity/authority.ts";
import {
  loadAuthority,
  loadIdentity,
  saveIdentity,
} from "../../src/runtime/identity/identity-file.ts";
import { createSigningRequest } from "../../src/runtime/identity/keys.ts";
import { OperatorError } from "../../src/runtime/operator-error.ts";
import { serverFiles } from "../../src/server/files.ts";
import type { Machine, Organisation } from "./organisation.ts";

/** How long certificates hold, in seconds. */
const LIFE_S = 30 * 86_400;

/**
 * Gives a device that does not run a certificate whose time is over: its key, the organisation's
 * authority, and an end so long ago.
 */
export async function expireCertificate(
  organisation: Organisation,
  device: Machine,
  agoS: number,
): Promise<void> {
  const file = agentFiles(device.data).identity;
  const identity = await loadIdentity(file);
  const authority = await loadAuthority(serverFiles(organisation.server.data).authority);
  const { requestDer } = await createSigningRequest(identity.privateKeyPem);
  const nowS = Math.floor(Date.now() / 1000);
  const deviceId = parseDeviceId(device.deviceId);
  const validity = { notBeforeS: nowS - agoS - LIFE_S, notAfterS: nowS - agoS };
  const issued =
    deviceId && (await issueDeviceCertificate(authority, requestDer, deviceId, nowS, validity));
  if (issued?.ok !== true) {
    throw new OperatorError("bench-plan", `No certificate for ${device.name} was issued.`);
  }
  await saveIdentity(file, { ...identity, certificateDer: issued.value.certificateDer });
}
