import { setImmediate } from "node:timers/promises";
import { SERVER_ROUTES } from "../../api/server-routes.ts";
import type { LedgerEntry } from "../../api/server-schemas.ts";
import { Line } from "../../runtime/line.ts";
import type { LineOffice } from "../../runtime/line-routes.ts";
import { isOver } from "../commands/deployment.ts";
import { ledgerText } from "../commands/ledger.ts";
import { interrupted, pause } from "../interruption.ts";
import { Screen } from "../live/screen.ts";
import { renderLines, renderSummary } from "../live/view.ts";
import type { Control } from "../parts.ts";
import { Progress } from "../progress.ts";
import { publishPackage } from "../publishing.ts";
import { Children } from "./children.ts";
import {
  claimFolder,
  type DemoState,
  NO_STATE,
  readDemoState,
  removeDemoState,
  writeDemoState,
} from "./demo-state.ts";
import { Meter, type OfficeResult, officeResults, type Seen, viewOf } from "./measurement.ts";
import { type Stage, type StageOptions, startOrganisation } from "./organisation.ts";
import type { DemoPlan } from "./plan.ts";
import { checkPorts, packageSource } from "./preparation.ts";

/** What a demonstration came to; with `--json` its last line. */
export type DemoResult = {
  readonly ok: boolean;
  readonly contentId: string;
  readonly sizeBytes: number;
  readonly seconds: number;
  readonly devices: number;
  readonly verified: number;
  readonly offices: readonly OfficeResult[];
};

/** How a demonstration is to be run. */
export type DemoOptions = StageOptions & {
  /** Forgets what earlier runs have left. */
  readonly fresh: boolean;
  /** Whether the organisation stays up after that, until the signal aborts. */
  readonly stayUp: boolean;
  /** Told once, when every device has come to an end. */
  onResult(result: DemoResult): void;
};

/**
 * Runs the demonstration: a server and agents, each a process of its own, in offices of
 * every type with slow lines between them, and distributes a package to all.
 *
 * Every process has ended when the promise is settled, whichever way.
 */
export async function runDemo(plan: DemoPlan, options: DemoOptions): Promise<void> {
  const screen = new Screen(options.output);
  if (options.fresh) await removeDemoState(plan);
  const earlier = await readDemoState(plan);
  screen.say(
    earlier === undefined
      ? `A new demonstration organisation in ${plan.folder}.`
      : `The demonstration organisation of an earlier run, found in ${plan.folder} (--fresh starts anew).`,
  );
  await checkPorts(plan);
  await claimFolder(plan);
  const children = new Children(plan.logs);
  const kill = () => children.kill();
  process.on("exit", kill);
  const line = await Line.open({
    listen: { host: "127.0.0.1", port: 0 },
    offices: lineOffices(plan),
    mbit: LINE_MBIT,
  });
  const stage = { plan, options, screen, children, line };
  try {
    await distribute(stage, earlier ?? NO_STATE, options.onResult);
    if (options.stayUp) await stayUp(stage);
  } catch (error) {
    // Ctrl-C in a terminal goes to our processes too: that they end then is no failure of theirs. On
    // a busy machine we hear of their end first, so what lies there unread is heard before we judge.
    await setImmediate();
    throw options.signal.aborted ? interrupted() : error;
  } finally {
    await children.end();
    await line.close();
    process.off("exit", kill);
  }
}

async function distribute(
  stage: Stage,
  earlier: DemoState,
  onResult: DemoOptions["onResult"],
): Promise<void> {
  const { control, state } = await startOrganisation(stage, earlier);
  const published = await publish(stage, state);
  const deploymentId = await deploy(stage, published, control);
  onResult(await watch(stage, published, control, deploymentId));
}

async function stayUp({ children, options }: Stage): Promise<never> {
  for (;;) {
    children.check();
    await pause(STAY_MS, options.signal);
  }
}

/** How often it is looked whether all processes still run, in milliseconds. */
const STAY_MS = 1_000;

