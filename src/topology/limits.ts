/** Most offices between a device and the Central Office, both counted. */
export const OFFICE_DEPTH_MAX = 32;

/** Most characters of an office's name. */
export const OFFICE_NAME_LENGTH_MAX = 64;

/** The name under which devices are shown that no office claims; no office may have it. */
export const NO_OFFICE = "(none)";
