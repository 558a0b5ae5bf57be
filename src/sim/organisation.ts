import { parseDeviceId } from "../base/ids.ts";
import { invariant } from "../base/invariant.ts";
import { GIB, SECOND } from "../base/units.ts";
import { emptyState, type Targets } from "../coordinator/state.ts";
import type { CertificateFacts, Role } from "../effects/handshake.ts";
import type { CandidateFacts } from "../topology/election.ts";
import type { OfficeType } from "../wire/messages.ts";
import { type AddressPlan, findAddresses, inventAddresses } from "./addresses.ts";
import { SimDevice } from "./device.ts";
import { LAN, Link, type LinkOptions } from "./link.ts";
import { makePackage, type SimPackage } from "./package.ts";
import { SimServer } from "./server.ts";
import { toyCrypto } from "./toy-crypto.ts";
import { World } from "./world.ts";

/** An office of a simulated organisation; the first one is the Central Office. */
export type SimOffice = {
  readonly name: string;
  /** Absent: the Central Office. */
  readonly parent?: string;
  readonly type?: OfficeType;
  readonly devices: number;
  /** The office's line to its parent, each way. */
  readonly line?: LinkOptions;
  /** What somebody has entered; addresses are invented where an office has none. */
  readonly subnets?: readonly string[];
  /** What its devices are, from the first on; absent: all alike, and called by their addresses. */
  readonly machines?: readonly SimMachine[];
};

/** What a device is called, and what of it decides elections. */
export type SimMachine = { readonly hostName: string; readonly facts: CandidateFacts };

const ORGANISATION = "Simulated";

/** A server and offices full of devices, joined by LANs and lines. */
export class Organisation {
  readonly world: World;
  readonly server: SimServer;
  /** By office, in the order of their addresses. */
  readonly devices: ReadonlyMap<string, readonly SimDevice[]>;
  readonly #lines = new Map<string, { readonly up: Link; readonly down: Link }>();
  readonly #offices: readonly SimOffice[];
  readonly #plan: AddressPlan;
  /** By host: in which office it is; the server is in the first. */
  readonly #officeByHost = new Map<string, string>();
  readonly #parents: ReadonlyMap<string, string | undefined>;
  readonly #lan: Link;
  /** Hosts whose datagrams reach their own office alone. */
  readonly confined: Set<string> = new Set();

