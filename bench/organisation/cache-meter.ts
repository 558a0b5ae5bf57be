import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { setInterval } from "node:timers/promises";
import { agentFiles } from "../../src/agent/enrolment-file.ts";
import type { Machine } from "./organisation.ts";

/** How often it is looked, in milliseconds. */
const LOOK_MS = 50;

/** What the disk has shown. */
export type CacheFigures = {
  readonly samples: number;
  /** The most that contents took on the disk. */
  readonly peakBytes: number;
};

/** Looks all the time at what a device's cache takes on its disk, whatever the agent says. */
export class CacheMeter {
  readonly #device: Machine;
  readonly #ending = new AbortController();
  #samples = 0;
  #peakBytes = 0;

  constructor(device: Machine) {
    this.#device = device;
    void this.#run();
  }

  /** What was seen since the last call. */
  take(): CacheFigures {
    const figures = { samples: this.#samples, peakBytes: this.#peakBytes };
    [this.#samples, this.#peakBytes] = [0, 0];
    return figures;
  }

  stop(): void {
    this.#ending.abort();
  }

  async #run(): Promise<void> {
    const { signal } = this.#ending;
    try {
      for await (const _ of setInterval(LOOK_MS, undefined, { signal, ref: false })) {
        this.#peakBytes = Math.max(this.#peakBytes, await cacheBytesOf(this.#device));
        this.#samples += 1;
      }
    } catch {
      // It was stopped.
    }
  }
}

/** What the contents of a device take on its disk now. */
export async function cacheBytesOf({ data }: Machine): Promise<number> {
  const folder = join(agentFiles(data).store, "contents");
  const names = await readdir(folder).catch(() => []);
  const sizes = names.map(async (name) => {
    const found = await stat(join(folder, name, "content")).catch(() => undefined);
    // Blobs are sparse: what they take are their blocks, of 512 bytes.
    return (found?.blocks ?? 0) * 512;
  });
  return (await Promise.all(sizes)).reduce((sum, bytes) => sum + bytes, 0);
}
