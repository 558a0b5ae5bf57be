import type { BranchCacheCrypto, HashName } from "./crypto.ts";

/** How a version of content information hashes: with what, and how much of it is kept. */
export type HashScheme = {
  readonly hash: HashName;
  /** The length of a digest as it is written: of SHA-512 version 2 keeps the first half. */
  readonly digestBytes: number;
};

/** Version 1 as everybody speaks it (MS-PCCRC 2.1). */
export const SCHEME_V1: HashScheme = { hash: "sha256", digestBytes: 32 };

/** Version 2: SHA-512 of which the first 32 bytes are kept (MS-PCCRC 2.1). */
export const SCHEME_V2: HashScheme = { hash: "sha512", digestBytes: 32 };

/** Version 1 with one of the hashes it allows. */
export function schemeV1(hash: HashName): HashScheme {
  return { hash, digestBytes: { sha256: 32, sha384: 48, sha512: 64 }[hash] };
}

/** Hashes as the scheme has it. */
export function digest(
  crypto: BranchCacheCrypto,
  scheme: HashScheme,
  bytes: Uint8Array,
): Uint8Array {
  return crypto.hash(scheme.hash, bytes).subarray(0, scheme.digestBytes);
}
