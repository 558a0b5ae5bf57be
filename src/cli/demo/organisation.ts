import { SERVER_ROUTES } from "../../api/server-routes.ts";
import type { Line } from "../../runtime/line.ts";
import type { Output } from "../io.ts";
import type { Screen } from "../live/screen.ts";
import { type Control, openControl } from "../parts.ts";
import type { Children } from "./children.ts";
import type { DemoState } from "./demo-state.ts";
import type { DemoPlan } from "./plan.ts";
import { enrolAgents, prepareFolders } from "./preparation.ts";
import { waitFor } from "./waiting.ts";

/** How a demonstration is to be run, as far as all of its steps need it. */
export type StageOptions = {
  /** Where the live view goes. */
  readonly output: Output;
  readonly signal: AbortSignal;
};

/** What a demonstration happens on. */
export type Stage = {
  readonly plan: DemoPlan;
  readonly options: StageOptions;
  readonly screen: Screen;
  readonly children: Children;
  readonly line: Line;
};

/**
 * How many agents may be starting at once. A start is work for one processor: more of them would
 * wait for each other, and the first would be no sooner there than the last.
 */
const STARTING_MAX = 4;

/** An organisation that is up. */
export type Organisation = { readonly control: Control; readonly state: DemoState };

/** Starts the server and all agents, after having made whatever of them is not there yet. */
export async function startOrganisation(stage: Stage, earlier: DemoState): Promise<Organisation> {
  const { plan, screen, children, options } = stage;
  let state = await prepareFolders(plan, earlier);
  const lineAddress = `network.line=${stage.line.address.host}:${stage.line.address.port}`;
  children.start("server", ["server", "run", "--data", plan.server.data, "--set", lineAddress]);
  const control = await openControl(plan.server.data);
  await waitFor(stage, "the server to answer", () => control(SERVER_ROUTES.showServer));
  await control(SERVER_ROUTES.replaceOffices, {
    body: {
      offices: plan.offices.map((office) => ({ ...office, subnets: [...office.subnets] })),
    },
  });
  state = await enrolAgents({ plan, state, control, lineAddress, signal: options.signal });
  await startAgents(stage, control, lineAddress);
  const offices = plan.offices.map(
    ({ name }) => `${name} (${plan.agents.filter(({ office }) => office === name).length})`,
  );
  screen.say(`The server and ${plan.agents.length} agents are up: ${offices.join(", ")}.`);
  return { control, state };
}

async function startAgents(stage: Stage, control: Control, lineAddress: string): Promise<void> {
  const { plan, children } = stage;
  const present = async () => {
    const { devices } = await control(SERVER_ROUTES.listDevices);
    return devices.filter((device) => device.present).length;
  };
  for (const [index, agent] of plan.agents.entries()) {
    const enough = index + 1 - STARTING_MAX;
    if (enough > 0) {
      await waitFor(stage, `${enough} agents to report to the server`, async () =>
        (await present()) >= enough ? true : undefined,
      );
    }
    children.start(agent.name, ["agent", "run", "--data", agent.data, "--set", lineAddress]);
  }
  await waitFor(stage, "every agent to report to the server", async () =>
    (await present()) >= plan.agents.length ? true : undefined,
  );
}
