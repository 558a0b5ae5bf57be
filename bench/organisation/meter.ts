import { cpus } from "node:os";
import type { Organisation } from "./organisation.ts";

/** What a distribution has used of this machine. */
export type Use = {
  /** Processor seconds of all agents that run. */
  readonly cpuSeconds: number;
  /** The same of the server, and of the bench itself, which must not disturb what it measures. */
  readonly serverCpuSeconds: number;
  readonly benchCpuSeconds: number;
  /** The most memory that an agent has had. */
  readonly peakRssBytes: number;
  /** How busy all processors were, from 0 to 1: near 1 the machine decided, not the links. */
  readonly processorsBusy: number;
};

/** Measures what is used from the moment when it is made. */
export class ProcessorMeter {
  readonly #organisation: Organisation;
  readonly #before: ReadonlyMap<number, number>;
  readonly #serverBeforeS: number;
  readonly #benchBefore = process.cpuUsage();
  readonly #ticksBefore: Ticks = ticks();

  constructor(organisation: Organisation) {
    this.#organisation = organisation;
    this.#serverBeforeS = organisation.server.program?.usage().cpuS ?? 0;
    this.#before = new Map(
      organisation.devices.map(({ program }) => [program?.pid ?? 0, program?.usage().cpuS ?? 0]),
    );
  }

  /** What has been used so far. */
  read(): Use {
    let [cpuSeconds, peakRssBytes] = [0, 0];
    for (const { program } of this.#organisation.devices) {
      if (program === undefined) continue;
      const usage = program.usage();
      cpuSeconds += usage.cpuS - (this.#before.get(program.pid) ?? 0);
      peakRssBytes = Math.max(peakRssBytes, usage.peakRssBytes);
    }
    const now = ticks();
    const passed = now.all - this.#ticksBefore.all;
    const busy = passed - (now.idle - this.#ticksBefore.idle);
    const serverS = this.#organisation.server.program?.usage().cpuS ?? this.#serverBeforeS;
    const bench = process.cpuUsage(this.#benchBefore);
    return {
      cpuSeconds,
      // Where it has been killed, nothing is known of it.
      serverCpuSeconds: Math.max(0, serverS - this.#serverBeforeS),
      benchCpuSeconds: (bench.user + bench.system) / 1e6,
      peakRssBytes,
      processorsBusy: passed === 0 ? 0 : busy / passed,
    };
  }
}

type Ticks = { readonly idle: number; readonly all: number };

function ticks(): Ticks {
  let [idle, all] = [0, 0];
  for (const { times } of cpus()) {
    idle += times.idle;
    all += times.idle + times.user + times.sys + times.nice + times.irq;
  }
  return { idle, all };
}
