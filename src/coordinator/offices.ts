import { ok, type Result } from "../base/result.ts";
import { generateOffice } from "../topology/generation.ts";
import { NO_OFFICE } from "../topology/limits.ts";
import type { Finding, Office, OfficeSpec } from "../topology/office.ts";
import {
  buildTopology,
  officeOf,
  pathToCentral,
  specsOf,
  type Topology,
} from "../topology/topology.ts";
import type { OfficesState } from "./state.ts";

/** What an office list says of itself where it is not one. */
type Judged = Result<readonly Finding[], readonly Finding[]>;

/** The topology in force: entered by an administrator, or generated from what devices report. */
export class Offices {
  readonly #serverHosts: readonly string[];
  #generated: boolean;
  #topology: Topology | undefined;

  constructor(state: OfficesState, serverHosts: readonly string[]) {
    this.#serverHosts = serverHosts;
    this.#generated = state.generated;
    this.#topology = topologyOf(state.offices);
  }

  /** What to persist. */
  state(): OfficesState {
    return { generated: this.#generated, offices: this.specs() };
  }

  specs(): ReturnType<typeof specsOf> {
    return this.#topology === undefined ? [] : specsOf(this.#topology);
  }

  has(name: string): boolean {
    return this.#topology?.offices.has(name) ?? false;
  }

  /** An office, or the stand-in for devices in none: they fetch for themselves, and share not. */
  get(name: string): Pick<Office, "name" | "parent" | "type" | "children"> | undefined {
    if (name !== NO_OFFICE) return this.#topology?.offices.get(name);
    const central = this.#topology?.central;
    const parent = central === undefined ? {} : { parent: central };
    return { name: NO_OFFICE, ...parent, type: "vpn", children: [] };
  }

  /** The offices from `name` up to the Central Office, both included. */
  path(name: string): readonly Pick<Office, "name" | "parent" | "type">[] {
    const office = this.get(name);
    if (office === undefined || this.#topology === undefined) return [];
    const above = office.parent === undefined ? [] : pathToCentral(this.#topology, office.parent);
    return [office, ...above];
  }

  /** Replaces all offices; on errors, which are the result then, nothing changes. */
  replace(specs: readonly OfficeSpec[]): Judged {
    if (specs.length === 0) {
      this.#generated = true;
      this.#topology = undefined;
      return ok([]);
    }
    const built = buildTopology(specs);
    if (!built.ok) return built;
    const misplaced = this.#misplacedServer(built.value);
    if (misplaced !== undefined) {
      return { ok: false, error: [...built.value.findings, misplaced] };
    }
    this.#generated = false;
    this.#topology = built.value;
    return ok(built.value.findings);
  }

  /**
   * The office of a device: of the first of its addresses that lies in one.
   *
   * Where the topology is generated and none does, the subnet of the first becomes an office;
   * `added` says so.
   */
  place(hosts: readonly string[]): { readonly office: string; readonly added: boolean } {
    const found = this.#find(hosts);
    if (found !== undefined) return { office: found, added: false };
    const added = this.#generated && this.#generate(hosts);
    return { office: this.#find(hosts) ?? NO_OFFICE, added };
  }

  #find(hosts: readonly string[]): string | undefined {
    const topology = this.#topology;
    if (topology === undefined) return undefined;
    for (const host of hosts) {
      const office = officeOf(topology, host);
      if (office !== undefined) return office;
    }
    return undefined;
  }

  /** Adds the office of the first address, after the Central Office where there is none yet. */
  #generate(hosts: readonly string[]): boolean {
    const [host = ""] = hosts;
    let added = false;
    for (let round = 0; round < 2 && this.#find([host]) === undefined; round += 1) {
      const specs = this.specs();
      const office = generateOffice(specs, host, this.#serverHosts);
      const topology = office === undefined ? undefined : topologyOf([...specs, office]);
      if (topology === undefined) break;
      this.#topology = topology;
      added = true;
    }
    return added;
  }

  /** Row B13: the server sits in a subnet of the Central Office. */
  #misplacedServer(topology: Topology): Finding | undefined {
    const outside = this.#serverHosts.find((host) => officeOf(topology, host) !== topology.central);
    if (outside === undefined) return undefined;
    const rule = `the server's address ${outside} must lie in the Central Office`;
    return {
      severity: "error",
      code: "server-outside-central",
      office: topology.central,
      row: 0,
      sentence: `Office "${topology.central}": ${rule}: add a subnet that holds it.`,
    };
  }
}

function topologyOf(specs: readonly OfficeSpec[]): Topology | undefined {
  const built = buildTopology(specs);
  return built.ok ? built.value : undefined;
}
