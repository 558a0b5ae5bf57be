import { parseDeviceId } from "../base/ids.ts";
import type { Parts } from "./commands.ts";
import { type Answer, refused } from "./contract.ts";

/** Why offices and groups that an operator names cannot be meant; `undefined` where all are there. */
export function judgePlaces(
  { roster, groups }: Parts,
  named: { readonly offices: readonly string[]; readonly groups: readonly string[] },
): Answer | undefined {
  const office = named.offices.find((name) => !roster.offices.has(name));
  if (office !== undefined) {
    return refused("office-unknown", `There is no office "${office}": check its name.`);
  }
  const group = named.groups.find((name) => groups.get(name) === undefined);
  if (group === undefined) return undefined;
  return refused("group-unknown", `There is no group "${group}": create it first.`);
}

/** The same of devices, which must be enrolled and not retired. */
export function judgeDevices({ roster }: Parts, devices: readonly string[]): Answer | undefined {
  const device = devices.find((text) => {
    const deviceId = parseDeviceId(text);
    const row = deviceId === undefined ? undefined : roster.device(deviceId);
    return row === undefined || row.retiredAtMs !== undefined;
  });
  if (device === undefined) return undefined;
  return refused("device-unknown", `No device ${device} is enrolled: check its id.`);
}
