import { SERVER_ROUTES } from "../../src/api/server-routes.ts";
import type { Machine, Organisation } from "./organisation.ts";

/** The office that the server has a device in; empty where it has none. */
export async function officeOf(organisation: Organisation, device: Machine): Promise<string> {
  const control = await organisation.control(organisation.server);
  const { devices } = await control(SERVER_ROUTES.listDevices);
  return devices.find(({ deviceId }) => deviceId === device.deviceId)?.office ?? "";
}
