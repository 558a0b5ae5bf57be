import type { Prng } from "../base/prng.ts";
import { GIB } from "../base/units.ts";
import type { OfficeType } from "../topology/office.ts";
import type { SimMachine } from "./organisation.ts";

/** Of a hundred devices so many are desktops or servers, by the type of their office. */
const DESKTOP_PERCENT: Readonly<Record<OfficeType, number>> = { default: 60, wifi: 5, vpn: 10 };

/** Of a hundred devices that stand on a desk or in a rack so many have a server's system. */
const SERVER_OS_PERCENT = 4;

/** Free space: so many GiB at least, doubled up to so many times. */
const FREE_GIB_MIN = 8;
const FREE_DOUBLINGS = 7;

/** How long a device has been on, at least and at most. */
const UPTIME_S = { min: 600, max: 30 * 86_400 } as const;

/** Most characters of the part of a host name that comes from the office. */
const STEM_LENGTH_MAX = 40;

/** Invents devices that differ in all that decides elections, as those of an office do. */
export function inventMachines(
  prng: Prng,
  office: { readonly name: string; readonly type: OfficeType; readonly devices: number },
): readonly SimMachine[] {
  const stem = stemOf(office.name);
  const digits = String(office.devices).length;
  return Array.from({ length: office.devices }, (_, index) => {
    const desktop = prng.below(100) < DESKTOP_PERCENT[office.type];
    const freeGib = FREE_GIB_MIN * 2 ** prng.below(FREE_DOUBLINGS) * (1 + prng.below(100) / 100);
    const freeBytes = Math.floor(freeGib * GIB);
    return {
      hostName: `${stem}-${String(index + 1).padStart(digits, "0")}`,
      facts: {
        freeBytes,
        usableBytes: Math.floor((freeBytes * (10 + prng.below(41))) / 100),
        preferred: false,
        desktop,
        serverOs: desktop && prng.below(100) < SERVER_OS_PERCENT,
        uptimeS: UPTIME_S.min + prng.below(UPTIME_S.max - UPTIME_S.min),
      },
    };
  });
}

/** The letters and digits of an office's name, in lower case, with hyphens between its words. */
function stemOf(name: string): string {
  const words = name.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? ["office"];
  return [...words.join("-")].slice(0, STEM_LENGTH_MAX).join("");
}
