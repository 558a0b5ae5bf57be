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
  const name = "tables";
  return {
    name,
    onLook: () => {
      for (const device of scene.devices) {
        const status = device.status();
        if (status === undefined) continue;
        const { host, store } = device;
        // Others link up with it as well as it with them: once each way with each other device.
        const own = OFFICE_LINKS_MAX + ABOVE_MAX * PARENT_LINKS_MAX;
        const links = Math.max(own, 2 * scene.devices.length);
        if (status.peers.length > links) violate(name, `${host} has ${status.peers.length} links`);
        const heldBytes = device.receivingBytes;
        if (heldBytes > PENDING_BYTES_MAX * links) {
          violate(name, `${host} holds ${heldBytes} bytes of records`);
        }
        const remembered = [...store.remembered.values()].reduce((sum, one) => sum + one.length, 0);
        if (remembered > REMEMBERED_BYTES_MAX)
          violate(name, `${host} remembers ${remembered} bytes`);
        const storingBytes = store.waitingBytes;
        if (storingBytes > STORING_BYTES_MAX) violate(name, `${host} stores ${storingBytes} bytes`);
      }
    },
  };
}
