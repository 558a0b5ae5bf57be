import type { ContentId } from "../base/ids.ts";
import type { Order } from "./scene.ts";

/** A device as far as it matters who is to have what. */
export type ReferenceDevice = {
  readonly deviceId: string;
  readonly office: string;
  /** Whether its identity was taken back. */
  readonly retired: boolean;
};

/**
 * Who should have which contents in the end, said as simply as it can be: everybody whom an order
 * is for, by name, by office or because it is for all.
 */
export function shouldHave(
  devices: readonly ReferenceDevice[],
  orders: readonly Order[],
): ReadonlyMap<string, ReadonlySet<ContentId>> {
  const wanted = new Map<string, Set<ContentId>>();
  for (const { deviceId, office, retired } of devices) {
    const contents = new Set<ContentId>();
    wanted.set(deviceId, contents);
    if (retired) continue;
    for (const { contentId, targets } of orders) {
      const isForAll = targets.all === true;
      const isForOffice = (targets.offices ?? []).includes(office);
      const isForDevice = (targets.devices ?? []).includes(deviceId);
      if (isForAll || isForOffice || isForDevice) contents.add(contentId);
    }
  }
  return wanted;
}
