import { digits } from "./figures.ts";
import type { Bench, BenchResult, Stage } from "./stage.ts";

/** Runs a bench that shows each of its faults to an organisation of its own. */
export function faultBench(parts: {
  readonly claim: string;
  readonly faults: readonly string[];
  run(stage: Stage, fault: string): Promise<BenchResult>;
}): Bench {
  const { claim, faults } = parts;
  return {
    claim,
    faults,
    run: async (stage) => {
      const results: BenchResult[] = [];
      const startedMs = performance.now();
      const chosen = stage.options.fault === "" ? faults : [stage.options.fault];
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
