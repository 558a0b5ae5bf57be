/** One millisecond, in microseconds. */
export const MS = 1_000;

/** One second, in microseconds. */
export const SECOND = 1_000_000;

/** One kibibyte, in bytes. */
export const KIB = 1_024;

/** One mebibyte, in bytes. */
export const MIB: number = 1_024 * KIB;

/** One gibibyte, in bytes. */
export const GIB: number = 1_024 * MIB;
