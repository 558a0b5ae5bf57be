import { fromHex, toHex } from "./hex.ts";

declare const brand: unique symbol;

/** The id the server gave a device when it enrolled: 32 lower-case hexadecimal digits. */
export type DeviceId = string & { readonly [brand]: "DeviceId" };

/** SHA-256 of a manifest's body, as 64 lower-case hexadecimal digits. It is also the capability. */
export type ContentId = string & { readonly [brand]: "ContentId" };

/** Length of a content id, in bytes. */
export const CONTENT_ID_BYTES = 32;

/** Length of a device id, in bytes. */
export const DEVICE_ID_BYTES = 16;

/** Reads a device id, refusing anything but 32 lower-case hexadecimal digits. */
export function parseDeviceId(text: string): DeviceId | undefined {
  return /^[0-9a-f]{32}$/.test(text) ? (text as DeviceId) : undefined;
}

/** Reads a content id, refusing anything but 64 lower-case hexadecimal digits. */
export function parseContentId(text: string): ContentId | undefined {
  return /^[0-9a-f]{64}$/.test(text) ? (text as ContentId) : undefined;
}

/** The content id whose 32 bytes these are; `undefined` for any other length. */
export function contentIdOf(bytes: Uint8Array): ContentId | undefined {
  return bytes.length === CONTENT_ID_BYTES ? parseContentId(toHex(bytes)) : undefined;
}

/** The 32 bytes of a content id. */
export function contentIdBytes(id: ContentId): Uint8Array {
  return fromHex(id) ?? new Uint8Array(CONTENT_ID_BYTES);
}

/** The device id whose 16 bytes these are; `undefined` for any other length. */
export function deviceIdOf(bytes: Uint8Array): DeviceId | undefined {
  return bytes.length === DEVICE_ID_BYTES ? parseDeviceId(toHex(bytes)) : undefined;
}

/** The 16 bytes of a device id. */
export function deviceIdBytes(id: DeviceId): Uint8Array {
  return fromHex(id) ?? new Uint8Array(DEVICE_ID_BYTES);
}
