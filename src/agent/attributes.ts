import { arch, release } from "node:os";
import type { Attribute } from "../wire/messages.ts";
import { chassisType } from "./facts.ts";

/** What this machine is, for deployments that go by it (`branchline deploy --where`). */
export async function readAttributes(): Promise<readonly Attribute[]> {
  return [
    { name: "os", value: SYSTEMS[process.platform] ?? process.platform },
    { name: "os-release", value: release() },
    { name: "arch", value: arch() },
    { name: "chassis", value: chassisWord(await chassisType()) },
  ].map(({ name, value }) => ({ name, value: value.slice(0, VALUE_LENGTH_MAX) }));
}

/** What people call a machine with an SMBIOS chassis type (DMTF DSP0134, table 17). */
export function chassisWord(type: number): string {
  return CHASSIS.find(({ types }) => types.includes(type))?.word ?? "unknown";
}

/** Most characters of a value. */
const VALUE_LENGTH_MAX = 128;

const SYSTEMS: Partial<Record<NodeJS.Platform, string>> = {
  win32: "windows",
  darwin: "macos",
};

const CHASSIS = [
  { word: "desktop", types: [3, 4, 5, 6, 7, 13, 15, 16, 24, 34, 35, 36] },
  { word: "laptop", types: [8, 9, 10, 14] },
  { word: "tablet", types: [11, 30, 31, 32] },
  { word: "server", types: [17, 23, 25, 28, 29] },
];
