import type { ContentId } from "../../base/ids.ts";
import type { SimDevice } from "../device.ts";
import type { Checker, CheckerParts } from "./checker.ts";
import type { copies } from "./copies.ts";

/**
 * What is counted is what was carried: each device counts the bytes that reached it, and, where
 * nothing went wrong, the server charges to each line what crossed it.
 */
export function ledger(
  { scene, violate }: CheckerParts,
  { carried }: Pick<ReturnType<typeof copies>, "carried">,
): Checker {
  const name = "ledger";
  const received = new Map<SimDevice, Map<ContentId, number>>();
  let calm = true;
  return {
    name,
    onBlow: () => {
      calm = false;
    },
    onStart: (device) => {
      received.delete(device);
    },
    onReceived: (device, _from, { contentId, target, data }) => {
      if (target !== "piece") return;
      const own = received.get(device) ?? new Map<ContentId, number>();
      received.set(device, own);
      own.set(contentId, (own.get(contentId) ?? 0) + data.length);
    },
    onLook: () => {
      for (const device of scene.devices) {
        for (const content of device.status()?.contents ?? []) {
          const counted = content.wanInBytes + content.lanInBytes;
          const came = received.get(device)?.get(content.contentId) ?? 0;
          // What was taken back meanwhile comes and is not counted.
          if (counted <= came && (!calm || counted === came)) continue;
          violate(name, `${device.host} counts ${counted} bytes, and ${came} have come`);
        }
      }
    },
    onEnd: () => {
      if (!calm) return;
      const { coordinator } = scene.organisation.server;
      for (const { name: office } of scene.offices.slice(1)) {
        for (const { contentId } of scene.packages) {
          const bytes = carried.get(office)?.get(contentId) ?? [];
          const crossed = bytes.reduce((sum, part) => sum + (part ?? 0), 0);
          const rows = coordinator.ledger(contentId).filter((row) => row.office === office);
          const charged = rows.reduce((sum, row) => sum + row.wanBytes, 0);
          if (charged === crossed) continue;
          violate(name, `${office} is charged ${charged} bytes, and ${crossed} crossed its line`);
        }
      }
    },
  };
}
