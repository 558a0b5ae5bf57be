import { readFile, statfs } from "node:fs/promises";
import { networkInterfaces, uptime } from "node:os";
import type { Facts } from "../wire/messages.ts";
import type { AgentSettings } from "./settings.ts";

/** SMBIOS chassis types of computers that are carried about (DMTF DSP0134, table 17). */
const PORTABLE_CHASSIS = new Set([8, 9, 10, 11, 14, 30, 31, 32]);

/** What of this machine decides how well it serves its office (row B8). */
export async function readFacts(settings: AgentSettings): Promise<Facts> {
  const disk = await statfs(settings.data);
  const freeBytes = disk.bavail * disk.bsize;
  return {
    freeBytes,
    usableBytes: freeBytes,
    preferred: settings.facts.preferred,
    desktop: !PORTABLE_CHASSIS.has(await chassisType()),
    serverOs: false,
    uptimeS: Math.floor(uptime()),
  };
}

/** The addresses under which others can reach this machine, the best first. */
export function reachableHosts(address: string | undefined): readonly string[] {
  if (address !== undefined) return [address];
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const outside = all.filter(({ internal, scopeid }) => !internal && !scopeid);
  return outside.map((own) => own.address).slice(0, 8);
}

/** The chassis type that the firmware states; 0 (which no type has) where it states none. */
async function chassisType(): Promise<number> {
  try {
    return Number.parseInt(await readFile("/sys/class/dmi/id/chassis_type", "utf8"), 10);
  } catch {
    return 0;
  }
}
