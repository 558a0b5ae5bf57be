import { SECOND } from "../../base/units.ts";
import type { OfficeType } from "../../wire/messages.ts";
import type { SimDevice } from "../device.ts";
import type { Checker, CheckerParts } from "./checker.ts";

/** How long it may take until all devices know of other offices: they may have been away. */
const HEARD_US = 60 * SECOND;

/** Devices of VPN offices never serve, those of WiFi offices never ask their LAN (row B6). */
export function roles({ scene, violate }: CheckerParts): Checker {
  const name = "roles";
  const knownSince = new Map<SimDevice, { office: string; atUs: number }>();
  // What the device believes is what counts; who has just moved, or was replaced, may not know yet.
  const typeOf = (device: SimDevice): OfficeType | undefined => {
    const { nowUs } = scene.world;
    const office = device.status()?.office ?? "";
    const known = knownSince.get(device);
    if (known?.office !== office) knownSince.set(device, { office, atUs: nowUs });
    if (nowUs < scene.replacedAtUs + HEARD_US || !scene.serverUp) return undefined;
    if (scene.restored || office === "") return undefined;
    const { coordinator } = scene.organisation.server;
    const spec = coordinator.offices().find((one) => one.name === office);
    return spec?.type as OfficeType | undefined;
  };
  return {
    name,
    onSent: (device, to, { target }) => {
      if (typeOf(device) !== "vpn") return;
      violate(name, `${device.host} of a VPN office serves a ${target} to ${to}`);
    },
    onQuestion: (device) => {
      if (typeOf(device) !== "wifi") return;
      violate(name, `${device.host} of a WiFi office asks its LAN`);
    },
  };
}
