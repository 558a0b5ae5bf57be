import { digits } from "./figures.ts";
import type { Bench, BenchResult, Stage } from "./stage.ts";

/** Runs a bench that shows each of its faults to an organisation of its own. */
export function faultBench(parts: {
  readonly claim: string;
  readonly faults: readonly string[];
  readonly sizeText?: string;
  run(stage: Stage, fault: string): Promise<BenchResult>;
}): Bench {
  const { run: _, ...rest } = parts;
  return {
    ...rest,
    run: async (stage) => {
      const results: BenchResult[] = [];
      const startedMs = performance.now();
      const chosen = stage.options.fault === "" ? parts.faults : [stage.options.fault];
      for (const [index, fault] of chosen.entries()) {
        if (index > 0) await stage.clear();
        stage.say(`fault: ${fault}`);
        results.push({ fault, ...(await parts.run(stage, fault)) });
      }
      const seconds = digits((performance.now() - startedMs) / 1000, 1);
      return { ok: results.every(({ ok }) => ok), seconds, faults: results };
    },
  };
}
