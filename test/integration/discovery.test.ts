import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { DEVICE_PORTS } from "../../src/effects/channels.ts";
import { QUESTION_BYTES } from "../../src/wire/discovery.ts";
import { BRANCH, CENTRAL, type Machine, Organisation } from "./support/organisation.ts";
import { runForJson } from "./support/programs.ts";
import { waitFor } from "./support/waiting.ts";

/** The only address of the loopback network that the kernel treats as a broadcast address. */
const EVERYBODY = "127.255.255.255";

const TIMEOUT_MS = 120_000;

test(
  "DI6, DI10: devices of an office find each other on their LAN; no broadcast leaves a WiFi office",
  async () => {
    const heard = await listen();
    const organisation = await start({ central: 3, branch: 2, branchType: "wifi" });
    const central = organisation.agentsOf(CENTRAL);
    const branch = organisation.agentsOf(BRANCH);

    // Who has not been told his office knows neither its key nor whom to ask.
    for (const agent of central) {
      const toldOffice = () => agent.program?.events.some(({ msg }) => msg === "office-assigned");
      await waitFor("an agent to hear of its office", () => toldOffice() || undefined);
    }
    // Without the server everybody has a reason to ask, for as long as it is away.
    await organisation.server.program?.kill();
    const before = new Map(central.map((agent) => [agent, questionsOf(heard, agent)]));
    await waitFor("every agent of the Central Office to ask again", () => {
      const all = central.every(
        (agent) => questionsOf(heard, agent) >= (before.get(agent) ?? 0) + 2,
      );
      return all || undefined;
    });
    // A question may be asked before the others listen; without the server it is asked again.
    for (const agent of central) {
      const others = central.filter((other) => other !== agent).map(({ address }) => address);
      await waitFor("an agent to hear of its office mates", () => {
        const found = discovered(agent);
        return others.every((address) => found.includes(address)) || undefined;
      });
    }

    expect(branch.map((agent) => questionsOf(heard, agent))).toEqual([0, 0]);
    // All hear everybody on this network: what another office says is nothing to them.
    const subnet = central[0]?.address.replace(/\d+$/, "") ?? "";
    for (const agent of central) {
      expect(discovered(agent).every((address) => address.startsWith(subnet))).toBe(true);
    }
    expect(branch.flatMap(discovered)).toEqual([]);
  },
  TIMEOUT_MS,
);

test(
  "C6: without the server a device that starts anew finds its office on the LAN, and is found",
  async () => {
    const organisation = await start({ central: 3, branch: 0, branchType: "default" });
    const [first, second, last] = organisation.agentsOf(CENTRAL);
    if (first === undefined || second === undefined || last === undefined) throw new Error("three");
    const hearsOthers = (): true | undefined => {
      const found = discovered(last);
      return (found.includes(first.address) && found.includes(second.address)) || undefined;
    };
    await waitFor("the last agent to hear of the others", hearsOthers);
    await last.program?.kill();
    await organisation.server.program?.kill();

    organisation.startAgent(last);
    await waitFor("the restarted agent to hear of the others", hearsOthers);

    expect(last.program?.events.some(({ msg }) => msg === "server-connected")).toBe(false);
  },
  TIMEOUT_MS,
);

/** Questions by the host that they came from. */
type Heard = Map<string, number>;

/** Counts what arrives at a listener on the broadcast address. */
async function listen(): Promise<Heard> {
  const heard: Heard = new Map();
  const socket = createSocket({ type: "udp4", reuseAddr: true });
  onTestFinished(() => void socket.close());
  socket.on("message", ({ length }, { address }) => {
    if (length === QUESTION_BYTES) heard.set(address, (heard.get(address) ?? 0) + 1);
  });
  const listening = once(socket, "listening");
  socket.bind({ address: EVERYBODY, port: DEVICE_PORTS.discovery ?? 0, exclusive: true });
  await listening;
  return heard;
}

function questionsOf(heard: Heard, { address }: Machine): number {
  return heard.get(address) ?? 0;
}

/** The addresses of the devices that an agent has heard from on its LAN. */
function discovered({ program }: Machine): readonly string[] {
  const events = program?.events ?? [];
  return events.flatMap(({ msg, host }) => (msg === "device-discovered" ? [String(host)] : []));
}

/** An organisation whose agents ask the whole loopback network, and log what they hear. */
async function start(plan: {
  readonly central: number;
  readonly branch: number;
  readonly branchType: string;
}): Promise<Organisation> {
  const organisation = await Organisation.make(plan);
  for (const { data } of organisation.agents) {
    const file = join(data, "agent.toml");
    const settings = await readFile(file, "utf8");
    const asking = settings.replace("[network]\n", `[network]\nbroadcast = "${EVERYBODY}"\n`);
    await writeFile(file, `${asking}\n[log]\nlevel = "debug"\n`);
  }
  await organisation.initialise();
  await organisation.startServer();
  const rows = organisation.offices.map(({ name, parent = "", subnets }) =>
    [name, parent, parent === "" ? "default" : plan.branchType, subnets.join(";")].join(","),
  );
  const file = join(organisation.folder, "typed.csv");
  await writeFile(file, ["Office,Parent Office,Office Type,Subnet", ...rows, ""].join("\n"));
  const { commands, server } = organisation;
  await runForJson(["topology", "import", file, "--data", server.data], commands);
  await Promise.all(organisation.agents.map((agent) => organisation.enrol(agent)));
  await organisation.startAgents();
  return organisation;
}