  constructor(seed: number, offices: readonly SimOffice[]) {
    this.#offices = offices;
    const [central] = offices;
    this.#parents = new Map(
      offices.map((one) => [one.name, one === central ? undefined : (one.parent ?? central?.name)]),
    );
    this.#plan = planOf(offices);
    this.#officeByHost.set(this.#plan.server, central?.name ?? "");
    for (const [index, { hosts }] of this.#plan.offices.entries()) {
      for (const host of hosts) this.#officeByHost.set(host, offices[index]?.name ?? "");
    }
    this.world = new World(seed, (from, to) => this.#linksBetween(from, to));
    this.#lan = new Link({ ...LAN, rate: Number.POSITIVE_INFINITY }, this.world.prng);
    for (const { name, line } of offices) {
      if (line === undefined) continue;
      const { prng } = this.world;
      this.#lines.set(name, { up: new Link(line, prng), down: new Link(line, prng) });
    }
    this.server = this.#makeServer();
    this.devices = new Map(
      offices.map(({ name, devices }, office) => [
        name,
        Array.from({ length: devices }, (_, index) => this.#makeDevice(office, index)),
      ]),
    );
  }

  /** All devices of an office. */
  office(name: string): readonly SimDevice[] {
    return this.devices.get(name) ?? [];
  }

  /** The line of an office towards it. */
  lineInto(office: string): Link {
    const line = this.#lines.get(office);
    invariant(line !== undefined, "the office has a line");
    return line.down;
  }

  /** Runs until all devices are known to the server. */
  settle(): void {
    const total = [...this.devices.values()].flat().length;
    this.runUntil(() => this.server.coordinator.counts().present === total, 30);
    this.world.runUntil(this.world.nowUs + SECOND);
  }

  /** Takes the server out of reach of everyone; what it knows it keeps. */
  stopServer(): void {
    this.world.remove(this.server.host);
  }

  startServer(): void {
    this.server.start();
  }

  /** Has the first device of the Central Office publish a package, and deploys it. */
  deploy(
    shape: { readonly pieces: number; readonly pieceBytes: number },
    targets: Targets = { all: true },
  ): SimPackage {
    const simPackage = makePackage(toyCrypto(this.world.prng), this.world.prng, shape);
    const publisher = this.office(this.#offices[0]?.name ?? "")[0];
    invariant(publisher !== undefined, "the Central Office has a device");
    publisher.publish(simPackage);
    const { contentId } = simPackage;
    this.runUntil(() => this.server.coordinator.findContents(contentId).length > 0, 30);
    this.server.command({ kind: "deploy", contentId, targets, priority: "medium" });
    return simPackage;
  }

  /** Runs until `done`, or for so many seconds; says whether it came to that. */
  runUntil(done: () => boolean, seconds: number): boolean {
    this.world.runUntil(this.world.nowUs + seconds * SECOND, done);
    return done();
  }

  /** Up from the one office to where the paths to the Central Office meet, and down to the other. */
  #linksBetween(from: string, to: string): readonly Link[] {
    const fromOffice = this.#officeOf(from);
    const toOffice = this.#officeOf(to);
    if (fromOffice === toOffice) return [this.#lan];
    if (this.confined.has(from) || this.confined.has(to)) return [];
    const up = this.#pathUp(fromOffice);
    const down = this.#pathUp(toOffice);
    const links = [
      ...up.filter((office) => !down.includes(office)).map((office) => this.#lines.get(office)?.up),
      ...down
        .filter((office) => !up.includes(office))
        .reverse()
        .map((office) => this.#lines.get(office)?.down),
    ].filter((link) => link !== undefined);
    return links.length === 0 ? [this.#lan] : links;
  }

  #pathUp(office: string): readonly string[] {
    const path = [office];
    for (let at = this.#parentOf(office); at !== undefined; at = this.#parentOf(at)) path.push(at);
    return path;
  }

  #parentOf(office: string): string | undefined {
    return this.#parents.get(office);
  }

  #officeOf(host: string): string {
    return this.#officeByHost.get(host) ?? "";
  }

  #makeServer(): SimServer {
    return new SimServer(this.world, {
      host: this.#plan.server,
      certificate: certificate("server", ORGANISATION),
      state: {
        ...emptyState(1),
        devices: this.#offices.flatMap(({ name, devices }, office) =>
          Array.from({ length: devices }, (_, index) => ({
            deviceId: deviceIdAt(office, index),
            hostName: this.#machineAt(office, index).hostName,
            machineId: this.#hostAt(office, index),
            office: name,
            hosts: [],
            seenHost: "",
            portOffset: 0,
            facts: { ...this.#machineAt(office, index).facts, uptimeS: 0 },
            productVersion: "",
            enrolledAtMs: 0,
            lastSeenAtMs: 0,
          })),
        ),
        offices: {
          generated: false,
          offices: this.#offices.map(({ name, type = "default" }, office) => ({
            name,
            ...(office === 0 ? {} : { parent: this.#parentOf(name) ?? "" }),
            type,
            subnets: this.#plan.offices[office]?.subnets ?? [],
          })),
        },
      },
    });
  }

  #makeDevice(office: number, index: number): SimDevice {
    const deviceId = deviceIdAt(office, index);
    return new SimDevice(this.world, {
      host: this.#hostAt(office, index),
      deviceId,
      certificate: certificate("device", deviceId),
      crypto: toyCrypto(this.world.prng),
      server: { host: this.#plan.server, organisation: ORGANISATION },
      ...this.#machineAt(office, index),
    });
  }

  #hostAt(office: number, index: number): string {
    const host = this.#plan.offices[office]?.hosts[index];
    invariant(host !== undefined, "each device has an address");
    return host;
  }

  #machineAt(office: number, index: number): SimMachine {
    const machine = this.#offices[office]?.machines?.[index];
    return machine ?? { hostName: this.#hostAt(office, index), facts: FACTS };
  }
}

/** Where everybody is: as entered, or invented where an office has no subnet. */
function planOf(offices: readonly SimOffice[]): AddressPlan {
  const entered = offices.flatMap(({ subnets, devices }) =>
    subnets === undefined ? [] : [{ subnets, devices }],
  );
  const plan =
    entered.length === offices.length
      ? findAddresses(entered)
      : inventAddresses(offices.map(({ devices }) => devices));
  invariant(plan.ok, "all devices have room in the subnets of their offices");
  return plan.value;
}

/** Of every device of which nothing else is said. */
const FACTS: CandidateFacts = {
  freeBytes: 100 * GIB,
  usableBytes: 100 * GIB,
  preferred: false,
  desktop: true,
  serverOs: false,
  uptimeS: 1_000,
};

/** So that no two devices have one id. */
const OFFICE_DEVICES_MAX = 1 << 24;

function deviceIdAt(office: number, index: number) {
  const digits = (office * OFFICE_DEVICES_MAX + index + 1).toString(16).padStart(32, "0");
  const deviceId = parseDeviceId(digits);
  invariant(deviceId !== undefined, "a device id has 32 digits");
  return deviceId;
}

function certificate(role: Role, id: string): CertificateFacts {
  return { role, id, ours: true, notBeforeS: 0, notAfterS: 4_000_000_000, serial: id };
}
