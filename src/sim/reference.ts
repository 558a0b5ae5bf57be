import type { ContentId } from "../base/ids.ts";
import type { Order } from "./scene.ts";

/** A device as far as it matters who is to have what. */
export type ReferenceDevice = {
  readonly deviceId: string;
  readonly office: string;
  /** Its office and those above it. */
  readonly upwards: readonly string[];
  /** Whether its identity was taken back. */
  readonly retired: boolean;
};

/**
 * Who should have which contents in the end, said as simply as it can be: everybody whom an order
 * is for, by name, by office or because it is for all, and for whom nobody has cancelled it. What was
 * paused goes on in the end, and how urgent it is changes nothing.
 */
export function shouldHave(
  devices: readonly ReferenceDevice[],
  orders: readonly Order[],
): ReadonlyMap<string, ReadonlySet<ContentId>> {
  const wanted = new Map<string, Set<ContentId>>();
  for (const { deviceId, office, upwards, retired } of devices) {
    const contents = new Set<ContentId>();
    wanted.set(deviceId, contents);
    if (retired) continue;
    for (const { contentId, targets, cancelled } of orders) {
      const isCancelled = cancelled.some((scope) =>
        scope.deviceId === undefined
          ? scope.office === undefined || upwards.includes(scope.office)
          : scope.deviceId === deviceId,
      );
      if (isCancelled) continue;
      const isForAll = targets.all === true;
      const isForOffice = (targets.offices ?? []).includes(office);
      const isForDevice = (targets.devices ?? []).includes(deviceId);
      if (isForAll || isForOffice || isForDevice) contents.add(contentId);
    }
  }
  return wanted;
}
