import { mkdir, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stringify } from "smol-toml";
import { AGENT_ROUTES } from "../../src/api/agent-routes.ts";
import type { AgentContentView, AgentStatusView } from "../../src/api/agent-schemas.ts";
import type { DeploymentDetail } from "../../src/api/deployment-schemas.ts";
import { SERVER_ROUTES } from "../../src/api/server-routes.ts";
import {
  type Control,
  initialiseTheServer,
  makePublisherKey,
  openControl,
} from "../../src/cli/parts.ts";
import { type Published, publishPackage } from "../../src/cli/publishing.ts";
import { serverSettings } from "../../src/cli/settings-flags.ts";
import { readTopologyFile } from "../../src/cli/topology-file.ts";
import { OperatorError } from "../../src/runtime/operator-error.ts";
import { type Host, Network, type NetworkPlan, type Office } from "../net/network.ts";
import type { Stage } from "../stage.ts";
import { mountDisk } from "./disk.ts";
import { Program, runForJson, runScriptForJson } from "./programs.ts";
import { waitFor } from "./waiting.ts";

/** A computer and the program on it. */
export type Machine = {
  readonly host: Host;
  readonly name: string;
  readonly office: string;
  /** Its data folder. */
  readonly data: string;
  program: Program | undefined;
  /** What the server calls it; empty before it has enrolled, and for the server itself. */
  deviceId: string;
};

/** What one device of an organisation has that others have not. */
export type Peculiarity = {
  /** Settings of its agent. */
  readonly settings?: object;
  /** The size of a disk of its own, for all its data. */
  readonly diskBytes?: number;
  /** A script that runs, with its first arguments, instead of the executable. */
  readonly script?: readonly string[];
};

/** By the names of devices. */
export type Peculiarities = Readonly<Record<string, Peculiarity>>;

/** What is published. */
export type Package = { readonly path: string; readonly name: string; readonly version: string };

/** What an organisation as a whole has that others have not. */
export type Arrangement = {
  /** Changes the network that has just been made. */
  readonly network?: (network: Network) => Promise<void>;
  /** Subnets of an office beside its own. */
  readonly subnets?: (office: Office) => readonly string[];
  /** Settings of the server. */
  readonly server?: object;
  /** What happens when all devices are enrolled and no agent has started. */
  readonly enrolled?: (organisation: Organisation) => Promise<void>;
};

/** How many agents start at a time: more would only wait for a processor, and time out. */
const STARTING_MAX = availableParallelism() + 1;

/** Enrols several devices in one process. */
const ENROL_ALL = fileURLToPath(new URL("enrol-all.ts", import.meta.url));

/** A server and agents, each a process in the namespace of its computer. */
export class Organisation {
  readonly network: Network;
  readonly server: Machine;
  readonly #devices: Machine[];
  readonly #stage: Stage;
  readonly #peculiarities: Peculiarities;
  readonly #arrangement: Arrangement;

  /** Builds the network and brings everything up: when it is there, every agent is connected. */
  static async start(
    stage: Stage,
    plan: NetworkPlan,
    peculiarities: Peculiarities = {},
    arrangement: Arrangement = {},
  ): Promise<Organisation> {
    const network = await Network.make(plan, stage.namespaces);
    await arrangement.network?.(network);
    stage.say(`${network.offices.length} offices, ${network.devices.length} devices are wired`);
    const organisation = new Organisation(stage, network, { peculiarities, arrangement });
    const { securityKey, fingerprint } = await organisation.#prepare();
    await organisation.startServer();
    await organisation.#importTopology();
    await organisation.#enrolAll({ securityKey, fingerprint });
    stage.say("all devices are enrolled");
    await arrangement.enrolled?.(organisation);
    await organisation.startAgents(organisation.devices);
    await organisation.#connected();
    const cpuS = organisation.devices.map(({ program }) => program?.usage().cpuS ?? 0);
    const each = cpuS.reduce((sum, used) => sum + used, 0) / cpuS.length;
    stage.say(`all agents are connected (${each.toFixed(2)} s of a processor each)`);
    return organisation;
  }

  private constructor(
    stage: Stage,
    network: Network,
    own: { readonly peculiarities: Peculiarities; readonly arrangement: Arrangement },
  ) {
    this.#stage = stage;
    this.#peculiarities = own.peculiarities;
    this.#arrangement = own.arrangement;
    this.network = network;
    this.server = this.#machine(network.server);
    this.#devices = network.devices.map((host) => this.#machine(host));
  }

  get devices(): readonly Machine[] {
    return this.#devices;
  }

