import { realpathSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { OperatorError } from "../../runtime/operator-error.ts";
import type { OfficeType } from "../../topology/office.ts";

/** An agent of the demonstration. */
export type PlannedAgent = {
  readonly name: string;
  readonly office: string;
  readonly address: string;
  readonly portOffset: number;
  /** Where it asks who is there; absent: where the system has it. */
  readonly broadcast?: string;
  /** Its data folder. */
  readonly data: string;
};

/** An office of the demonstration. */
export type PlannedOffice = {
  readonly name: string;
  readonly parent?: string;
  readonly type: OfficeType;
  readonly subnets: readonly string[];
};

/** A line to a parent office: one an office, but for VPN, where each device has its own. */
export type PlannedLine = {
  readonly name: string;
  /** The office that lies at its lower end, or whose device does. */
  readonly office: string;
  readonly parent: string;
  readonly subnets: readonly string[];
  /** Its rate in each direction. */
  readonly mbit: number;
};

/** What the demonstration distributes. */
export type PlannedPackage = {
  readonly path: string;
  readonly name: string;
  readonly version: string;
};

/** Everything that a demonstration consists of. */
export type DemoPlan = {
  /** Where all its state is. */
  readonly folder: string;
  readonly server: { readonly address: string; readonly data: string };
  /** Each behind its parent. */
  readonly offices: readonly PlannedOffice[];
  readonly lines: readonly PlannedLine[];
  readonly agents: readonly PlannedAgent[];
  /** The publisher's files without their endings. */
  readonly publisher: string;
  /** Where the package is put together while it is published. */
  readonly work: string;
  readonly logs: string;
  readonly package: PlannedPackage;
};

/** What a user may choose. */
export type DemoChoices = {
  readonly data?: string;
  readonly file?: string;
  readonly folder?: string;
  /** The rate of every line, in Mbit/s. */
  readonly wanMbit?: number;
};

/** The longest path of a Unix socket, in bytes (sockaddr_un on Linux; macOS has 103). */
const SOCKET_PATH_BYTES_MAX = 103;

/** The rates of lines unless one is chosen, in Mbit/s: of an office, and of a device by VPN. */
const OFFICE_MBIT = 100;
const VPN_MBIT = 50;

/**
 * Plans the demonstration organisation: every type of office, two levels below the Central Office.
 *
 * @throws OperatorError `demo-package` where there is nothing to distribute, `demo-folder` where
 * the folder's path is too long for the control sockets in it.
 */
export function planDemo(choices: DemoChoices): DemoPlan {
  const folder = resolve(choices.data ?? join(".branchline", "demo"));
  const longest = join(folder, "central-1", "control.sock");
  if (Buffer.byteLength(longest) > SOCKET_PATH_BYTES_MAX) {
    throw new OperatorError(
      "demo-folder",
      `The path ${folder} is too long for control sockets in it (at most ` +
        `${SOCKET_PATH_BYTES_MAX} bytes with /central-1/control.sock). Name a shorter one with --data.`,
    );
  }
  return {
    folder,
    ...(oneAddress() ? onOneAddress(folder) : onAddresses(folder, choices.wanMbit)),
    publisher: join(folder, "publisher", "demo"),
    work: join(folder, "work"),
    logs: join(folder, "logs"),
    package: plannedPackage(choices),
  };
}

/** An office before it has addresses: `network` are the first three numbers of them. */
type Sketch = {
  readonly name: string;
  readonly parent?: string;
  readonly type: OfficeType;
  readonly network: string;
  /** What its agents are called, with a number each. */
  readonly agent: string;
  readonly agents: number;
};

const CENTRAL: Sketch = {
  name: "Central Office",
  type: "default",
  network: "127.10.0",
  agent: "central",
  agents: 2,
};
const BRANCH: Sketch = {
  name: "Branch Office",
  parent: CENTRAL.name,
  type: "default",
  network: "127.20.0",
  agent: "branch",
  agents: 4,
};
const BRANCH_WIFI: Sketch = {
  name: "Branch WiFi",
  parent: BRANCH.name,
  type: "wifi",
  network: "127.30.0",
  agent: "wifi",
  agents: 3,
};
const HOME_VPN: Sketch = {
  name: "Home VPN",
  parent: CENTRAL.name,
  type: "vpn",
  network: "127.40.0",
  agent: "home",
  agents: 3,
};
const SKETCHES: readonly Sketch[] = [CENTRAL, BRANCH, BRANCH_WIFI, HOME_VPN];

/** The part of a plan that depends on how many loopback addresses the machine has. */
type Places = Pick<DemoPlan, "server" | "offices" | "lines" | "agents">;

function onAddresses(folder: string, wanMbit: number | undefined): Places {
  return {
    server: { address: `${CENTRAL.network}.1`, data: join(folder, "server") },
    offices: SKETCHES.map(({ name, parent, type, network }) => ({
      name,
      ...(parent === undefined ? {} : { parent }),
      type,
      subnets: [`${network}.0/24`],
    })),
    lines: SKETCHES.flatMap((sketch) => linesOf(sketch, wanMbit)),
    agents: SKETCHES.flatMap((sketch) => agentsOf(folder, sketch)),
  };
}

function linesOf(sketch: Sketch, wanMbit: number | undefined): readonly PlannedLine[] {
  const { name, parent, network } = sketch;
  if (parent === undefined) return [];
  if (sketch.type !== "vpn") {
    return [
      { name, office: name, parent, subnets: [`${network}.0/24`], mbit: wanMbit ?? OFFICE_MBIT },
    ];
  }
  return agentsOf("", sketch).map((agent) => ({
    name: agent.name,
    office: name,
    parent,
    subnets: [`${agent.address}/32`],
    mbit: wanMbit ?? VPN_MBIT,
  }));
}

function agentsOf(folder: string, { name, agent, agents, network }: Sketch) {
  return Array.from({ length: agents }, (_, index): PlannedAgent => {
    const own = `${agent}-${index + 1}`;
    return {
      name: own,
      office: name,
      address: `${network}.${11 + index}`,
      portOffset: 0,
      ...(process.platform === "linux" ? { broadcast: LOOPBACK_BROADCAST } : {}),
      data: join(folder, own),
    };
  });
}

/** All that Linux broadcasts on its loopback network: devices heed what comes from their office. */
const LOOPBACK_BROADCAST = "127.255.255.255";

/** Whether this machine has but one loopback address: Linux and Windows have all of 127.0.0.0/8. */
function oneAddress(): boolean {
  return process.platform === "darwin";
}

/** Ports apart instead of addresses apart; without addresses of their own the offices are one. */
function onOneAddress(folder: string): Places {
  const { name, type } = CENTRAL;
  return {
    server: { address: "127.0.0.1", data: join(folder, "server") },
    offices: [{ name, type, subnets: ["127.0.0.0/8"] }],
    lines: [],
    agents: SKETCHES.flatMap((sketch) => agentsOf(folder, sketch)).map((agent, index) => ({
      ...agent,
      office: name,
      address: "127.0.0.1",
      portOffset: (index + 1) * 1000,
    })),
  };
}

function plannedPackage({ file, folder }: DemoChoices): PlannedPackage {
  if (file !== undefined && folder !== undefined) {
    throw new OperatorError("usage-package", "Name --file or --folder, not both.");
  }
  const chosen = file ?? folder;
  if (chosen === undefined) {
    const version = process.versions.node;
    return { path: realpathSync(process.execPath), name: "node", version };
  }
  const path = resolve(chosen);
  const found = statSync(path, { throwIfNoEntry: false });
  if (file === undefined ? found?.isDirectory() !== true : found?.isFile() !== true) {
    const what = file === undefined ? "folder" : "file";
    throw new OperatorError("demo-package", `${path} is no ${what}; choose another.`);
  }
  return { path, name: basename(path), version: "1.0" };
}
