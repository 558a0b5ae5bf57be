import { createECDH, createPrivateKey, hash, randomBytes } from "node:crypto";
import { DEVICE_ID_BYTES, deviceIdOf } from "../base/ids.ts";
import { invariant } from "../base/invariant.ts";
import { createAuthority, issueDeviceCertificate } from "../runtime/identity/authority.ts";
import type { Identity } from "../runtime/identity/identity.ts";
import { createSigningRequest } from "../runtime/identity/keys.ts";

const ORGANISATION = "Branchline netperf";

/**
 * Who one end of a line test is: a device of an organisation that both ends make from the same
 * word. It proves that both were told the word, and opens nothing else.
 */
export async function testIdentity(word: string, nowS: number): Promise<Identity> {
  const authority = await createAuthority(ORGANISATION, nowS, authorityKey(word));
  const deviceId = deviceIdOf(randomBytes(DEVICE_ID_BYTES));
  invariant(deviceId !== undefined, "so many bytes are a device id");
  const { privateKeyPem, requestDer } = await createSigningRequest();
  const issued = await issueDeviceCertificate(authority, requestDer, deviceId, nowS);
  invariant(issued.ok, "our own request is sound");
  const { certificateDer } = issued.value;
  return { privateKeyPem, certificateDer, authorityDer: authority.certificateDer };
}

/** A key on the curve P-256 that follows from a word. */
function authorityKey(word: string): string {
  const pair = createECDH("prime256v1");
  // One scalar in 2^32 is not on the curve, and no word that anybody chooses hits it.
  const secret = hash("sha256", `branchline netperf authority\n${word}`, "buffer");
  pair.setPrivateKey(secret);
  const point = pair.getPublicKey();
  const part = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64url");
  const key = {
    kty: "EC",
    crv: "P-256",
    d: part(secret),
    x: part(point.subarray(1, 33)),
    y: part(point.subarray(33)),
  };
  const privateKey = createPrivateKey({ key, format: "jwk" });
  return privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}
