import { setTimeout as sleep } from "node:timers/promises";
import { SERVER_ROUTES } from "../src/api/server-routes.ts";
import type { ContentId } from "../src/base/ids.ts";
import { Prng } from "../src/base/prng.ts";
import { pause } from "../src/cli/interruption.ts";
import { OperatorError } from "../src/runtime/operator-error.ts";
import { percentile } from "./adaptive/percentile.ts";
import { deviceAt } from "./clients/client-hosts.ts";
import { Crowd } from "./clients/clients.ts";
import { CrowdedServer, contentAt } from "./clients/server.ts";
import { digits } from "./figures.ts";
import { processorSeconds, usageOf } from "./organisation/programs.ts";
import type { Bench, BenchResult, Stage } from "./stage.ts";

/** How many devices there are unless the command line says. */
const DEVICES = 10_000;

/** What the server may need, and how long those who ask may wait. */
const CORES_MAX = 1;
const RSS_BYTES_MAX = 600e6;
const API_P99_MS_MAX = 200;

/** The group whose members are changed while the server is killed. */
const GROUP = "Changed";

/** How often the server is killed; with `--quick` a tenth of that. */
const KILLS = 50;

/** Within which time everybody is connected again. */
const BACK_S_MAX = 30;

/** How long it has to be quiet before anything is measured, and how long quiet is measured. */
const QUIET_MS = 5_000;
const REST_MS = 30_000;

/** After which time a deployment is not waited for any more. */
const PATIENCE_MS = 300_000;

/** How many people and programs ask at a time, and how long each pauses between two requests. */
const ASKERS = 2;
const ASKER_PAUSE_MS = 50;

/** The server with many clients: what it needs, and what it loses when it is killed. */
export const SERVER: Bench = {
  claim:
    "10,000 clients and a deployment: cores, memory, API; SIGKILL 50 times: nothing lost, all back",
  simulated: true,
  copies: 0,
  devices: DEVICES,
  rows: ["load", "kills"],
  run: async (stage) => {
    const { devices = DEVICES, only } = stage.options;
    const server = await CrowdedServer.start(stage, devices);
    const crowd = new Crowd(stage, server.authorityFile, devices);
    const connectedS = await crowd.connected(stage, () => server.isRunning);
    stage.say(`all are connected after ${connectedS.toFixed(1)} s`);
    await pause(QUIET_MS, stage.signal);
    const load = only === "kills" ? undefined : await underLoad(stage, server, crowd);
    const kills = only === "load" ? undefined : await killed(stage, server, crowd);
    return {
      ...{ ok: load?.ok !== false && kills?.ok !== false, devices },
      ...{ connectedSeconds: digits(connectedS, 1) },
      ...(load === undefined ? {} : { load }),
      ...(kills === undefined ? {} : { kills }),
    };
  },
};

/** What the server needs at rest and while everybody fetches, and how quickly its API answers. */
async function underLoad(stage: Stage, server: CrowdedServer, crowd: Crowd): Promise<BenchResult> {
  const before = await crowd.ask("state");
  const rest = await coresDuring(server, () => pause(REST_MS, stage.signal));
  stage.say(`at rest: ${rest} of a core`);
  let peakRssBytes = 0;
  const tookMs: number[] = [];
  const over = new AbortController();
  const asking = Promise.all(
    Array.from({ length: ASKERS }, (_, seed) =>
      askOn(server, { seed, tookMs, signal: over.signal }),
    ),
  );
  // Whoever cannot ask any more is heard of at the end, and only where nothing else went wrong.
  asking.catch(() => {});
  const beganMs = performance.now();
  const cores = await coresDuring(server, async () => {
    await deploy(server, contentAt(0));
    for (let complete = 0, tick = 0; complete < crowd.devices; tick += 1) {
      if (performance.now() - beganMs > PATIENCE_MS) break;
      await pause(1_000, stage.signal);
      peakRssBytes = Math.max(peakRssBytes, usageOf(server.pid)?.rssBytes ?? 0);
      ({ complete } = await crowd.ask("state"));
      if (tick % 10 === 0) stage.say(`${complete} of ${crowd.devices} are complete`);
    }
  });
  const seconds = digits((performance.now() - beganMs) / 1_000, 1);
  over.abort();
  await asking;
  const lost = (await crowd.ask("state")).lost - before.lost;
  const { complete } = await crowd.ask("state");
  const apiP99Ms = digits(percentile(tookMs, 0.99), 1);
  const figures = { cores, coresAtRest: rest, rssBytes: peakRssBytes, lost, complete, seconds };
  const api = {
    apiRequests: tookMs.length,
    apiP50Ms: digits(percentile(tookMs, 0.5), 1),
    apiP99Ms,
  };
  const isLight = cores <= CORES_MAX && peakRssBytes <= RSS_BYTES_MAX;
  const ok = isLight && lost === 0 && complete === crowd.devices && apiP99Ms <= API_P99_MS_MAX;
  stage.say(`load ${JSON.stringify({ ...figures, ...api })}`);
  return { ok, ...figures, ...api };
}

