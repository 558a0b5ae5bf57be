import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "smol-toml";
import { onTestFinished } from "vitest";
import { AGENT_ROUTES } from "../../../src/api/agent-routes.ts";
import type { AgentContentView, AgentStatusView } from "../../../src/api/agent-schemas.ts";
import type { DeploymentDetail } from "../../../src/api/deployment-schemas.ts";
import { SERVER_ROUTES } from "../../../src/api/server-routes.ts";
import { type Control, openControl } from "../../../src/cli/parts.ts";
import type { Address } from "../../../src/effects/network.ts";
import { Line } from "../../../src/runtime/line.ts";
import type { LineOffice } from "../../../src/runtime/line-routes.ts";
import { type CommandOptions, Program, runForJson } from "./programs.ts";
import { waitFor } from "./waiting.ts";

/** What an organisation is to consist of. */
export type OrganisationPlan = {
  /** How many agents each office has. */
  readonly central: number;
  readonly branch: number;
  /** The rate of the line between the offices in Mbit/s; without one there is no line. */
  readonly lineMbit?: number;
  /** Something else than our line emulator that carries what leaves an office. */
  readonly line?: Address;
  /** Every program on one port instead of the table. */
  readonly singlePort?: number;
  /** The PostgreSQL database of the server; without one it has its file. */
  readonly databaseUrl?: string;
};

/** A content as `publish` tells of it. */
export type Published = {
  readonly contentId: string;
  readonly sizeBytes: number;
  readonly pieces: number;
};

/** What is published. */
export type Package = { readonly path: string; readonly name: string; readonly version: string };

/** Has something done at the end of a test, or of all tests of a file. */
export type AtEnd = (end: () => Promise<void>, timeoutMs: number) => void;

/** How long it may take until every process has ended, in milliseconds. */
const END_MS = 30_000;

/** The organisation's name. */
export const ORGANISATION = "Consolidated Testing and Sons";

/** Names of the offices. */
export const CENTRAL = "Central Office";
export const BRANCH = "Branch Office";

/** A computer of the organisation: where it is, and the program that runs on it. */
export type Machine = {
  readonly name: string;
  readonly office: string;
  readonly address: string;
  readonly data: string;
  program?: Program;
};

/**
 * An organisation of real processes in a folder of its own, on addresses of its own: 127.31.n.x in
 * the Central Office and 127.32.n.x in the branch office. It is gone when the test is over,
 * whatever happens.
 */
export class Organisation {
  readonly folder: string;
  readonly server: Machine;
  readonly agents: readonly Machine[];
  readonly line: Line | undefined;
  readonly offices: readonly LineOffice[];
  /** What `server init` printed. */
  securityKey = "";
  fingerprint = "";
  readonly #plan: OrganisationPlan;
  readonly #claim: Claim;

  /** Makes folders, settings files and the publisher's key; nothing runs yet. */
  static async make(plan: OrganisationPlan, atEnd: AtEnd = onTestFinished): Promise<Organisation> {
    const claim = await claimNetwork();
    const folder = await mkdtemp(join(tmpdir(), "bl-"));
    const offices = [
      { name: CENTRAL, subnets: [`127.31.${claim.number}.0/24`] },
      { name: BRANCH, parent: CENTRAL, subnets: [`127.32.${claim.number}.0/24`] },
    ];
    const line =
      plan.lineMbit === undefined
        ? undefined
        : await Line.open({
            listen: { host: "127.0.0.1", port: 0 },
            offices,
            mbit: plan.lineMbit,
          });
    const organisation = new Organisation({ plan, claim, folder, offices, line });
    atEnd(() => organisation.end(), END_MS);
    await runForJson(["publisher", "key", "new", join(folder, "it")], organisation.commands);
    for (const machine of [organisation.server, ...organisation.agents]) {
      await organisation.#writeSettings(machine);
    }
    return organisation;
  }

  /** An organisation in which all agents are enrolled and run. */
  static async start(plan: OrganisationPlan, atEnd?: AtEnd): Promise<Organisation> {
    const organisation = await Organisation.make(plan, atEnd);
    await organisation.initialise();
    await organisation.bringUp();
    return organisation;
  }

  private constructor(parts: {
    readonly plan: OrganisationPlan;
    readonly claim: Claim;
    readonly folder: string;
    readonly offices: readonly LineOffice[];
    readonly line: Line | undefined;
  }) {
    const { plan, claim, folder } = parts;
    this.#plan = plan;
    this.#claim = claim;
    this.folder = folder;
    this.offices = parts.offices;
    this.line = parts.line;
    this.server = {
      name: "server",
      office: CENTRAL,
      address: `127.31.${claim.number}.1`,
      data: join(folder, "server"),
    };
    this.agents = [
      ...machines(
        folder,
        { office: CENTRAL, prefix: "central", network: `127.31.${claim.number}` },
        plan.central,
      ),
      ...machines(
        folder,
        { office: BRANCH, prefix: "branch", network: `127.32.${claim.number}` },
        plan.branch,
      ),
    ];
  }

