import { readFile } from "node:fs/promises";
import type { AgentSettings } from "./settings.ts";

/**
 * Names this machine, so that a cloned disk can be told from its original.
 *
 * @param settings - May name it, where the operating system does not.
 * @param known - What it was called when the device enrolled; the answer where nothing else is.
 */
export async function machineIdOf(
  settings: Pick<AgentSettings, "machineId">,
  known: string,
): Promise<string> {
  if (settings.machineId !== undefined) return settings.machineId;
  for (const path of MACHINE_ID_FILES) {
    const text = await readFile(path, "utf8").catch(() => "");
    if (/^[0-9a-f]{32}$/.test(text.trim())) return text.trim();
  }
  return known;
}

/** See machine-id(5); the second is older, and D-Bus's own. */
const MACHINE_ID_FILES = ["/etc/machine-id", "/var/lib/dbus/machine-id"];
