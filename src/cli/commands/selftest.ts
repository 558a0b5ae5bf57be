import type { Command } from "commander";
import type { Weather } from "../../sim/faults/weather.ts";
import type { TrialResult } from "../../sim/trial.ts";
import {
  addCommand,
  anyNumber,
  type CommandHost,
  type CommandResult,
  wholeNumber,
} from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { pause, untilInterrupted } from "../interruption.ts";
import { loadTrial } from "../parts.ts";

type SelftestOptions = {
  readonly seed?: number;
  readonly minutes?: number;
  readonly worlds?: number;
  readonly faults?: Weather;
  readonly once?: true;
};

/** Seeds are 32 bits wide. */
const SEED_MAX = 0xff_ff_ff_ff;

const MINUTES = 1;

const CALM_EVERY = 4;

/** How often who waits is told how far it is, in milliseconds. */
const PROGRESS_MS = 10_000;

/** What many worlds have come to. */
type Totals = {
  readonly firstSeed: number;
  readonly weather: Weather;
  readonly seconds: number;
  readonly worlds: number;
  readonly devices: number;
  readonly simulatedHours: number;
  readonly pieces: number;
  readonly events: number;
  readonly slowestRecoveryS: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly violations: number;
};

/** Adds `selftest`: worlds by chance in which everything goes wrong. */
export function addSelftestCommand(program: Command, host: CommandHost): void {
  addCommand<SelftestOptions>(program, host, {
    usage: "selftest",
    description:
      "Let this program's own code run in simulated organisations in which everything goes wrong, " +
      "until time is up, and check that nothing happens that must not. It touches nothing outside.",
    examples: [
      "branchline selftest --minutes 10",
      "branchline selftest --seed 4711 --faults harsh --once",
    ],
    options: [
      {
        flags: "--seed <number>",
        description: "the first world; the others follow it (default: another one each time)",
        parse: wholeNumber(0, SEED_MAX),
      },
      {
        flags: "--minutes <number>",
        description: `for how long (default: ${MINUTES})`,
        parse: anyNumber(0.01, 100_000),
      },
      {
        flags: "--worlds <number>",
        description: "end after so many worlds, however long they take",
        parse: wholeNumber(1, SEED_MAX),
      },
      {
        flags: "--faults <weather>",
        description: "how much goes wrong: none, mild or harsh (default: harsh)",
        choices: ["none", "mild", "harsh"],
      },
      { flags: "--once", description: "let one world run to its end, and no other" },
    ],
    run: ({ options, io }) =>
      untilInterrupted((signal) => selftest(options, (line) => io.stderr.write(line), signal)),
  });
}

async function selftest(
  options: SelftestOptions & { readonly json?: true },
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<CommandResult> {
  const { faults: weather = "harsh", once, minutes = MINUTES } = options;
  const worlds = once === undefined ? options.worlds : 1;
  const firstSeed = options.seed ?? Date.now() % SEED_MAX;
  const trial = await loadTrial();
  const beganMs = performance.now();
  const tally = new Tally(firstSeed, weather);
  let saidMs = beganMs;
  for (let seed = firstSeed; ; seed = (seed + 1) >>> 0) {
    const result = trial.run({ seed, weather: weatherFor(seed, options) });
    tally.add(result);
    const nowMs = performance.now();
    const totals = tally.totals((nowMs - beganMs) / 1_000);
    if (result.violations.length > 0) return failure(result, totals);
    const isOver =
      worlds === undefined ? nowMs - beganMs >= minutes * 60_000 : totals.worlds >= worlds;
    if (isOver) return success(result, totals);
    if (nowMs - saidMs >= PROGRESS_MS) {
      saidMs = nowMs;
      if (options.json !== true) say(`${totals.worlds} worlds, nothing found\n`);
    }
    await pause(0, signal);
  }
}

/**
 * Every fourth world is one in which nothing goes wrong, unless it is asked for by itself: what is
 * forgiven in a storm is not forgiven there.
 */
function weatherFor(
  seed: number,
  { faults: weather = "harsh", once }: Pick<SelftestOptions, "faults" | "once">,
): Weather {
  return once === undefined && seed % CALM_EVERY === 0 ? "none" : weather;
}

/** Adds up what worlds have come to. */
class Tally {
  readonly #firstSeed: number;
  readonly #weather: Weather;
  readonly #faults = new Map<string, number>();
  #worlds = 0;
  #devices = 0;
  #simulatedS = 0;
  #pieces = 0;
  #events = 0;
  #slowestS = 0;
  #violations = 0;

  constructor(firstSeed: number, weather: Weather) {
    this.#firstSeed = firstSeed;
    this.#weather = weather;
  }

  add(result: TrialResult): void {
    this.#worlds += 1;
    this.#devices += result.devices;
    this.#simulatedS += result.simulatedS;
    this.#pieces += result.pieces;
    this.#events += result.events;
    this.#slowestS = Math.max(this.#slowestS, result.recoveredS ?? 0);
    this.#violations += result.violations.length;
    for (const [kind, count] of result.faults) {
      this.#faults.set(kind, (this.#faults.get(kind) ?? 0) + count);
    }
  }

  totals(seconds: number): Totals {
    return {
      firstSeed: this.#firstSeed,
      weather: this.#weather,
      seconds,
      worlds: this.#worlds,
      devices: this.#devices,
      simulatedHours: this.#simulatedS / 3_600,
      pieces: this.#pieces,
      events: this.#events,
      slowestRecoveryS: this.#slowestS,
      faults: Object.fromEntries([...this.#faults].toSorted()),
      violations: this.#violations,
    };
  }
}

function success({ hash }: TrialResult, totals: Totals): CommandResult {
  return { json: { ...totals, lastHash: hash }, text: reportText(totals, hash) };
}

function failure(result: TrialResult, totals: Totals): CommandResult {
  const { seed, weather, hash, violations, trace } = result;
  const replay = `branchline selftest --seed ${seed} --faults ${weather} --once`;
  const found = violations.map(
    ({ checker, sentence, atUs, event }) =>
      `${checker}: ${sentence} (at ${(atUs / 1_000_000).toFixed(6)} s, event ${event})`,
  );
  const text = [
    `The world of seed ${seed} broke a promise:`,
    ...found.map((line) => `  ${line}`),
    "",
    "The last that happened, when, to whom, and what:",
    ...trace,
    "",
    reportText(totals, hash),
    "",
    `To see it again: ${replay}`,
  ].join("\n");
  return {
    json: { ...totals, failed: { seed, weather, hash, violations, replay, trace } },
    text,
    exitCode: EXIT.failed,
  };
}

function reportText(totals: Totals, hash: string): string {
  const { worlds, seconds, devices, simulatedHours, pieces, events, slowestRecoveryS } = totals;
  const faults = Object.entries(totals.faults).map(([kind, count]) => `${kind} ${count}`);
  const count = Object.values(totals.faults).reduce((sum, one) => sum + one, 0);
  return [
    `${worlds} worlds from seed ${totals.firstSeed} in ${seconds.toFixed(1)} s, ${totals.weather}:`,
    `  ${devices} devices, ${simulatedHours.toFixed(2)} simulated hours, ${pieces} pieces, ${events} events`,
    `  ${count} faults${faults.length === 0 ? "" : `: ${faults.join(", ")}`}`,
    `  the slowest recovery took ${slowestRecoveryS.toFixed(1)} s`,
    `  ${totals.violations} violations; trace hash of the last world ${hash}`,
  ].join("\n");
}
