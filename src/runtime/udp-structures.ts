/** How 64-bit Linux lays out what it is told of datagrams: sizes and places in bytes. */

/** `struct mmsghdr`: a message's name, vectors, control data and flags, and how long it was. */
export const MESSAGE_BYTES = 64;
export const NAME_AT = 0;
export const NAME_LENGTH_AT = 8;
export const VECTOR_AT = 16;
export const VECTOR_COUNT_AT = 24;
export const CONTROL_AT = 32;
export const CONTROL_LENGTH_AT = 40;
export const FLAGS_AT = 48;
export const LENGTH_AT = 56;

/** `struct cmsghdr` with a `struct timespec`: the header's level and type, then the time. */
export const STAMP_BYTES = 32;
export const STAMP_LEVEL_AT = 8;
export const STAMP_TYPE_AT = 12;
export const STAMP_AT = 16;

/** `SOL_SOCKET`, and the option and type of message that give each arrival's time. */
export const SOL_SOCKET = 1;
export const SO_TIMESTAMPNS = 35;

/** `struct iovec`: where bytes are, and how many. */
export const VECTOR_BYTES = 16;
export const VECTOR_LENGTH_AT = 8;

/** The families of addresses. */
export const AF = { 4: 2, 6: 10 } as const;

export const MSG_DONTWAIT = 0x40;
export const MSG_TRUNC = 0x20;

/** Writes an address of the machine's memory. */
export function setPointer(view: DataView, at: number, address: number): void {
  view.setUint32(at, address % 0x1_00_00_00_00, true);
  view.setUint32(at + 4, Math.floor(address / 0x1_00_00_00_00), true);
}
