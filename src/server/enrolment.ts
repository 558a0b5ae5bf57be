import type { EnrolmentOutcome, EnrolmentRequest } from "../coordinator/contract.ts";
import { type Authority, issueDeviceCertificate } from "../runtime/identity/authority.ts";
import type { SecurityKeys } from "./security-keys.ts";

/**
 * Decides about a request for an identity: the key first, because a certificate costs more. One
 * without a key comes from a device whose certificate speaks for it.
 */
export async function decideEnrolment(
  {
    securityKeys,
    authority,
  }: { readonly securityKeys: SecurityKeys; readonly authority: Authority },
  request: EnrolmentRequest,
  nowMs: number,
): Promise<EnrolmentOutcome> {
  const { securityKey } = request;
  const refusal =
    securityKey === undefined ? undefined : await securityKeys.judge(securityKey, nowMs);
  if (refusal !== undefined) return { kind: "refused", ...refusal };
  const nowS = Math.floor(nowMs / 1_000);
  const issued = await issueDeviceCertificate(authority, request.request, request.deviceId, nowS);
  if (!issued.ok) return { kind: "refused", ...issued.error };
  // A request that was not good costs no use of the key.
  const spent =
    securityKey === undefined ? undefined : await securityKeys.spend(securityKey, nowMs);
  if (spent !== undefined) return { kind: "refused", ...spent };
  return {
    kind: "enrolled",
    certificate: issued.value.certificateDer,
    authority: authority.certificateDer,
    organisation: authority.organisation,
  };
}