/** Publishes the package through the first agent, unless an earlier run has. */
async function publish(stage: Stage, state: DemoState): Promise<DemoState> {
  const { plan, options, screen } = stage;
  const source = packageSource(plan.package.path);
  const { name, version } = plan.package;
  if (state.published?.source === source) {
    screen.say(`${name} ${version} has been published before.`);
    return state;
  }
  screen.say(`Publishing ${plan.package.path} as ${name} ${version}.`);
  const progress = new Progress({ ...NO_IO, stderr: options.output });
  try {
    const { contentId } = await publishPackage({
      ...plan.package,
      type: "application",
      keyFile: `${plan.publisher}.key`,
      workFolder: plan.work,
      agentData: plan.agents[0]?.data ?? "",
      signal: options.signal,
      onProgress: (what, done, total) => progress.show(what, done, total),
    });
    const next = { ...state, published: { source, contentId } };
    await writeDemoState(plan, next);
    return next;
  } finally {
    progress.end();
  }
}

const NO_IO = { stdout: { write: () => {} }, environment: {} };

/** Has the content distributed to every device, unless an earlier run has. */
async function deploy(stage: Stage, state: DemoState, control: Control): Promise<string> {
  const { published } = state;
  if (published?.deploymentId !== undefined) return published.deploymentId;
  const contentId = published?.contentId ?? "";
  const { deploymentId } = await control(SERVER_ROUTES.deploy, {
    body: { contentId, targets: { all: true } },
  });
  if (published !== undefined) {
    await writeDemoState(stage.plan, { ...state, published: { ...published, deploymentId } });
  }
  return deploymentId;
}

/** Shows the distribution until every device has come to an end. */
async function watch(
  stage: Stage,
  state: DemoState,
  control: Control,
  deploymentId: string,
): Promise<DemoResult> {
  const { plan, options, screen, children, line } = stage;
  const meter = new Meter(plan.lines);
  for (;;) {
    children.check();
    const deployment = await control(SERVER_ROUTES.showDeployment, { params: { deploymentId } });
    meter.add(performance.now(), line.counters());
    const seen = { plan, state, deployment, meter, nowMs: Date.now() };
    const view = viewOf(seen);
    const over = isOver(deployment);
    if (!over || options.output.isTTY === true) screen.show(view);
    if (over) {
      const query = { content: deployment.contentId };
      const { entries } = await control(SERVER_ROUTES.showLedger, { query });
      for (const text of renderSummary(view)) screen.say(text);
      screen.say(`\nThe WAN ledger:\n${ledgerText(entries)}\n\n${renderLines(view)}\n`);
      return resultOf(seen, entries, view.seconds);
    }
    await pause(WATCH_MS, options.signal);
  }
}

/** How often the server is asked how far it is, in milliseconds. */
const WATCH_MS = 250;

function resultOf(seen: Seen, ledger: readonly LedgerEntry[], seconds: number): DemoResult {
  const { plan, deployment } = seen;
  const verified = deployment.devices.filter((device) => device.state === "complete").length;
  return {
    ok: verified === plan.agents.length && deployment.devices.length === plan.agents.length,
    contentId: deployment.contentId,
    sizeBytes: deployment.sizeBytes,
    seconds: Math.round(seconds * 10) / 10,
    devices: deployment.devices.length,
    verified,
    offices: officeResults(seen, ledger),
  };
}

/** What the line emulator has to know: the offices at both ends of each line. */
function lineOffices({ offices, lines }: DemoPlan): readonly LineOffice[] {
  const roots = offices.filter(({ parent }) => parent === undefined);
  return [
    ...roots.map(({ name, subnets }) => ({ name, subnets })),
    ...lines.map(({ name, parent, subnets, mbit }) => ({
      name,
      parent,
      subnets,
      upMbit: mbit,
      downMbit: mbit,
    })),
  ];
}

/** Every line of the plan names its own rate. */
const LINE_MBIT = 100;
