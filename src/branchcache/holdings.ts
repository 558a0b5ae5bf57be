import type { BlockCipher } from "./retrieval-message.ts";

/** What is held of a segment, as it stands now. */
export type HeldSegment = {
  readonly version: 1 | 2;
  readonly lengthBytes: number;
  readonly blockSizeBytes: number;
  readonly blockCount: number;
  readonly heldBlocks: number;
  /** How long ago the segment came to be in the first cache that had it. */
  ageUs(nowUs: number): number;
  has(blockIndex: number): boolean;
  /** Whether its blocks were checked against their hashes; else they are passed on as they came. */
  readonly isVerified: boolean;
  /** How many others said that they have it, when it was fetched (PD12). */
  readonly others: { readonly any: number; readonly complete: number };
};

/** The segments that a cache holds, by their ids in lower-case hexadecimal digits. */
export type Holdings = {
  holdingOf(segmentId: string): HeldSegment | undefined;
};

/** A block as a cache gives it. */
export type StoredBlock =
  | {
      readonly kind: "plain";
      readonly bytes: Uint8Array;
      /** Kp. */
      readonly secret: Uint8Array;
    }
  | {
      /** As it came from somebody, with a key that we do not have. */
      readonly kind: "sealed";
      readonly cipher: BlockCipher;
      readonly bytes: Uint8Array;
      readonly iv: Uint8Array;
    };

/** Where somebody serves segments. */
export type Place = { readonly host: string; readonly port: number };

/** A place in one text, to compare and to look up. */
export function placeText({ host, port }: Place): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
