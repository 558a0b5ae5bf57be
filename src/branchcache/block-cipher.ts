import { AES_BLOCK_BYTES, type BranchCacheCrypto, padPkcs7 } from "./crypto.ts";
import type { BlockCipher } from "./retrieval-message.ts";

/** A block as it travels. */
export type SealedBlock = {
  readonly cipher: BlockCipher;
  readonly block: Uint8Array;
  readonly iv: Uint8Array;
};

/**
 * Encrypts a block for who knows its segment's secret (MS-PCCRR 3.2.5; RR8).
 *
 * @param secret - Kp, whose first bytes are the key.
 */
export function sealBlock(
  crypto: BranchCacheCrypto,
  cipher: BlockCipher,
  secret: Uint8Array,
  plaintext: Uint8Array,
): SealedBlock {
  if (cipher === "none") return { cipher, block: plaintext, iv: NO_BYTES };
  const iv = crypto.randomBytes(AES_BLOCK_BYTES);
  const key = secret.subarray(0, KEY_BYTES[cipher]);
  return { cipher, iv, block: crypto.encryptCbc(key, iv, padPkcs7(plaintext)) };
}

/**
 * Decrypts a block (RR9). What it is padded with is ignored: clients in the field pad with zeros or
 * as PKCS#7 has it, and the block's hash is checked anyway.
 *
 * @param lengthBytes - How long the block is.
 * @returns `undefined` where it cannot be so long.
 */
export function openBlock(
  crypto: BranchCacheCrypto,
  sealed: SealedBlock,
  secret: Uint8Array,
  lengthBytes: number,
): Uint8Array | undefined {
  const { cipher, block, iv } = sealed;
  if (block.length < lengthBytes || block.length > lengthBytes + AES_BLOCK_BYTES) return undefined;
  if (cipher === "none") return block.length === lengthBytes ? block : undefined;
  if (iv.length !== AES_BLOCK_BYTES || block.length % AES_BLOCK_BYTES !== 0) return undefined;
  const key = secret.subarray(0, KEY_BYTES[cipher]);
  return crypto.decryptCbc(key, iv, block).subarray(0, lengthBytes);
}

const KEY_BYTES = { "aes-128": 16, "aes-192": 24, "aes-256": 32 } as const;

const NO_BYTES: Uint8Array = new Uint8Array(0);
