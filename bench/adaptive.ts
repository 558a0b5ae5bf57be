import { pause } from "../src/cli/interruption.ts";
import { type Line, makeLine } from "./adaptive/line.ts";
import { bytesIn, type Span, samplesIn, secondsUntil } from "./adaptive/measure.ts";
import { percentile } from "./adaptive/percentile.ts";
import { FOREGROUND, OWN, type OwnName } from "./adaptive/transfers.ts";
import { Watch } from "./adaptive/watch.ts";
import { digits } from "./figures.ts";
import { waitFor } from "./organisation/waiting.ts";
import type { Bench, Stage } from "./stage.ts";

/** What is wanted of us. */
const KEEPS_MIN = 0.985;
const QUEUE_MS_MAX = { p50: 2, p95: 5 } as const;
const UTILISATION_MIN = 0.95;
const YIELD_S_MAX = 0.5;
const RECOVER_S_MAX = 1.5;

/** Below this part of the line's rate we have yielded, and above that we are back. */
const YIELDED = 0.1;
const RECOVERED = 0.8;

/** How long we have to find the line's rate, are measured alone, and are measured afterwards. */
const START_MS = 4_000;
const ALONE_MS = 10_000;
const AGAIN_MS = 8_000;

/** How long others use the line: alone and with us the same time, since TCP's start takes some. */
const FOREGROUND_MS = { bulk: 12_000, web: 30_000 } as const;

/** Others have begun once so many bytes came. */
const BEGUN_BYTES = 1_000;

/** What an empty line is left for between two measurements. */
const REST_MS = 1_000;

const ROWS: readonly OwnName[] = ["branchline", "cubic"];

/** A slow line that others use too. */
export const ADAPTIVE: Bench = {
  claim: "others on a slow line keep it, and we use what they leave, without a queue",
  rows: ROWS,
  rateText: "10Mbit",
  copies: 0,
  run: async (stage) => {
    const { only, rateBitsPerS, queueMs, delayMs, foreground } = stage.options;
    const line = await makeLine(stage);
    const watch = new Watch(stage, line.watched);
    try {
      const bench: Measuring = { stage, line, watch };
      const alone = await useForeground(bench);
      await pause(REST_MS, stage.signal);
      stage.say(`${foreground} alone: ${JSON.stringify(foregroundFigures(bench, alone))}`);
      const rows: Partial<Record<OwnName, Figures>> = {};
      for (const name of ROWS) {
        if (only !== "" && only !== name) continue;
        rows[name] = await measure(bench, name, alone);
        await pause(REST_MS, stage.signal);
        stage.say(`${name}: ${JSON.stringify(rows[name])}`);
      }
      line.delay?.endInput();
      await line.delay?.finished();
      const delay = line.delay?.result<object>();
      const conditions = { rateBitsPerS, queueMs, delayMs, foreground };
      const foregroundAlone = foregroundFigures(bench, alone);
      return { ok: judge(rows), ...rows.branchline, ...conditions, foregroundAlone, rows, delay };
    } finally {
      watch.close();
    }
  },
};

/** What a measurement needs. */
type Measuring = { readonly stage: Stage; readonly line: Line; readonly watch: Watch };

/** How others used the line: when, and how long each of their requests took, in milliseconds. */
type Use = Span & { readonly tookMs: readonly number[] };

/** What we, or another transfer in our place, did to the line. */
type Figures = {
  readonly utilisationAlone: number;
  readonly queueMsP50: number;
  readonly queueMsP95: number;
  readonly cpuSecondsPerMinute: number;
  readonly ourShareMeanwhile: number;
  readonly recoverSeconds: number | null;
  /** Only where others send without a pause. */
  readonly foregroundKeeps?: number;
  readonly yieldSeconds?: number | null;
  /** Only where others ask for pages; our part of what they leave is told then. */
  readonly useOfWhatIsLeft?: number;
  readonly pageMsP50?: number;
  readonly pageMsP95?: number;
};

/** Lets others use the line for a while. */
async function useForeground({ stage, line, watch }: Measuring): Promise<Use> {
  const { foreground: name } = stage.options;
  const beforeBytes = watch.newest?.foregroundBytes ?? 0;
  const foreground = await FOREGROUND[name](stage, line.foreground);
  const fromMs = await waitFor("others to begin", () => begun(watch, beforeBytes), {
    ...stage,
    lookMs: 10,
  });
  await pause(FOREGROUND_MS[name] - (performance.now() - fromMs), stage.signal);
  const toMs = performance.now();
  return { fromMs, toMs, tookMs: await foreground.stop() };
}

