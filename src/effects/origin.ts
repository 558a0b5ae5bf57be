/**
 * Ranges of packages from a CDN or from file storage (row B12), as an effect.
 *
 * A package lies at an origin as one file, the complete transfer, under a name that whoever knows
 * the content id can compute and nobody else can turn into the id.
 */

/** What of a package is wanted, and where. */
export type OriginRange = {
  /** The origin, as policy says it: an HTTP(S) address or a directory. */
  readonly location: string;
  /** The package's name there. */
  readonly name: string;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  /** How long the whole package is: what an origin says of it must agree. */
  readonly totalBytes: number;
};

/** Why an origin did not bring a range. */
export type OriginFault =
  /** It does not have the package. */
  | "absent"
  /** It cannot be reached, or asks for rights that the device has not. */
  | "unreachable"
  /** It answers with the whole package, whatever range is asked for. */
  | "ignores-ranges"
  /** It says another length than the package has, or sends more or less than was asked for. */
  | "wrong-length"
  /** It stopped in the middle. */
  | "broken-off";

/** What an origin's answers are told as; each ticket is answered once. */
export type OriginInput =
  | { readonly kind: "range-fetched"; readonly ticket: number; readonly bytes: Uint8Array }
  | {
      readonly kind: "range-failed";
      readonly ticket: number;
      readonly fault: OriginFault;
      /** A sentence for the operator. */
      readonly problem: string;
    };

/** What a machine may ask of origins. */
export type OriginOutbox = {
  fetchRange(ticket: number, range: OriginRange): void;
};
