import { ok, type Result } from "../base/result.ts";
import { GENERATED_OFFICES_MAX, generateOffice } from "../topology/generation.ts";
import { NO_OFFICE } from "../topology/limits.ts";
import type { Finding, Office, OfficeSpec } from "../topology/office.ts";
import {
  buildTopology,
  judgeServer,
  officeOf,
  pathToCentral,
  specsOf,
  type Topology,
  withOffice,
} from "../topology/topology.ts";
import type { CoordinatorOutbox } from "./contract.ts";
import { type PlacementSources, placeOf, type Whereabouts } from "./placement.ts";
import type { CoordinatorState, OfficesState } from "./state.ts";
import { DEFAULT_ZONE } from "./windows.ts";

type Findings = readonly Finding[];

/** Length of what the devices of an office recognise each other by, in bytes. */
const OFFICE_KEY_BYTES = 32;

/** Most subnets of its office that a device is told of. */
const SUBNETS_TOLD_MAX = 1_024;

/** The topology in force: entered by an administrator, or generated from what devices report. */
export class Offices {
  readonly #serverHosts: readonly string[];
  readonly #randomBytes: (length: number) => Uint8Array;
  readonly #keys: Map<string, Uint8Array>;
  #generated: boolean;
  #topology: Topology | undefined;
  #upwards: {
    readonly topology: Topology | undefined;
    readonly names: Map<string, ReadonlySet<string>>;
  } = { topology: undefined, names: new Map() };
  #unsaved = false;

  constructor(
    { offices, officeKeys }: Pick<CoordinatorState, "offices" | "officeKeys">,
    given: {
      /** The server's own addresses. */
      readonly serverHosts: readonly string[];
      readonly randomBytes: (length: number) => Uint8Array;
    },
  ) {
    this.#serverHosts = given.serverHosts;
    this.#randomBytes = given.randomBytes;
    this.#generated = offices.generated;
    this.#topology = topologyOf(offices.offices);
    this.#keys = new Map(officeKeys);
    this.#keepKeys();
  }

  /** What to persist. */
  state(): OfficesState {
    return { generated: this.#generated, offices: this.specs() };
  }

  /** Persists the topology where it has changed. */
  save(outbox: CoordinatorOutbox): void {
    if (!this.#unsaved) return;
    this.#unsaved = false;
    const officeKeys = new Map(this.#keys);
    outbox.persist({ kind: "offices-replace", offices: this.state(), officeKeys });
  }

  /** What the devices of an office know each other by; of no use to those in none. */
  key(name: string): Uint8Array {
    return this.#keys.get(name) ?? this.#randomBytes(OFFICE_KEY_BYTES);
  }

  /** The subnets of an office as text, at most as many as a message can carry. */
  subnets(name: string): readonly string[] {
    const subnets = this.#topology?.offices.get(name)?.subnets ?? [];
    return subnets.slice(0, SUBNETS_TOLD_MAX).map(({ text }) => text);
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

  /** The names of the offices from `name` up to the Central Office, both included. */
  upwards(name: string): ReadonlySet<string> {
    // Deployments ask this for every device: worked out once for each office and topology.
    if (this.#upwards.topology !== this.#topology) {
      this.#upwards = { topology: this.#topology, names: new Map() };
    }
    const { names } = this.#upwards;
    const known = names.get(name) ?? new Set(this.path(name).map((office) => office.name));
    names.set(name, known);
    return known;
  }

  /** The time zone of an office: its own, or that of the nearest office above that has one. */
  zoneOf(name: string): string {
    for (const above of this.upwards(name)) {
      const zone = this.#topology?.offices.get(above)?.timeZone;
      if (zone !== undefined) return zone;
    }
    return DEFAULT_ZONE;
  }

  /** Another topology beside this one, which stays in force; the result are errors where it is none. */
  tried(
    specs: readonly OfficeSpec[],
  ): Result<{ readonly offices: Offices; readonly findings: readonly Finding[] }, Findings> {
    const built = this.#judged(specs);
    if (!built.ok) return built;
    const state = { generated: specs.length === 0, offices: [] };
    const given = { serverHosts: this.#serverHosts, randomBytes: this.#randomBytes };
    const offices = new Offices({ offices: state, officeKeys: this.#keys }, given);
    offices.#topology = built.value;
    return ok({ offices, findings: built.value?.findings ?? [] });
  }

  /** Puts in force what was tried. */
  adopt(tried: Offices): void {
    this.#generated = tried.#generated;
    this.#topology = tried.#topology;
    this.#keepKeys();
    this.#unsaved = true;
  }

  /** The topology of a list; none of an empty one, which has it generated. */
  #judged(specs: readonly OfficeSpec[]): Result<Topology | undefined, Findings> {
    if (specs.length === 0) return ok(undefined);
    const built = buildTopology(specs);
    if (!built.ok) return built;
    const misplaced = judgeServer(built.value, this.#serverHosts);
    if (misplaced === undefined) return built;
    return { ok: false, error: [...built.value.findings, misplaced] };
  }

  /**
   * The office of a device, by the rules of {@link placeOf}.
   *
   * Where the topology is generated and no office claims the device, the subnet from which the
   * server hears it becomes one.
   */
  place(where: Whereabouts, seenMember: PlacementSources["seenMember"]): string {
    const sources = { officeOf: (host: string) => this.#find(host), seenMember };
    const found = placeOf(where, sources);
    if (found !== undefined) return found;
    if (this.#generated) this.#generate(where.seenHost);
    return placeOf(where, sources) ?? NO_OFFICE;
  }

  #find(host: string): string | undefined {
    return this.#topology === undefined ? undefined : officeOf(this.#topology, host);
  }

  /** Adds the office of an address, after the Central Office where there is none yet. */
  #generate(host: string): void {
    for (let round = 0; round < 2 && this.#find(host) === undefined; round += 1) {
      const known = this.#topology;
      if (known !== undefined && known.offices.size >= GENERATED_OFFICES_MAX) break;
      const others = [...(known?.offices.values() ?? [])];
      const office = generateOffice(others, host, this.#serverHosts);
      if (office === undefined) break;
      const topology = known === undefined ? topologyOf([office]) : withOffice(known, office);
      if (topology === undefined) break;
      this.#topology = topology;
      this.#keys.set(office.name, this.#randomBytes(OFFICE_KEY_BYTES));
      this.#unsaved = true;
    }
  }

  /** Gives each office a key that has none, and forgets those of offices that are no more. */
  #keepKeys(): void {
    const names = new Set(this.#topology?.offices.keys() ?? []);
    for (const name of this.#keys.keys()) {
      if (!names.has(name)) this.#keys.delete(name);
    }
    for (const name of names) {
      if (this.#keys.has(name)) continue;
      this.#keys.set(name, this.#randomBytes(OFFICE_KEY_BYTES));
      this.#unsaved = true;
    }
  }
}

function topologyOf(specs: readonly OfficeSpec[]): Topology | undefined {
  const built = buildTopology(specs);
  return built.ok ? built.value : undefined;
}
