import { readFile, statfs } from "node:fs/promises";
import { uptime, version } from "node:os";
import { spaceClass } from "../topology/election.ts";
import type { Facts } from "../wire/messages.ts";
import type { AgentSettings } from "./settings.ts";

/** What facts are read with. */
export type FactSources = {
  readonly settings: AgentSettings;
  /** What the cache may still take. */
  readonly usableBytes: () => Promise<number>;
};

/** What of this machine decides how well it serves its office (row B8). */
export async function readFacts({ settings, usableBytes }: FactSources): Promise<Facts> {
  const disk = await statfs(settings.data);
  return {
    freeBytes: disk.bavail * disk.bsize,
    usableBytes: await usableBytes(),
    preferred: settings.facts.preferred,
    desktop: !PORTABLE_CHASSIS.has(await chassisType()),
    serverOs: process.platform === "win32" ? /server/i.test(version()) : await isServerLinux(),
    uptimeS: Math.floor(uptime()),
  };
}

/**
 * Looks at the facts again and again, and tells of them when they have changed so much that
 * elections may come out otherwise.
 */
export class FactWatch {
  readonly #timer: NodeJS.Timeout;

  constructor(
    sources: FactSources,
    options: {
      /** What was told before. */
      readonly known: Facts;
      readonly onChange: (facts: Facts) => void;
      readonly onFault: (error: unknown) => void;
      readonly everyMs?: number;
    },
  ) {
    const { onChange, onFault, everyMs = LOOK_MS } = options;
    let { known } = options;
    const look = async (): Promise<void> => {
      const facts = await readFacts(sources);
      if (weightOf(facts) === weightOf(known)) return;
      known = facts;
      onChange(facts);
    };
    this.#timer = setInterval(() => void look().catch(onFault), everyMs);
  }

  /** Ends the looking. */
  close(): void {
    clearInterval(this.#timer);
  }
}

/** Whether what `os-release` says (see os-release(5)) is a system for servers. */
export function isServerRelease(osRelease: string): boolean {
  const fields = new Map(
    osRelease.split("\n").map((line) => {
      const [name = "", ...value] = line.split("=");
      return [
        name.trim(),
        value
          .join("=")
          .trim()
          .replace(/^["']|["']$/g, ""),
      ] as const;
    }),
  );
  const says = ["VARIANT_ID", "VARIANT", "NAME", "PRETTY_NAME"].some((name) =>
    /\bserver\b/i.test(fields.get(name) ?? ""),
  );
  return says || SERVER_SYSTEMS.has(fields.get("ID") ?? "");
}

/** How often the facts are looked at, in milliseconds. */
const LOOK_MS = 60_000;

/** SMBIOS chassis types of computers that are carried about (DMTF DSP0134, table 17). */
const PORTABLE_CHASSIS = new Set([8, 9, 10, 11, 14, 30, 31, 32]);

/** Systems that are made for servers alone. */
const SERVER_SYSTEMS = new Set(["sles", "ol", "amzn", "photon", "flatcar", "proxmox"]);

/**
 * What elections look at: they go by classes of room, so that a download changes none of them, and
 * who keeps an office's copy depends on whether there is room at all.
 */
function weightOf(facts: Facts): string {
  const { freeBytes, usableBytes, preferred, desktop, serverOs } = facts;
  const room = [freeBytes, usableBytes].map(spaceClass);
  return JSON.stringify([...room, usableBytes > 0, preferred, desktop, serverOs]);
}

async function isServerLinux(): Promise<boolean> {
  for (const path of ["/etc/os-release", "/usr/lib/os-release"]) {
    const text = await readFile(path, "utf8").catch(() => undefined);
    if (text !== undefined) return isServerRelease(text);
  }
  return false;
}

/** The chassis type that the firmware states; 0 (which no type has) where it states none. */
export async function chassisType(): Promise<number> {
  try {
    return Number.parseInt(await readFile("/sys/class/dmi/id/chassis_type", "utf8"), 10);
  } catch {
    return 0;
  }
}