/** How many processor seconds the server has in each second while something happens. */
async function coresDuring(server: CrowdedServer, work: () => Promise<void>): Promise<number> {
  const [beganS, beganMs] = [processorSeconds(server.pid), performance.now()];
  await work();
  const usedS = processorSeconds(server.pid) - beganS;
  return digits((1_000 * usedS) / (performance.now() - beganMs), 2);
}

/** Asks for this and that until told to stop. */
async function askOn(
  { api }: CrowdedServer,
  { seed, tookMs, signal }: { seed: number; tookMs: number[]; signal: AbortSignal },
): Promise<void> {
  const chance = new Prng(seed);
  const questions = [
    () => api(SERVER_ROUTES.listDevices, { query: { sort: "-lastSeen", limit: 100 } }),
    () => api(SERVER_ROUTES.listDevices, { query: { office: "Office 7" } }),
    () => api(SERVER_ROUTES.listDeployments, { query: { limit: 100 } }),
    () => api(SERVER_ROUTES.listContents, { query: { limit: 100 } }),
    () => api(SERVER_ROUTES.showLedger, { query: { limit: 100 } }),
    () => api(SERVER_ROUTES.listOffices, { query: { limit: 100 } }),
  ];
  while (!signal.aborted) {
    const beganMs = performance.now();
    await questions[chance.below(questions.length)]?.();
    tookMs.push(performance.now() - beganMs);
    await sleep(ASKER_PAUSE_MS);
  }
}

async function deploy({ api }: CrowdedServer, contentId: ContentId): Promise<string> {
  const body = { contentId, targets: { all: true }, priority: "high" } as const;
  return (await api(SERVER_ROUTES.deploy, { body })).deploymentId;
}

/** Kills the server again and again while it is told to change things and everybody fetches. */
async function killed(stage: Stage, server: CrowdedServer, crowd: Crowd): Promise<BenchResult> {
  const chance = new Prng(stage.options.seed);
  const kills = stage.options.quick ? KILLS / 10 : KILLS;
  const acknowledged = new Set<string>();
  await server.api(SERVER_ROUTES.createGroup, { body: { name: GROUP } });
  const backS: number[] = [];
  let missing = 0;
  for (let kill = 1; kill <= kills; kill += 1) {
    await deploy(server, contentAt(kill));
    const changing = changeOn(server, acknowledged);
    await pause(1_000 + chance.below(4_000), stage.signal);
    const beganMs = performance.now();
    await server.kill();
    await changing;
    server.restart();
    const restartedMs = performance.now();
    const known = await membersOf(stage, server);
    const answersS = (performance.now() - restartedMs) / 1_000;
    missing += [...acknowledged].filter((deviceId) => !known.has(deviceId)).length;
    await present(stage, server, crowd.devices);
    backS.push((performance.now() - beganMs) / 1_000);
    const took = `answers after ${answersS.toFixed(1)} s, all back after ${backS.at(-1)?.toFixed(1)} s`;
    stage.say(
      `kill ${kill}: ${acknowledged.size} changes acknowledged, ${missing} missing; ${took}`,
    );
  }
  const worstS = percentile(backS, 1);
  const faults = server.integrityFaults();
  return {
    ok: missing === 0 && faults.length === 0 && worstS <= BACK_S_MAX,
    ...{ kills, acknowledged: acknowledged.size, missing, databaseFaults: faults },
    ...{ backSecondsP50: digits(percentile(backS, 0.5), 1), backSecondsMax: digits(worstS, 1) },
  };
}

/** Waits until the server itself counts every device: clients notice its end only by and by. */
async function present(stage: Stage, server: CrowdedServer, devices: number): Promise<void> {
  const beganMs = performance.now();
  for (let saidMs = beganMs; ; ) {
    const back = (await server.api(SERVER_ROUTES.showServer)).devices.present;
    if (back === devices) return;
    const nowMs = performance.now();
    if (nowMs - beganMs > PATIENCE_MS) {
      throw new OperatorError("bench-plan", `Only ${back} devices have come back.`);
    }
    if (nowMs - saidMs > 10_000) {
      stage.say(`${back} of ${devices} devices are back`);
      saidMs = nowMs;
    }
    await pause(250, stage.signal);
  }
}

/** Puts one device after the other into a group, and notes each acknowledged, until the server is gone. */
async function changeOn({ api }: CrowdedServer, acknowledged: Set<string>): Promise<void> {
  try {
    for (;;) {
      const deviceId = deviceAt(acknowledged.size);
      const [params, body] = [{ name: GROUP }, { add: [deviceId] }];
      await api(SERVER_ROUTES.changeGroup, { params, body });
      acknowledged.add(deviceId);
      await sleep(ASKER_PAUSE_MS);
    }
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
  }
}

/** Who is in the group, as soon as the server answers. */
async function membersOf(stage: Stage, server: CrowdedServer): Promise<ReadonlySet<string>> {
  for (;;) {
    try {
      const { groups } = await server.api(SERVER_ROUTES.listGroups);
      return new Set(groups.flatMap(({ devices }) => devices));
    } catch (error) {
      if (!(error instanceof OperatorError) || !server.isRunning) throw error;
      await pause(100, stage.signal);
    }
  }
}
