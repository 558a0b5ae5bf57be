import { MIB } from "../../base/units.ts";
import {
  OFFICE_LINKS_MAX,
  PARENT_LINKS_MAX,
  PENDING_BYTES_MAX,
  STORING_BYTES_MAX,
} from "../../peer/core.ts";
import type { Checker, CheckerParts } from "./checker.ts";

/** What a device may remember under all names together: three messages of the server. */
const REMEMBERED_BYTES_MAX = 4 * MIB;

/** Offices above one, most of all. */
const ABOVE_MAX = 3;

/** No table grows beyond its bound, whatever others send. */
export function tables({ scene, violate }: CheckerParts): Checker {
  // Others link up with a device as well as it with them: once each way with each other one.
  const linksMax = (): number =>
    Math.max(OFFICE_LINKS_MAX + ABOVE_MAX * PARENT_LINKS_MAX, 2 * scene.devices.length);
  return {
    name: "tables",
    onLook: () => {
      for (const device of scene.devices) {
        const { host, store } = device;
        const links = device.status()?.peers.length ?? 0;
        const remembered = [...store.remembered.values()];
        const sizes = [
          { what: "links", is: links, most: linksMax() },
          {
            what: "bytes of records",
            is: device.receivingBytes,
            most: PENDING_BYTES_MAX * linksMax(),
          },
          {
            what: "bytes remembered",
            is: remembered.reduce((sum, one) => sum + one.length, 0),
            most: REMEMBERED_BYTES_MAX,
          },
          { what: "bytes to store", is: store.waitingBytes, most: STORING_BYTES_MAX },
        ];
        for (const { what, is, most } of sizes) {
          if (is > most) violate("tables", `${host} has ${is} ${what}, more than ${most}`);
        }
      }
    },
  };
}
