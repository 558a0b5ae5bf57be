import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Prng } from "../src/base/prng.ts";
import { askManyThings } from "../test/integration/support/api-requests.ts";
import { ApiServer } from "../test/integration/support/api-server.ts";
import { digits } from "./figures.ts";
import type { Bench, BenchResult, Stage } from "./stage.ts";

/** How many devices there are unless the command line says. */
const DEVICES = 100_000;

/** How many pages are asked for, and how long the slowest of a hundred may take. */
const PAGES = 1_000;
const P99_MS_MAX = 100;

/** How many requests are made from the OpenAPI document. */
const REQUESTS = 20_000;

/** Of how many devices the server is that is asked for everything: as many as show every case. */
const FEW_DEVICES = 2_000;

/** The API of a server with 100,000 devices, over TLS, from another process of this machine. */
export const API: Bench = {
  claim:
    "API: filtered and sorted pages of 100,000 devices; 20,000 requests made from its document",
  simulated: true,
  copies: 0,
  devices: DEVICES,
  rows: ["pages", "requests"],
  run: async (stage) => {
    const { devices = DEVICES, only } = stage.options;
    const pages = only === "requests" ? [] : [await withServer(stage, devices, pagesOf)];
    const requests = only === "pages" ? [] : [await withServer(stage, FEW_DEVICES, requestsOf)];
    const results = [...pages, ...requests];
    return { ...Object.assign({}, ...results), ok: results.every(({ ok }) => ok), devices };
  },
};

async function withServer(
  stage: Stage,
  devices: number,
  measure: (server: ApiServer, stage: Stage) => Promise<BenchResult>,
): Promise<BenchResult> {
  const folder = join(stage.folder, String(devices));
  await mkdir(folder);
  const server = await ApiServer.start(folder, devices);
  try {
    return await measure(server, stage);
  } finally {
    await server.stop();
  }
}

async function pagesOf(server: ApiServer, { options, signal }: Stage): Promise<BenchResult> {
  const chance = new Prng(options.seed);
  const pick = (words: readonly string[]): string => words[chance.below(words.length)] ?? "";
  const tookMs: number[] = [];
  const beforeS = await processorSeconds(server);
  let cursor: string | undefined;
  let query = "";
  for (let index = 0; index < PAGES; index += 1) {
    signal.throwIfAborted();
    if (cursor === undefined || index % 3 === 0) {
      cursor = undefined;
      const filters = [
        "",
        "office=Office+7&",
        "search=pc-1&",
        "present=false&",
        "mark=none&search=a&",
      ];
      const sorts = ["hostName", "-hostName", "office", "lastSeen", "-enrolled", "version"];
      query = `${pick(filters)}sort=${pick(sorts)}&limit=${pick(["100", "100", "1000"])}`;
    }
    const from = cursor === undefined ? "" : `&cursor=${cursor}`;
    const beganMs = performance.now();
    const answer = await server.ask({ method: "GET", path: `/api/v1/devices?${query}${from}` });
    tookMs.push(performance.now() - beganMs);
    if (answer.status !== 200) throw new Error(answer.text);
    cursor = (JSON.parse(answer.text) as { readonly next?: string }).next;
  }
  const sorted = tookMs.toSorted((a, b) => a - b);
  const at = (share: number): number => digits(sorted[Math.floor(share * (PAGES - 1))] ?? 0, 1);
  const p99Ms = at(0.99);
  // What it costs the server, whatever else this machine has to do meanwhile.
  const cpuMs = (1_000 * ((await processorSeconds(server)) - beforeS)) / PAGES;
  const took = { p50Ms: at(0.5), p99Ms, maxMs: at(1), cpuMsPerPage: digits(cpuMs, 1) };
  return { ok: p99Ms <= P99_MS_MAX, pages: PAGES, ...took };
}

async function processorSeconds(server: ApiServer): Promise<number> {
  const { text } = await server.ask({ method: "GET", path: "/metrics" });
  return Number(/^process_cpu_seconds_total (\S+)$/m.exec(text)?.[1]);
}

async function requestsOf(server: ApiServer, { options, signal }: Stage): Promise<BenchResult> {
  const asked = { count: REQUESTS, seed: options.seed, signal };
  const { wrong, statuses } = await askManyThings(server, asked);
  return {
    ok: wrong.length === 0,
    requests: REQUESTS,
    wrong,
    statuses: Object.fromEntries([...statuses].toSorted(([a], [b]) => a - b)),
  };
}
