import { X509Certificate } from "node:crypto";

/** How long before its end a certificate is renewed: from the tenth of its thirty days. */
const RENEW_BEFORE_S = 20 * 86_400;

/** Whether a certificate is old enough to be renewed. */
export function isDueForRenewal(certificateDer: Uint8Array, wallS: number): boolean {
  const notAfterS = new X509Certificate(certificateDer).validToDate.getTime() / 1_000;
  return wallS >= notAfterS - RENEW_BEFORE_S;
}
