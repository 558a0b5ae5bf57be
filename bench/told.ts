import { readFileSync } from "node:fs";
import { SERVER_ROUTES } from "../src/api/server-routes.ts";
import { pause } from "../src/cli/interruption.ts";
import { OperatorError } from "../src/runtime/operator-error.ts";
import { percentile } from "./adaptive/percentile.ts";
import { Clients, type Said } from "./clients/clients.ts";
import { CONTENT, type CrowdedServer, startServer } from "./clients/server.ts";
import { digits } from "./figures.ts";
import type { Bench, Stage } from "./stage.ts";

/** How many devices there are unless the command line says, and in how many processes. */
const DEVICES = 10_000;
const PROCESSES = 2;

/** Within which time everybody has to hear. */
const TOLD_MS_MAX = 2_000;

/** After which time nobody is waited for any more. */
const PATIENCE_MS = 60_000;

/** How long it has to be quiet before anything is measured. */
const QUIET_MS = 5_000;

/** When devices heard, after the operator's request was sent. */
type Round = {
  readonly told: number;
  readonly answeredMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
};

/** Thousands hear of a deployment, and of a pause, at once. */
export const TOLD: Bench = {
  claim: "10,000 connected devices hear of a deployment and of a pause within 2 s",
  simulated: true,
  copies: 0,
  devices: DEVICES,
  run: async (stage) => {
    const { devices = DEVICES } = stage.options;
    const server = await startServer(stage, devices);
    const clients = await connectAll(stage, server, devices);
    await pause(QUIET_MS, stage.signal);
    const lostBefore = lostOf(await askAll(clients, "state"));
    let deploymentId = "";
    const deploy = await round(stage, { clients, devices }, async () => {
      const targets = { all: true } as const;
      const body = { contentId: CONTENT, targets, priority: "high" } as const;
      ({ deploymentId } = await server.control(SERVER_ROUTES.deploy, { body }));
    });
    const held = await round(stage, { clients, devices }, async () => {
      const body = { deploymentId, order: { kind: "pause" } } as const;
      await server.control(SERVER_ROUTES.steerDeployments, { body });
    });
    const lost = lostOf(await askAll(clients, "state")) - lostBefore;
    const rounds = [deploy, held];
    const ok = rounds.every(({ told, maxMs }) => told === devices && maxMs <= TOLD_MS_MAX);
    return {
      ok: ok && lost === 0,
      devices,
      lost,
      ...deploy,
      pause: held,
      serverRssBytes: rssBytes(server.pid),
    };
  },
};

async function connectAll(
  stage: Stage,
  server: CrowdedServer,
  devices: number,
): Promise<readonly Clients[]> {
  const each = Math.ceil(devices / PROCESSES);
  const clients = Array.from({ length: PROCESSES }, (_, number) => {
    const first = number * each;
    return new Clients(server.authorityFile, first, Math.min(each, devices - first));
  });
  for (const one of clients) stage.own(one);
  for (let up = 0; up < devices; ) {
    await pause(2_000, stage.signal);
    if (!server.isRunning()) {
      throw new OperatorError("bench-plan", "The server has ended: --keep keeps its log.");
    }
    const states = await askAll(clients, "state");
    up = states.reduce((sum, said) => sum + said.up - said.lost, 0);
    stage.say(`${up} of ${devices} devices are connected`);
  }
  return clients;
}

/** Has something said to all, and waits until all have heard it. */
async function round(
  stage: Stage,
  { clients, devices }: { readonly clients: readonly Clients[]; readonly devices: number },
  say: () => Promise<void>,
): Promise<Round> {
  await askAll(clients, "forget");
  const beganUs = machineUs();
  await say();
  const answeredMs = digits((machineUs() - beganUs) / 1_000, 1);
  let told = 0;
  while (told < devices && machineUs() - beganUs < PATIENCE_MS * 1_000) {
    // Who is asked has less time to hear.
    await pause(1_000, stage.signal);
    told = (await askAll(clients, "state")).reduce((sum, { count }) => sum + count, 0);
  }
  const heard = (await askAll(clients, "heard")).flatMap(({ heardUs }) => heardUs);
  const tookMs = heard.map((atUs) => (atUs - beganUs) / 1_000);
  const figures = {
    told: heard.length,
    answeredMs,
    p50Ms: digits(percentile(tookMs, 0.5), 1),
    p99Ms: digits(percentile(tookMs, 0.99), 1),
    maxMs: digits(percentile(tookMs, 1), 1),
  };
  stage.say(`told ${JSON.stringify(figures)}`);
  return figures;
}

/** How many associations have ended; their devices connect anew. */
function lostOf(states: readonly Said[]): number {
  return states.reduce((sum, { lost }) => sum + lost, 0);
}

async function askAll(
  clients: readonly Clients[],
  what: "state" | "heard" | "forget",
): Promise<readonly Said[]> {
  return await Promise.all(clients.map((one) => one.ask(what)));
}

/** The machine's counting clock, which all processes share. */
function machineUs(): number {
  return Number(process.hrtime.bigint() / 1_000n);
}

function rssBytes(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kib ?? 0) * 1_024;
}
