import { once } from "node:events";

/** What one end of a transfer has used: from the first byte to the last, without its start. */
export type EndUse = { readonly cpuSeconds: number; readonly peakRssBytes: number };

/** What a transfer was at one end. */
export type EndResult = EndUse & { readonly seconds: number };

/** Measures this process from the moment when it is made. */
export class OwnUse {
  readonly #startedMs = performance.now();
  readonly #before = process.cpuUsage();

  /** What has been used so far; all threads and the system's work for them count. */
  read(): EndResult {
    const { user, system } = process.cpuUsage(this.#before);
    return {
      seconds: (performance.now() - this.#startedMs) / 1_000,
      cpuSeconds: (user + system) / 1e6,
      peakRssBytes: process.resourceUsage().maxRSS * 1_024,
    };
  }
}

/** The last line of a program that takes part: what it has used. */
export function writeResult(result: EndResult): void {
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

/** Says that a program listens, and resolves when nobody needs it any more: standard input ends. */
export async function serveUntilInputEnds(): Promise<void> {
  process.stdout.write("ready\n");
  process.stdin.resume();
  await once(process.stdin, "end");
}
