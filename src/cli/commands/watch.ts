import type { Command } from "commander";
import type { DeploymentDetail } from "../../api/deployment-schemas.ts";
import { EVENT_TOPICS, type EventView } from "../../api/event-schemas.ts";
import { SERVER_ROUTES } from "../../api/server-routes.ts";
import { addCommand, type CommandHost } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { untilInterrupted } from "../interruption.ts";
import type { Io } from "../io.ts";
import { liveView } from "../live/deployment-view.ts";
import { type ServerEvent, serverEvents } from "../live/event-stream.ts";
import { Rates } from "../live/rates.ts";
import { Screen } from "../live/screen.ts";
import { renderSummary } from "../live/view.ts";
import type { ServerConnection } from "../parts.ts";
import { openServer, type ServerOptions, serverOptions } from "../server-access.ts";
import { isOver } from "./deployment.ts";

type WatchOptions = ServerOptions & { readonly topics?: string };

/** Adds `watch`. */
export function addWatchCommand(program: Command, host: CommandHost): void {
  addCommand<WatchOptions>(program, host, {
    usage: "watch [deployment]",
    description:
      "Draw the tree of offices while something is distributed: each line, each RVP, how far each " +
      "device is. Without a deployment the newest that is under way, one after the other, until " +
      "Ctrl-C. With --json every event is a line of JSON.",
    examples: ["branchline watch", "branchline watch 3ff3a60086bd9d99", "branchline watch --json"],
    options: [
      {
        flags: "--topics <list>",
        description: `with --json, of what, with commas between them: ${EVENT_TOPICS.join(", ")}`,
      },
      ...serverOptions(),
    ],
    run: async ({ arguments: [deploymentId], options, io }) => {
      const server = await openServer(options, io);
      return await untilInterrupted(async (signal) => {
        if (options.json === true) return await writeEvents(server, options.topics, { io, signal });
        return await drawTree(server, deploymentId, { io, signal });
      });
    },
  });
}

type Surroundings = { readonly io: Io; readonly signal: AbortSignal };

async function writeEvents(
  server: ServerConnection,
  topics: string | undefined,
  { io, signal }: Surroundings,
): Promise<{ readonly json: undefined; readonly text: string }> {
  for await (const { kind, data } of serverEvents(server, topics, signal)) {
    io.stdout.write(`${JSON.stringify({ kind, ...(data as object) })}\n`);
  }
  return { json: undefined, text: "" };
}

/** Most devices of an office that are drawn: some lines for each of the others stay. */
const DEVICES_DRAWN_MAX = 12;

/** Over how long a rate is taken, in milliseconds: devices report each few seconds. */
const RATE_MS = 6_000;

async function drawTree(
  server: ServerConnection,
  wanted: string | undefined,
  { io, signal }: Surroundings,
): Promise<{ readonly json: undefined; readonly text: string; readonly exitCode?: number }> {
  const look = { screen: new Screen(io.stdout), rates: new Rates(RATE_MS) };
  for await (const one of standings(server, wanted, signal)) {
    if (one === undefined) {
      look.screen.say("Nothing is being distributed yet.");
      continue;
    }
    const view = draw(one, look);
    if (!isOver(one)) continue;
    for (const line of renderSummary(view)) look.screen.say(line);
    if (wanted === undefined) continue;
    const verified = one.devices.every(({ state }) => state === "complete");
    return { json: undefined, text: "", exitCode: verified ? EXIT.ok : EXIT.failed };
  }
  return { json: undefined, text: "" };
}

/**
 * How a deployment stands, each time that it stands otherwise: the wanted one, or the newest under way
 * until it is over, and then the next; `undefined` where there is none at the beginning.
 */
async function* standings(
  server: ServerConnection,
  wanted: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<DeploymentDetail | undefined> {
  let followed = wanted;
  for await (const event of serverEvents(server, "deployments", signal)) {
    if (followed !== undefined && isAboutAnother(event, followed)) continue;
    followed ??= await newestUnderWay(server);
    if (followed === undefined) {
      if (event.kind === "ready") yield undefined;
      continue;
    }
    const params = { deploymentId: followed };
    const one = await server(SERVER_ROUTES.showDeployment, { params });
    yield one;
    if (isOver(one)) followed = wanted;
  }
}

function isAboutAnother({ data }: ServerEvent, deploymentId: string): boolean {
  const { deployment } = data as Partial<EventView>;
  return deployment !== undefined && deployment.deploymentId !== deploymentId;
}

async function newestUnderWay(server: ServerConnection): Promise<string | undefined> {
  const query = { finished: false, limit: 1 };
  const { deployments } = await server(SERVER_ROUTES.listDeployments, { query });
  return deployments[0]?.deploymentId;
}

function draw(
  one: DeploymentDetail,
  { screen, rates }: { readonly screen: Screen; readonly rates: Rates },
): ReturnType<typeof liveView> {
  rates.add(
    performance.now(),
    new Map(one.offices.map(({ office, wanBytes }) => [office, wanBytes])),
  );
  const view = liveView(one, {
    nowMs: Date.now(),
    nameOf: ({ hostName }) => hostName,
    lineOf: (office) => ({
      rates: [],
      bytes: rates.bytes(office),
      bytesPerS: rates.bytesPerS(office),
    }),
    devicesMax: DEVICES_DRAWN_MAX,
  });
  screen.show(view);
  return view;
}