/** When others began: the last look that did not see them. */
function begun({ newest, samples }: Watch, beforeBytes: number): number | undefined {
  if ((newest?.foregroundBytes ?? 0) < beforeBytes + BEGUN_BYTES) return undefined;
  return samples.findLast((sample) => sample.foregroundBytes < beforeBytes + BEGUN_BYTES)?.atMs;
}

async function measure(bench: Measuring, name: OwnName, othersAlone: Use): Promise<Figures> {
  const { stage, line, watch } = bench;
  const { rateBitsPerS, foreground } = stage.options;
  const own = await OWN[name](stage, line.ours);
  await pause(START_MS, stage.signal);
  const cpuBeforeS = own.cpuSeconds();
  const fromMs = performance.now();
  await pause(ALONE_MS, stage.signal);
  const alone = { fromMs, toMs: performance.now() };
  const cpuSeconds = own.cpuSeconds() - cpuBeforeS;
  const both = await useForeground(bench);
  await pause(AGAIN_MS, stage.signal);
  const again = { fromMs: both.toMs, toMs: performance.now() };
  own.stop();
  const { samples } = watch;
  const bytesPerS = rateBitsPerS / 8;
  const queuesMs = samplesIn(samples, alone).map((one) => (one.queuedBytes / bytesPerS) * 1_000);
  const carriable = (span: Span) => (bytesPerS * (span.toMs - span.fromMs)) / 1_000;
  const oursBytes = bytesIn(samples, "oursBytes", both);
  const othersBytes = bytesIn(samples, "foregroundBytes", both);
  const recover = secondsUntil(samples, again, (rate) => rate >= RECOVERED * bytesPerS);
  const figures: Figures = {
    utilisationAlone: digits(bytesIn(samples, "lineBytes", alone) / carriable(alone), 4),
    queueMsP50: digits(percentile(queuesMs, 0.5), 2),
    queueMsP95: digits(percentile(queuesMs, 0.95), 2),
    cpuSecondsPerMinute: digits((cpuSeconds * 60_000) / (alone.toMs - alone.fromMs), 1),
    ourShareMeanwhile: digits(oursBytes / (oursBytes + othersBytes), 4),
    recoverSeconds: recover && digits(recover, 2),
  };
  if (foreground === "web") {
    const useOfWhatIsLeft = digits(oursBytes / (carriable(both) - othersBytes), 4);
    return { ...figures, useOfWhatIsLeft, ...pageFigures(both) };
  }
  const yielded = secondsUntil(samples, both, (rate) => rate < YIELDED * bytesPerS);
  const keeps = perMs(bench, both) / perMs(bench, othersAlone);
  return {
    ...figures,
    foregroundKeeps: digits(keeps, 4),
    yieldSeconds: yielded && digits(yielded, 2),
  };
}

/** Bytes that others got, for each millisecond. */
function perMs({ watch }: Measuring, { fromMs, toMs }: Use): number {
  return bytesIn(watch.samples, "foregroundBytes", { fromMs, toMs }) / (toMs - fromMs);
}

function foregroundFigures(bench: Measuring, use: Use): object {
  const mbit = digits((8 * perMs(bench, use)) / 1_000, 2);
  return { mbit, ...(use.tookMs.length > 0 ? pageFigures(use) : {}) };
}

function pageFigures({ tookMs }: Use) {
  return {
    pages: tookMs.length,
    pageMsP50: Math.round(percentile(tookMs, 0.5)),
    pageMsP95: Math.round(percentile(tookMs, 0.95)),
  };
}

/** Whether we did what is wanted; of pages nothing is wanted in figures yet. */
function judge({ branchline: own }: Partial<Record<OwnName, Figures>>): boolean {
  if (own === undefined) return true;
  const { foregroundKeeps = 1, yieldSeconds = 0, recoverSeconds } = own;
  return (
    own.utilisationAlone >= UTILISATION_MIN &&
    own.queueMsP50 <= QUEUE_MS_MAX.p50 &&
    own.queueMsP95 <= QUEUE_MS_MAX.p95 &&
    foregroundKeeps >= KEEPS_MIN &&
    yieldSeconds !== null &&
    yieldSeconds <= YIELD_S_MAX &&
    recoverSeconds !== null &&
    recoverSeconds <= RECOVER_S_MAX
  );
}