  /** How commands are run in this organisation. */
  get commands(): CommandOptions {
    return { home: this.folder };
  }

  /** Where packages are put together while they are published. */
  get work(): string {
    return join(this.folder, "work");
  }

  /** All its addresses, in CIDR notation. */
  get subnets(): readonly string[] {
    return this.offices.flatMap(({ subnets }) => subnets);
  }

  /** The agent with this name: `central-1`, `branch-2`. */
  agent(name: string): Machine {
    const found = this.agents.find((agent) => agent.name === name);
    if (found === undefined) throw new Error(`there is no agent ${name}`);
    return found;
  }

  agentsOf(office: string): readonly Machine[] {
    return this.agents.filter((agent) => agent.office === office);
  }

  /** Starts the server, imports the topology, enrols and starts all agents. */
  async bringUp(): Promise<void> {
    await this.startServer();
    await this.importTopology();
    await Promise.all(this.agents.map((agent) => this.enrol(agent)));
    await this.startAgents();
  }

  /** `server init`. */
  async initialise(): Promise<void> {
    const args = ["server", "init", "--data", this.server.data];
    Object.assign(this, await runForJson<object>(args, this.commands));
  }

  /** @param environment - What its settings are besides those in its file. */
  async startServer(environment: Readonly<Record<string, string>> = {}): Promise<void> {
    this.server.program = this.#run(this.server, "server", environment);
    await waitFor("the server to answer", async () => {
      expectRunning(this.server);
      return await (await this.control(this.server))(SERVER_ROUTES.showServer);
    });
  }

  /** `topology import` of both offices. */
  async importTopology(): Promise<void> {
    const rows = this.offices.map(
      ({ name, parent = "", subnets }) => `${name},${parent},default,${subnets.join(";")}`,
    );
    const file = join(this.folder, "offices.csv");
    await writeFile(file, ["Office,Parent Office,Office Type,Subnet", ...rows, ""].join("\n"));
    await runForJson(["topology", "import", file, "--data", this.server.data], this.commands);
  }

  /** `agent enrol`. Gives the device's id. */
  async enrol(agent: Machine): Promise<string> {
    const { deviceId } = await runForJson<{ deviceId: string }>(
      this.enrolment(agent),
      this.commands,
    );
    return deviceId;
  }

  /** The command line that enrols an agent, with what differs from the usual. */
  enrolment(
    agent: Machine,
    { key = this.securityKey, fingerprint = this.fingerprint, server = this.server.address } = {},
  ): readonly string[] {
    const publisher = join(this.folder, "it.publisher");
    const whom = ["--server", server, "--key", key, "--fingerprint", fingerprint];
    return ["agent", "enrol", ...whom, "--publisher", publisher, "--data", agent.data];
  }

  /** Starts every agent, and waits until the server hears from all. */
  async startAgents(): Promise<void> {
    for (const agent of this.agents) this.startAgent(agent);
    await waitFor("every agent to report to the server", async () => {
      for (const agent of this.agents) expectRunning(agent);
      const { devices } = await (await this.control(this.server))(SERVER_ROUTES.listDevices);
      return devices.filter(({ present }) => present).length >= this.agents.length || undefined;
    });
  }

  startAgent(agent: Machine): void {
    agent.program = this.#run(agent, "agent");
  }

  /** `publish` through the agent of a machine of the Central Office. */
  async publish(
    { path, name, version }: Package,
    agent = this.agent("central-1"),
  ): Promise<Published> {
    return await runForJson<Published>(
      this.publication({ path, name, version }, agent),
      this.commands,
    );
  }

  /** The command line that publishes a package. */
  publication(
    { path, name, version }: Package,
    agent = this.agent("central-1"),
  ): readonly string[] {
    const what = [path, "--name", name, "--version", version, "--type", "application"];
    const where = ["--work", this.work, "--data", agent.data];
    return ["publish", ...what, "--key", join(this.folder, "it.key"), ...where];
  }

  /** `deploy` to all devices. Gives the deployment's id. */
  async deploy({ contentId }: Pick<Published, "contentId">): Promise<string> {
    const args = ["deploy", contentId, "--all", "--data", this.server.data];
    const { deploymentId } = await runForJson<{ deploymentId: string }>(args, this.commands);
    return deploymentId;
  }

