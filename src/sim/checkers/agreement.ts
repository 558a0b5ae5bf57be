import type { DeploymentStanding, DeviceStanding } from "../../coordinator/views.ts";
import type { SimDevice } from "../device.ts";
import { shouldHave } from "../reference.ts";
import type { Scene } from "../scene.ts";
import type { Checker, CheckerParts } from "./checker.ts";

/** What somebody still lacks, a sentence each: what has to come true once nothing goes wrong. */
export function lacking(scene: Scene): readonly string[] {
  const { coordinator } = scene.organisation.server;
  const wanted = shouldHave(
    scene.devices.map((device) => ({
      deviceId: device.deviceId,
      office: scene.officeOf(device),
      upwards: scene.organisation.ways.pathUp(scene.officeOf(device)),
      retired: coordinator.isRetired(device.deviceId),
    })),
    scene.orders,
  );
  return scene.devices.flatMap((device) => {
    const contents = device.status()?.contents ?? [];
    if (coordinator.isRetired(device.deviceId)) return [`${device.host} has no identity`];
    return [...(wanted.get(device.deviceId) ?? [])].flatMap((contentId) => {
      const own = contents.find((content) => content.contentId === contentId);
      const isThere = own?.state === "complete" && device.store.isFinished(contentId);
      const state = `${own?.state ?? "unknown"}, ${own?.piecesHeld} of ${own?.pieces} pieces`;
      return isThere ? [] : [`${device.host} has not got ${contentId.slice(0, 8)}: ${state}`];
    });
  });
}

/** The server's record says of every device what it says of itself, and places it where it is. */
export function agreement({ scene, violate }: CheckerParts): Checker {
  return {
    name: "agreement",
    onEnd: () => {
      for (const sentence of disagreements(scene)) violate("agreement", sentence);
    },
  };
}

function disagreements(scene: Scene): readonly string[] {
  const { coordinator } = scene.organisation.server;
  const standings = coordinator.deployments().flatMap(({ deploymentId }) => {
    const standing = coordinator.deployment(deploymentId);
    return standing === undefined ? [] : [standing];
  });
  const rows = new Map(coordinator.devices().map((row) => [row.deviceId, row]));
  return scene.devices.flatMap((device) => {
    const row = rows.get(device.deviceId);
    if (row?.retiredAtMs !== undefined) return [];
    return [...placeOf(scene, device, row), ...progressOf(device, standings)];
  });
}

function placeOf(
  scene: Scene,
  device: SimDevice,
  row: DeviceStanding | undefined,
): readonly string[] {
  const { host } = device;
  const found: string[] = [];
  const office = scene.officeOf(device);
  if (row?.present !== true) found.push(`${host} is there, and the server does not hear it`);
  if (row?.office !== office) found.push(`${host} is in ${office}, not in ${row?.office}`);
  return found;
}

function progressOf(
  device: SimDevice,
  standings: readonly DeploymentStanding[],
): readonly string[] {
  const { host, deviceId } = device;
  const found: string[] = [];
  for (const content of device.status()?.contents ?? []) {
    const standing = standings.find(({ contentId }) => contentId === content.contentId);
    const said = standing?.devices.find((one) => one.deviceId === deviceId);
    if (said === undefined) continue;
    for (const what of ["state", "piecesHeld", "heldBytes"] as const) {
      if (said[what] === content[what]) continue;
      found.push(`${host}: ${what} is ${content[what]}, the server says ${said[what]}`);
    }
  }
  return found;
}
