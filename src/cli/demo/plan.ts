import { realpathSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { OperatorError } from "../../runtime/operator-error.ts";

/** An agent of the demonstration. */
export type PlannedAgent = {
  readonly name: string;
  readonly office: string;
  readonly address: string;
  readonly portOffset: number;
  /** Its data folder. */
  readonly data: string;
};

/** An office of the demonstration. */
export type PlannedOffice = {
  readonly name: string;
  readonly parent?: string;
  readonly type: "default";
  readonly subnets: readonly string[];
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
  readonly offices: readonly PlannedOffice[];
  readonly agents: readonly PlannedAgent[];
  /** The publisher's files without their endings. */
  readonly publisher: string;
  readonly storage: string;
  readonly logs: string;
  readonly package: PlannedPackage;
  readonly wanMbit: number;
};

/** What a user may choose. */
export type DemoChoices = {
  readonly data?: string;
  readonly file?: string;
  readonly folder?: string;
  readonly wanMbit?: number;
};

/** The longest path of a Unix socket, in bytes (sockaddr_un on Linux; macOS has 103). */
const SOCKET_PATH_BYTES_MAX = 103;

/** The rate of the line between the offices unless one is chosen, in Mbit/s. */
const WAN_MBIT = 100;

/**
 * Plans the demonstration organisation.
 *
 * @throws OperatorError `demo-package` where there is nothing to distribute, `demo-folder` where
 * the folder's path is too long for the control sockets in it.
 */
export function planDemo(choices: DemoChoices): DemoPlan {
  const folder = resolve(choices.data ?? join(".branchline", "demo"));
  const agents = [
    ...plannedAgents(folder, CENTRAL, "central", "127.10.0", 2),
    ...plannedAgents(folder, BRANCH, "branch", "127.20.0", 4),
  ];
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
    server: {
      address: oneAddress() ? "127.0.0.1" : "127.10.0.1",
      data: join(folder, "server"),
    },
    offices: oneAddress()
      ? [{ name: CENTRAL, type: "default", subnets: ["127.0.0.0/8"] }]
      : [
          { name: CENTRAL, type: "default", subnets: ["127.10.0.0/24"] },
          { name: BRANCH, parent: CENTRAL, type: "default", subnets: ["127.20.0.0/24"] },
        ],
    agents: oneAddress() ? agents.map(onOneAddress) : agents,
    publisher: join(folder, "publisher", "demo"),
    storage: join(folder, "storage"),
    logs: join(folder, "logs"),
    package: plannedPackage(choices),
    wanMbit: choices.wanMbit ?? WAN_MBIT,
  };
}

const CENTRAL = "Central Office";
const BRANCH = "Branch Office";

function plannedAgents(
  folder: string,
  office: string,
  prefix: string,
  network: string,
  count: number,
): readonly PlannedAgent[] {
  return Array.from({ length: count }, (_, index) => {
    const name = `${prefix}-${index + 1}`;
    const address = `${network}.${11 + index}`;
    return { name, office, address, portOffset: 0, data: join(folder, name) };
  });
}

/** Whether this machine has but one loopback address: Linux and Windows have all of 127.0.0.0/8. */
function oneAddress(): boolean {
  return process.platform === "darwin";
}

/** Ports apart instead of addresses apart; without addresses of their own the offices are one. */
function onOneAddress(agent: PlannedAgent, index: number): PlannedAgent {
  const portOffset = (index + 1) * 1000;
  return { ...agent, office: CENTRAL, address: "127.0.0.1", portOffset };
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
