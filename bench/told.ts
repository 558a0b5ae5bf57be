import { SERVER_ROUTES } from "../src/api/server-routes.ts";
import { pause } from "../src/cli/interruption.ts";
import { percentile } from "./adaptive/percentile.ts";
import { Crowd } from "./clients/clients.ts";
import { CrowdedServer, contentAt } from "./clients/server.ts";
import { digits } from "./figures.ts";
import { usageOf } from "./organisation/programs.ts";
import type { Bench, Stage } from "./stage.ts";

/** How many devices there are unless the command line says. */
const DEVICES = 10_000;

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
    const server = await CrowdedServer.start(stage, devices);
    const crowd = new Crowd(stage, server.authorityFile, devices);
    await crowd.connected(stage, () => server.isRunning);
    await pause(QUIET_MS, stage.signal);
    const { lost: lostBefore } = await crowd.ask("state");
    let deploymentId = "";
    const deploy = await round(stage, crowd, async () => {
      const targets = { all: true } as const;
      const body = { contentId: contentAt(0), targets, priority: "high" } as const;
      ({ deploymentId } = await server.api(SERVER_ROUTES.deploy, { body }));
    });
    const held = await round(stage, crowd, async () => {
      const body = { deploymentId, order: { kind: "pause" } } as const;
      await server.api(SERVER_ROUTES.steerDeployments, { body });
    });
    const lost = (await crowd.ask("state")).lost - lostBefore;
    const rounds = [deploy, held];
    const ok = rounds.every(({ told, maxMs }) => told === devices && maxMs <= TOLD_MS_MAX);
    return {
      ok: ok && lost === 0,
      devices,
      lost,
      ...deploy,
      pause: held,
      serverRssBytes: usageOf(server.pid)?.rssBytes,
    };
  },
};

/** Has something said to all, and waits until all have heard it. */
async function round(stage: Stage, crowd: Crowd, say: () => Promise<void>): Promise<Round> {
  const { devices } = crowd;
  await crowd.ask("forget");
  const beganUs = machineUs();
  await say();
  const answeredMs = digits((machineUs() - beganUs) / 1_000, 1);
  let told = 0;
  while (told < devices && machineUs() - beganUs < PATIENCE_MS * 1_000) {
    // Who is asked has less time to hear.
    await pause(1_000, stage.signal);
    told = (await crowd.ask("state")).count;
  }
  const { heardUs } = await crowd.ask("heard");
  const tookMs = heardUs.map((atUs) => (atUs - beganUs) / 1_000);
  const figures = {
    told: heardUs.length,
    answeredMs,
    p50Ms: digits(percentile(tookMs, 0.5), 1),
    p99Ms: digits(percentile(tookMs, 0.99), 1),
    maxMs: digits(percentile(tookMs, 1), 1),
  };
  stage.say(`told ${JSON.stringify(figures)}`);
  return figures;
}

/** The machine's counting clock, which all processes share. */
function machineUs(): number {
  return Number(process.hrtime.bigint() / 1_000n);
}
