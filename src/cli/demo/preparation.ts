import { createSocket } from "node:dgram";
import { once } from "node:events";
import { existsSync, statSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { stringify } from "smol-toml";
import { SERVER_ROUTES } from "../../api/server-routes.ts";
import { DEVICE_PORTS, offsetPorts, SERVER_PORTS } from "../../effects/channels.ts";
import { OperatorError } from "../../runtime/operator-error.ts";
import { interrupted } from "../interruption.ts";
import { type Control, enrolTheAgent, initialiseTheServer, makePublisherKey } from "../parts.ts";
import { agentSettings, serverSettings } from "../settings-flags.ts";
import { type DemoState, writeDemoState } from "./demo-state.ts";
import type { DemoPlan, PlannedAgent } from "./plan.ts";

/**
 * Makes sure that every address and port of the demonstration is free, before anything is made.
 *
 * @throws OperatorError `demo-port` that names the first that is not.
 */
export async function checkPorts(plan: DemoPlan): Promise<void> {
  for (const port of new Set(Object.values(SERVER_PORTS))) {
    await checkPort(plan.server.address, port);
  }
  for (const agent of plan.agents) {
    for (const port of new Set(Object.values(offsetPorts(DEVICE_PORTS, agent.portOffset)))) {
      await checkPort(agent.address, port);
    }
  }
}

/** Makes the publisher's key, the settings files and the server, as far as they are not there. */
export async function prepareFolders(plan: DemoPlan, state: DemoState): Promise<DemoState> {
  await mkdir(dirname(plan.publisher), { recursive: true });
  if (!existsSync(`${plan.publisher}.publisher`)) {
    await rm(`${plan.publisher}.key`, { force: true });
    await makePublisherKey(plan.publisher);
  }
  // What an interrupted run has left half-made is made anew.
  if (!state.serverReady) await rm(plan.server.data, { recursive: true, force: true });
  await mkdir(plan.server.data, { recursive: true, mode: 0o700 });
  await writeFile(join(plan.server.data, "server.toml"), serverFile(plan));
  if (state.serverReady) return state;
  await initialiseTheServer(serverSettings({ data: plan.server.data }, BARE));
  const next = { ...state, serverReady: true };
  await writeDemoState(plan, next);
  return next;
}

/** Enrols the agents that are not enrolled yet. */
export async function enrolAgents(enrolment: {
  readonly plan: DemoPlan;
  readonly state: DemoState;
  readonly control: Control;
  /** The line's address as `key=value`. */
  readonly lineAddress: string;
  readonly signal: AbortSignal;
}): Promise<DemoState> {
  const { plan, control } = enrolment;
  let { state } = enrolment;
  const missing = plan.agents.filter(({ name }) => state.deviceIds[name] === undefined);
  const known = plan.agents.filter((agent) => !missing.includes(agent));
  // What an earlier version has written may lack a setting.
  for (const agent of known) await writeFile(join(agent.data, "agent.toml"), agentFile(agent));
  if (missing.length === 0) return state;
  const { fingerprint } = await control(SERVER_ROUTES.showServer);
  const { securityKey } = await control(SERVER_ROUTES.regenerateSecurityKey);
  for (let first = 0; first < missing.length; first += ENROLLING_MAX) {
    if (enrolment.signal.aborted) throw interrupted();
    const some = missing.slice(first, first + ENROLLING_MAX);
    const enrolled = await Promise.allSettled(
      some.map(async (agent) => {
        await rm(agent.data, { recursive: true, force: true });
        await mkdir(agent.data, { recursive: true, mode: 0o700 });
        await writeFile(join(agent.data, "agent.toml"), agentFile(agent));
        const settings = agentSettings({ data: agent.data, set: [enrolment.lineAddress] }, BARE);
        const { deviceId } = await enrolTheAgent(settings, {
          server: plan.server.address,
          key: securityKey,
          fingerprint,
          publisherFiles: [`${plan.publisher}.publisher`],
        });
        return [agent.name, deviceId] as const;
      }),
    );
    // Whoever has an identity keeps it, also where another of them failed.
    const ids = enrolled.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    state = { ...state, deviceIds: { ...state.deviceIds, ...Object.fromEntries(ids) } };
    await writeDemoState(plan, state);
    for (const one of enrolled) if (one.status === "rejected") throw one.reason;
  }
  return state;
}

/** How many agents enrol at once. */
const ENROLLING_MAX = 4;

/** Names a package so that another, or a changed one, has another name. */
export function packageSource(path: string): string {
  const { size, mtimeMs } = statSync(path);
  return `${path} ${size} ${Math.floor(mtimeMs)}`;
}

/** The demonstration is the same whatever settings the user's own environment holds. */
const BARE = { stdout: { write: () => {} }, stderr: { write: () => {} }, environment: {} };

function serverFile(plan: DemoPlan): string {
  return stringify({
    organisation: "Demonstration",
    publishers: [`${plan.publisher}.publisher`],
    network: { address: plan.server.address },
  });
}

function agentFile(agent: PlannedAgent): string {
  const { address, portOffset, broadcast } = agent;
  return stringify({
    network: {
      address,
      port_offset: portOffset,
      ...(broadcast === undefined ? {} : { broadcast }),
    },
  });
}

async function checkPort(host: string, port: number): Promise<void> {
  const socket = createSocket("udp4");
  try {
    const listening = once(socket, "listening");
    socket.bind(port, host);
    await listening;
  } catch (cause) {
    const taken = (cause as NodeJS.ErrnoException).code === "EADDRINUSE";
    throw new OperatorError(
      "demo-port",
      taken
        ? `UDP port ${port} on ${host} is taken. Is another demonstration or an agent running? End it first.`
        : `UDP port ${port} on ${host} cannot be used: ${(cause as Error).message}.`,
      { cause },
    );
  } finally {
    socket.close();
  }
}
