import type { DeviceId } from "../../src/base/ids.ts";

/** How many devices share an office, and so an address. */
export const OFFICE_DEVICES = 20;

/** Where the server is, and the Central Office around it. */
export const SERVER_HOST = "127.41.0.1";
export const CENTRAL = { name: "Central", type: "default", subnets: ["127.41.0.0/24"] };

/** The one port of the server. */
export const SERVER_PORT = 34_977;

/** The office of a number, below the Central Office. */
export function officeAt(number: number) {
  return {
    name: `Office ${number}`,
    parent: CENTRAL.name,
    type: "default",
    subnets: [`${hostAt(number)}/32`],
  };
}

/** The address of an office's devices. */
export function hostAt(office: number): string {
  return `127.42.${office >> 8}.${office & 255}`;
}

/** The id of a simulated device. */
export function deviceAt(index: number): DeviceId {
  return index.toString(16).padStart(32, "0") as DeviceId;
}
