import type { AgentContentView as Own } from "../../src/api/agent-schemas.ts";
import type { DeploymentDevice } from "../../src/api/deployment-schemas.ts";
import { SERVER_ROUTES } from "../../src/api/server-routes.ts";
import type { Distribution } from "./distribution.ts";
import type { Machine, Organisation } from "./organisation.ts";

/** The office that the server has a device in; empty where it has none. */
export async function officeOf(organisation: Organisation, device: Machine): Promise<string> {
  const control = await organisation.control(organisation.server);
  const { devices } = await control(SERVER_ROUTES.listDevices);
  return devices.find(({ deviceId }) => deviceId === device.deviceId)?.office ?? "";
}

/**
 * What the server says otherwise than the devices, a sentence each: of how far they are, and of
 * what they hold. Every device must be there and have it all.
 */
export async function differencesOf(
  organisation: Organisation,
  distributions: readonly Distribution[],
): Promise<readonly string[]> {
  const found: string[] = [];
  for (const { content, deploymentId } of distributions) {
    const { devices, offices } = await organisation.deployment(deploymentId);
    for (const device of organisation.devices) {
      const said = devices.find(({ deviceId }) => deviceId === device.deviceId);
      const own = await organisation.contentOn(device, content.contentId);
      found.push(...saidOtherwise(`${content.name} on ${device.name}`, { said, own }));
    }
    for (const { office, wanBytes } of offices) {
      const members = devices.filter((device) => device.office === office);
      const bytes = members.reduce((sum, { wanInBytes }) => sum + wanInBytes, 0);
      if (bytes === wanBytes) continue;
      found.push(`${content.name} in ${office}: the ledger has ${wanBytes}, the devices ${bytes}`);
    }
  }
  return found;
}

function saidOtherwise(
  name: string,
  { said, own }: { readonly said: DeploymentDevice | undefined; readonly own: Own | undefined },
): string[] {
  const found: string[] = [];
  if (said?.present !== true) found.push(`${name}: the device is not present`);
  if (own?.state !== "complete") found.push(`${name} is ${own?.state}`);
  for (const what of ["state", "piecesHeld", "heldBytes"] as const) {
    if (said?.[what] === own?.[what]) continue;
    found.push(`${name}: ${what} is ${own?.[what]}, the server says ${said?.[what]}`);
  }
  return found;
}
