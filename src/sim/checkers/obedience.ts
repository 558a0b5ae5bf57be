import type { ContentId } from "../../base/ids.ts";
import { type Deployments, decodeMessage } from "../../wire/messages.ts";
import type { SimDevice } from "../device.ts";
import type { Checker, CheckerParts } from "./checker.ts";

/** The server's last word as a device has heard it. */
type Heard = { readonly said: Deployments; readonly atUs: number };

/**
 * Who was told that something is paused or cancelled asks for no more of it, and what an operator
 * was told to be in force still is when the server has begun anew.
 */
export function obedience({ scene, violate }: CheckerParts): Checker {
  const name = "obedience";
  const heard = new Map<SimDevice, Heard>();
  return {
    name,
    onStart: (device) => {
      // What it remembers is what counts: the power may have gone before it had written the rest.
      const bytes = device.store.remembered.get("deployments");
      const said = bytes && decodeMessage(bytes);
      if (said?.kind === "deployments") heard.set(device, { said, atUs: scene.world.nowUs });
      else heard.delete(device);
    },
    onTaught: (device, said) => {
      const known = heard.get(device)?.said;
      const isOld =
        known !== undefined &&
        (said.epoch < known.epoch || (said.epoch === known.epoch && said.version < known.version));
      if (!isOld) heard.set(device, { said, atUs: scene.world.nowUs });
    },
    onAsked: (device, contentId) => {
      const word = heard.get(device);
      // What it was told in this moment it may not have read yet.
      if (word === undefined || word.atUs === scene.world.nowUs) return;
      if (mayFetch(word.said, contentId)) return;
      violate(name, `${device.host} asks for ${contentId.slice(0, 8)}, which it is not to fetch`);
    },
    onLook: () => {
      if (!scene.serverUp || scene.restored) return;
      const { coordinator } = scene.organisation.server;
      for (const row of coordinator.deployments()) {
        const wanted = scene.acknowledged.get(row.deploymentId);
        const inForce = JSON.stringify([row.directives, row.priority, row.cancelledAtMs]);
        if (wanted === undefined || wanted === inForce) continue;
        violate(name, `the server has forgotten what an operator said of ${row.deploymentId}`);
      }
    },
  };
}

function mayFetch({ deployments }: Deployments, contentId: ContentId): boolean {
  return deployments.some((one) => one.contentId === contentId && one.paused !== true);
}
