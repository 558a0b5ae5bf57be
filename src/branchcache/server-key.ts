import { concat, equalSecrets } from "../base/bytes.ts";
import { AES_BLOCK_BYTES, type BranchCacheCrypto, padPkcs7, unpadPkcs7 } from "./crypto.ts";
import { serverSecret, utf16le } from "./derivation.ts";
import { SCHEME_V1 } from "./scheme.ts";

/**
 * Writes a server's secret key as `netsh branchcache exportkey` does, so that all servers of a farm
 * can have the same (MS-PCCRC appendix; CI13).
 *
 * @param secretKey - K, of any length.
 */
export function exportServerKey(
  crypto: BranchCacheCrypto,
  secretKey: Uint8Array,
  passphrase: string,
): Uint8Array {
  const plaintext = concat([serverSecret(crypto, SCHEME_V1, secretKey), secretKey]);
  return crypto.encryptCbc(fileKey(crypto, passphrase), NO_IV, padPkcs7(plaintext));
}

/** Reads such a file; `undefined` where it is none, or the passphrase is another one. */
export function importServerKey(
  crypto: BranchCacheCrypto,
  file: Uint8Array,
  passphrase: string,
): Uint8Array | undefined {
  const isPossible = file.length % AES_BLOCK_BYTES === 0 && file.length <= FILE_BYTES_MAX;
  if (!isPossible || file.length === 0) return undefined;
  const padded = crypto.decryptCbc(fileKey(crypto, passphrase), NO_IV, file);
  const plaintext = unpadPkcs7(padded);
  if (plaintext === undefined || plaintext.length <= SCHEME_V1.digestBytes) return undefined;
  const secretKey = plaintext.slice(SCHEME_V1.digestBytes);
  const wanted = plaintext.subarray(0, SCHEME_V1.digestBytes);
  return equalSecrets(serverSecret(crypto, SCHEME_V1, secretKey), wanted) ? secretKey : undefined;
}

/** A passphrase of thousands of letters is nobody's. */
const FILE_BYTES_MAX = 65_536;

const NO_IV: Uint8Array = new Uint8Array(AES_BLOCK_BYTES);

function fileKey(crypto: BranchCacheCrypto, passphrase: string): Uint8Array {
  return crypto.hash("sha256", utf16le(passphrase));
}