  /** Waits until every device has verified a deployment. */
  async distributed(deploymentId: string, patienceMs = 150_000): Promise<DeploymentDetail> {
    let last: DeploymentDetail | undefined;
    try {
      return await waitFor(
        "the end of the deployment",
        async () => {
          last = await this.deployment(deploymentId);
          const { devices } = last;
          if (devices.length < this.agents.length) return undefined;
          const complete = devices.every(({ state }) => state === "complete");
          return complete && last.finishedAtMs !== undefined ? last : undefined;
        },
        { patienceMs },
      );
    } catch (cause) {
      const devices = last?.devices.map(
        (one) => `${one.office} ${one.state} ${one.heldBytes} ${one.problem}`,
      );
      const logs = this.agents.map(({ name, program }) => `${name}: ${program?.log.slice(-600)}`);
      throw new Error([`not distributed:`, ...(devices ?? []), ...logs].join("\n"), { cause });
    }
  }

  async deployment(deploymentId: string): Promise<DeploymentDetail> {
    const control = await this.control(this.server);
    return await control(SERVER_ROUTES.showDeployment, { params: { deploymentId } });
  }

  /** What an agent says of itself; `agent status` without the time that a process takes to start. */
  async status(agent: Machine): Promise<AgentStatusView> {
    return await (await this.control(agent))(AGENT_ROUTES.showStatus);
  }

  /** What an agent says of one content; `undefined` before it knows of it. */
  async contentOn(agent: Machine, contentId: string): Promise<AgentContentView | undefined> {
    const { contents } = await this.status(agent);
    return contents.find((content) => content.contentId === contentId);
  }

  /** What the agents of the Central Office have sent over the line, in bytes of pieces. */
  async sentOverLineBytes(contentId: string): Promise<number> {
    let bytes = 0;
    for (const agent of this.agentsOf(CENTRAL)) {
      bytes += (await this.contentOn(agent, contentId))?.wanOutBytes ?? 0;
    }
    return bytes;
  }

  /** The control interface of a program. */
  async control(machine: Machine): Promise<Control> {
    return await openControl(machine.data);
  }

  /** Ends every process and removes the folder. */
  async end(): Promise<void> {
    const programs = [...this.agents, this.server].flatMap(({ program }) => program ?? []);
    await Promise.all(programs.map((program) => program.end()));
    await this.line?.close();
    this.#claim.socket.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  #run(
    machine: Machine,
    program: "agent" | "server",
    environment: Readonly<Record<string, string>> = {},
  ): Program {
    const args = [program, "run", "--data", machine.data];
    return Program.start(args, { ...this.commands, environment });
  }

  async #writeSettings(machine: Machine): Promise<void> {
    const { singlePort, line = this.line?.address, databaseUrl } = this.#plan;
    const single = singlePort === undefined ? {} : { single_port: singlePort };
    const byLine = line === undefined ? {} : { line: `${line.host}:${line.port}` };
    const network = { address: machine.address, ...single, ...byLine };
    const settings =
      machine === this.server
        ? {
            organisation: ORGANISATION,
            publishers: [join(this.folder, "it.publisher")],
            network,
            ...(databaseUrl === undefined ? {} : { database: { url: databaseUrl } }),
          }
        : { network, server: single };
    await mkdir(machine.data, { mode: 0o700 });
    const file = machine === this.server ? "server.toml" : "agent.toml";
    await writeFile(join(machine.data, file), stringify(settings));
  }
}

/** A third number that no other organisation on this machine has in its addresses. */
type Claim = { readonly number: number; readonly socket: Socket };

/** The port that says by being bound that somebody uses a network. */
const CLAIM_PORT = 34_001;

/** Test files run side by side, and so may several checkouts: each organisation has its network. */
async function claimNetwork(): Promise<Claim> {
  for (let number = 1; number < 255; number += 1) {
    const socket = createSocket("udp4");
    try {
      const listening = once(socket, "listening");
      socket.bind({ port: CLAIM_PORT, address: `127.31.${number}.254`, exclusive: true });
      await listening;
      socket.unref();
      return { number, socket };
    } catch {
      socket.close();
    }
  }
  throw new Error("all networks from 127.31.1.0 to 127.31.254.0 are taken");
}

function machines(
  folder: string,
  { office, prefix, network }: { office: string; prefix: string; network: string },
  count: number,
): readonly Machine[] {
  return Array.from({ length: count }, (_, index) => {
    const name = `${prefix}-${index + 1}`;
    return { name, office, address: `${network}.${11 + index}`, data: join(folder, name) };
  });
}

function expectRunning({ name, program }: Machine): void {
  if (program?.running === true) return;
  throw new Error(`${name} has ended: ${program?.log}`);
}