  /** Takes on one more computer, wherever it is: its agent runs, and is connected to the server. */
  async add(host: Host): Promise<Machine> {
    const device = this.#machine(host);
    await this.#prepareAgent(device);
    const control = await this.control(this.server);
    const { fingerprint } = await control(SERVER_ROUTES.showServer);
    const { securityKey } = await control(SERVER_ROUTES.regenerateSecurityKey);
    await this.enrol(device, { securityKey, fingerprint });
    this.#devices.push(device);
    this.startAgent(device);
    await this.#waitFor(`${device.name} to be connected`, async () => {
      return (await this.status(device)).server.connected || undefined;
    });
    return device;
  }

  #machine(host: Host): Machine {
    const { name, office } = host;
    const data = join(this.#stage.folder, name);
    return { host, name, office, data, program: undefined, deviceId: "" };
  }

  /** The device with this name: `central-1`, `a-3`. */
  device(name: string): Machine {
    const found = this.devices.find((device) => device.name === name);
    if (found !== undefined) return found;
    throw new OperatorError("bench-plan", `There is no device ${name} in this organisation.`);
  }

  /** The name of the device with this id. */
  nameOf(deviceId: string): string {
    return this.devices.find((device) => device.deviceId === deviceId)?.name ?? deviceId;
  }

  devicesOf(office: string): readonly Machine[] {
    return this.devices.filter((device) => device.office === office);
  }

  /** Starts the server and waits until it answers. */
  async startServer(): Promise<void> {
    this.server.program = this.#run(this.server, "server");
    const control = await this.control(this.server);
    await this.#waitFor("the server to answer", () => control(SERVER_ROUTES.showServer));
  }

  /** Starts an agent, and does not wait for it. */
  startAgent(device: Machine): void {
    device.program = this.#run(device, "agent");
  }

  /** Starts agents, a few at a time, and waits until each answers. */
  async startAgents(devices: readonly Machine[]): Promise<void> {
    const waiting = [...devices];
    const oneByOne = async (): Promise<void> => {
      for (let device = waiting.shift(); device !== undefined; device = waiting.shift()) {
        const started = device;
        this.startAgent(started);
        await this.#waitFor(`${started.name} to answer`, () => this.status(started));
      }
    };
    await Promise.all(Array.from({ length: STARTING_MAX }, oneByOne));
  }

  /** Kills a program and waits until it is gone. */
  async kill(machine: Machine): Promise<void> {
    const { program } = machine;
    // Its end is no surprise from now on.
    machine.program = undefined;
    program?.kill();
    await program?.ended;
  }

  /** The control interface of a program. */
  async control(machine: Machine): Promise<Control> {
    return await openControl(machine.data);
  }

  /** Publishes a package through the agent of the first device of the Central Office. */
  async publish(what: Package): Promise<Published> {
    const [publisher] = this.devices;
    return await publishPackage({
      ...what,
      type: "application",
      keyFile: `${this.#publisher}.key`,
      workFolder: join(this.#stage.folder, "work"),
      agentData: publisher?.data ?? "",
      signal: this.#stage.signal,
      onProgress: () => {},
    });
  }

  /** Has a content distributed to all devices. Gives the deployment's id. */
  async deploy({ contentId }: { readonly contentId: string }): Promise<string> {
    const control = await this.control(this.server);
    const body = { contentId, targets: { all: true as const } };
    return (await control(SERVER_ROUTES.deploy, { body })).deploymentId;
  }

  async deployment(deploymentId: string): Promise<DeploymentDetail> {
    const control = await this.control(this.server);
    return await control(SERVER_ROUTES.showDeployment, { params: { deploymentId } });
  }

  /** What an agent says of itself. @throws OperatorError where it does not run. */
  async status(device: Machine): Promise<AgentStatusView> {
    return await (await this.control(device))(AGENT_ROUTES.showStatus);
  }

  /** What an agent says of a content; `undefined` where it does not know of it, or does not run. */
  async contentOn(device: Machine, contentId: string): Promise<AgentContentView | undefined> {
    const status = await this.status(device).catch((error: unknown) => {
      if (error instanceof OperatorError) return undefined;
      throw error;
    });
    return status?.contents.find((content) => content.contentId === contentId);
  }

  /** Throws where a program has ended that should run. */
  check(): void {
    for (const { name, program } of [this.server, ...this.devices]) {
      if (program === undefined || program.running || this.mayEnd.has(name)) continue;
      throw new OperatorError(
        "bench-program",
        `The program on ${name} has ended by itself. It said last:\n${program.lastWords}`,
      );
    }
  }

  /** The names of computers whose programs we end ourselves. */
  readonly mayEnd: Set<string> = new Set();

  get #publisher(): string {
    return join(this.#stage.folder, "it");
  }

  #run(machine: Machine, kind: "agent" | "server"): Program {
    const program = Program.start(
      {
        namespace: machine.host.namespace,
        home: this.#stage.folder,
        log: join(this.#stage.folder, `${machine.name}.log`),
      },
      [kind, "run", "--data", machine.data],
      this.#peculiarities[machine.name]?.script,
    );
    this.#stage.own(program);
    return program;
  }

  /** Makes keys, folders and settings files, and the server's authority. */
  async #prepare(): Promise<{ readonly securityKey: string; readonly fingerprint: string }> {
    await makePublisherKey(this.#publisher);
    await writeSettings(this.server, "server", {
      organisation: "Bench",
      publishers: [`${this.#publisher}.publisher`],
      ...this.#arrangement.server,
    });
    for (const device of this.devices) await this.#prepareAgent(device);
    return await initialiseTheServer(serverSettings({ data: this.server.data }, BARE));
  }

  async #prepareAgent(device: Machine): Promise<void> {
    const { settings = {}, diskBytes } = this.#peculiarities[device.name] ?? {};
    if (diskBytes !== undefined) await mountDisk(device.data, diskBytes);
    await this.configure(device, settings);
  }

  /** Gives an agent settings; they count from its next start. */
  async configure(device: Machine, settings: object): Promise<void> {
    const { log } = this.#stage.options;
    await writeSettings(device, "agent", { log: { level: log }, ...settings });
  }

  async #importTopology(): Promise<void> {
    const rows = this.network.offices.map((office) => {
      const { name, parent = "", type, subnet } = office;
      const subnets = [subnet, ...(this.#arrangement.subnets?.(office) ?? [])];
      return [name, parent, type, subnets.join(";")].join(",");
    });
    const file = join(this.#stage.folder, "offices.csv");
    await writeFile(file, ["Office,Parent Office,Office Type,Subnet", ...rows, ""].join("\n"));
    const { offices } = await readTopologyFile(file);
    const control = await this.control(this.server);
    await control(SERVER_ROUTES.replaceOffices, { body: { offices: [...offices] } });
  }

  /** Brings all devices their certificates, from where the first one is. */
  async #enrolAll(whom: {
    readonly securityKey: string;
    readonly fingerprint: string;
  }): Promise<void> {
    const [first] = this.devices;
    if (first === undefined) return;
    const { address } = this.network.server;
    const to = [address, whom.securityKey, whom.fingerprint, `${this.#publisher}.publisher`];
    const deviceIds = await runScriptForJson<readonly string[]>(
      { namespace: first.host.namespace, home: this.#stage.folder },
      [ENROL_ALL, ...to, ...this.devices.map(({ data }) => data)],
      this.#stage.signal,
    );
    for (const [index, device] of this.devices.entries()) device.deviceId = deviceIds[index] ?? "";
  }

  /** Brings a device its certificate, from where the device is. */
  async enrol(
    device: Machine,
    whom: { readonly securityKey: string; readonly fingerprint: string },
  ): Promise<void> {
    const to = ["--server", this.network.server.address, "--fingerprint", whom.fingerprint];
    const rest = ["--key", whom.securityKey, "--publisher", `${this.#publisher}.publisher`];
    const { deviceId } = await runForJson<{ deviceId: string }>(
      { namespace: device.host.namespace, home: this.#stage.folder },
      ["agent", "enrol", ...to, ...rest, "--data", device.data],
      this.#stage.signal,
    );
    device.deviceId = deviceId;
  }

  /** Waits until the server hears from every agent, and every agent knows its office. */
  async #connected(): Promise<void> {
    const control = await this.control(this.server);
    await this.#waitFor("every agent to report to the server", async () => {
      const { devices } = await control(SERVER_ROUTES.listDevices);
      const there = devices.filter(({ present }) => present).length;
      return there === this.devices.length || undefined;
    });
    for (const device of this.devices) {
      await this.#waitFor(`${device.name} to know its office`, async () => {
        const { office, server } = await this.status(device);
        return (office === device.office && server.connected) || undefined;
      });
    }
  }

  async #waitFor<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
    const checked = async (): Promise<T | undefined> => {
      this.check();
      return await look();
    };
    return await waitFor(what, checked, { signal: this.#stage.signal });
  }
}

/** The bench is the same whatever settings the environment holds. */
const BARE = { stdout: { write: () => {} }, stderr: { write: () => {} }, environment: {} };

async function writeSettings(
  machine: Machine,
  program: "agent" | "server",
  settings: object,
): Promise<void> {
  await mkdir(machine.data, { recursive: true, mode: 0o700 });
  await writeFile(join(machine.data, `${program}.toml`), stringify(settings));
}
