import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type webcrypto,
} from "node:crypto";

/** A request for a certificate, and the key whose holder it proves. */
export type SigningRequest = {
  /** PKCS #8. */
  readonly privateKeyPem: string;
  /** PKCS #10 (RFC 2986). */
  readonly requestDer: Uint8Array;
};

/** How all our certificates and requests are signed. */
export const SIGNATURE = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

/** Makes an ECDSA key on the curve P-256, as PKCS #8. */
export function createPrivateKeyPem(): string {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  return privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}

/**
 * Makes a request for a certificate. It names nobody: who its holder is, the server decides.
 *
 * @param privateKeyPem - The key to prove again when a certificate is renewed; by default a new one.
 */
export async function createSigningRequest(
  privateKeyPem: string = createPrivateKeyPem(),
): Promise<SigningRequest> {
  // Two hundred modules, which every agent would load at its start and needs once in ten days.
  await import("reflect-metadata");
  const { Pkcs10CertificateRequestGenerator } = await import("@peculiar/x509");
  const request = await Pkcs10CertificateRequestGenerator.create({
    keys: keyPairOf(privateKeyPem),
    signingAlgorithm: SIGNATURE,
  });
  return { privateKeyPem, requestDer: new Uint8Array(request.rawData) };
}

/** The two halves of a key in the form that `@peculiar/x509` takes. */
export function keyPairOf(privateKeyPem: string): webcrypto.CryptoKeyPair {
  const privateKey = createPrivateKey(privateKeyPem);
  const publicKey = createPublicKey(privateKey);
  return {
    privateKey: privateKey.toCryptoKey(SIGNATURE, false, ["sign"]),
    publicKey: publicKey.toCryptoKey(SIGNATURE, true, ["verify"]),
  };
}
