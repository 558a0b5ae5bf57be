import { type DeviceId, parseDeviceId } from "../base/ids.ts";
import { invariant } from "../base/invariant.ts";
import { GIB, SECOND } from "../base/units.ts";
import { emptyState, type Targets } from "../coordinator/state.ts";
import type { Crypto } from "../effects/crypto.ts";
import type { CertificateFacts, Role } from "../effects/handshake.ts";
import type { CandidateFacts } from "../topology/election.ts";
import type { MakeAssociations } from "../transport/associations.ts";
import type { OfficeType } from "../wire/messages.ts";
import { type AddressPlan, findAddresses, inventAddresses } from "./addresses.ts";
import { SimDevice } from "./device.ts";
import { FlowNetwork } from "./flow/flow-network.ts";
import { LAN, type Link, type LinkOptions } from "./link.ts";
import { type Matter, type PackageShape, realMatter, weightlessMatter } from "./matter.ts";
import { makePackage, type SimPackage } from "./package.ts";
import { SimServer } from "./server.ts";
import { toyCrypto } from "./toy-crypto.ts";
import { Ways } from "./ways.ts";
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

/** How finely a world is simulated: each datagram, or what flows over each line and port. */
export type Grain = "packets" | "flows";

/** What may be chosen for a world. */
export type OrganisationOptions = {
  /** By default packets. */
  readonly grain?: Grain;
  /** Bytes a second that a device sends, and as many that it receives; with flows alone. */
  readonly lanRate?: number;
  /** Whether what devices report is kept; by default it is. */
  readonly traced?: boolean;
  /** Stands between all programs and their functions. */
  readonly wrapCrypto?: (crypto: Crypto) => Crypto;
  /** Where the server is; absent: at the first address of the Central Office. */
  readonly server?: string;
};

/** A server and offices full of devices, joined by LANs and lines. */
export class Organisation {
  readonly world: World;
  readonly server: SimServer;
  /** By office, in the order of their addresses. */
  readonly devices: ReadonlyMap<string, readonly SimDevice[]>;
  /** Hosts whose datagrams reach their own office alone. */
  readonly confined: Set<string>;
  readonly #offices: readonly SimOffice[];
  readonly #plan: AddressPlan;
  readonly #ways: Ways;
  readonly #flows: FlowNetwork | undefined;
  readonly #crypto: Crypto;
  readonly #matter: Matter;

  constructor(seed: number, offices: readonly SimOffice[], options: OrganisationOptions = {}) {
    const { grain = "packets", lanRate = LAN.rate, traced = true, wrapCrypto } = options;
    this.#offices = offices;
    this.#plan = planOf(offices, options.server);
    this.world = new World(seed, (from, to) => this.#ways.links(from, to));
    this.world.traced = traced;
    const { prng } = this.world;
    this.#ways = new Ways(placesOf(offices), {
      officeByHost: officesByHost(offices, this.#plan),
      lanRate,
      prng,
    });
    this.confined = this.#ways.confined;
    const crypto = toyCrypto(prng);
    this.#crypto = wrapCrypto?.(crypto) ?? crypto;
    const isFine = grain === "packets";
    this.#matter = isFine ? realMatter(this.#crypto, prng) : weightlessMatter(this.#crypto);
    const path = (from: string, to: string) => this.#ways.path(from, to);
    this.#flows = isFine ? undefined : new FlowNetwork(this.world, path);
    this.server = this.#makeServer();
    this.devices = new Map(
      offices.map(({ name, devices }, office) => [
        name,
        Array.from({ length: devices }, (_, index) => this.#deviceAt(office, index)),
      ]),
    );
  }

  /** All devices of an office. */
  office(name: string): readonly SimDevice[] {
    return this.devices.get(name) ?? [];
  }

  /** Which offices there are, which line is whose, and in which office a host is. */
  get ways(): Ways {
    return this.#ways;
  }

  /** The line of an office towards it. */
  lineInto(office: string): Link {
    return this.#ways.line(office).down.link;
  }

  /** Bytes that a line has carried towards its office: of packets, or of what flows. */
  carriedInto(office: string): number {
    const { link, pipe } = this.#ways.line(office).down;
    return this.#flows === undefined ? link.carriedBytes : pipe.carriedBytes;
  }

  /** Cuts the line of an office, or mends it. */
  setCut(office: string, cut: boolean): void {
    const { up, down } = this.#ways.line(office);
    up.link.cut = cut;
    down.link.cut = cut;
    this.#flows?.pathsChanged();
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

  /** Makes a package that nobody has yet. */
  makePackage(shape: PackageShape): SimPackage {
    return makePackage(this.#crypto, this.world.prng, this.#matter, shape);
  }

  /** Has the first device of the Central Office publish a package, and deploys it. */
  deploy(shape: PackageShape, targets: Targets = { all: true }): SimPackage {
    const simPackage = this.makePackage(shape);
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

  #makeServer(): SimServer {
    const host = this.#plan.server;
    const own = certificate("server", ORGANISATION);
    return new SimServer(this.world, {
      host,
      certificate: own,
      crypto: this.#crypto,
      ...this.#associations(host, own),
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
            attributes: [],
            productVersion: "",
            enrolledAtMs: 0,
            lastSeenAtMs: 0,
          })),
        ),
        offices: {
          generated: false,
          offices: this.#offices.map(({ name, type = "default" }, office) => ({
            name,
            ...(office === 0 ? {} : { parent: this.#ways.parentOf(name) ?? "" }),
            type,
            subnets: this.#plan.offices[office]?.subnets ?? [],
          })),
        },
      },
    });
  }

  #associations(host: string, own: CertificateFacts) {
    const flows = this.#flows;
    if (flows === undefined) return {};
    const makeAssociations: MakeAssociations = (options) => flows.endpoint(host, own, options);
    return { makeAssociations };
  }

  /** Another machine with the identity of a device, at this address, and with an empty disk. */
  copyOf({ deviceId, certificate: own, hostName, facts }: SimDevice, host: string): SimDevice {
    return this.#makeDevice({ host, deviceId, certificate: own, hostName, facts });
  }

  #deviceAt(office: number, index: number): SimDevice {
    const host = this.#hostAt(office, index);
    const deviceId = deviceIdAt(office, index);
    const own = { host, deviceId, certificate: deviceCertificate(deviceId) };
    return this.#makeDevice({ ...own, ...this.#machineAt(office, index) });
  }

  #makeDevice(
    own: SimMachine & {
      readonly host: string;
      readonly deviceId: DeviceId;
      readonly certificate: CertificateFacts;
    },
  ): SimDevice {
    return new SimDevice(this.world, {
      ...own,
      crypto: this.#crypto,
      matter: this.#matter,
      flows: this.#flows,
      server: { host: this.#plan.server, organisation: ORGANISATION },
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

function placesOf(offices: readonly SimOffice[]) {
  const [central] = offices;
  return offices.map(({ name, parent, line }) => {
    return { name, parent: name === central?.name ? undefined : (parent ?? central?.name), line };
  });
}

/** In which office each host is; the server is in the first. */
function officesByHost(offices: readonly SimOffice[], plan: AddressPlan): Map<string, string> {
  const byHost = new Map([[plan.server, offices[0]?.name ?? ""]]);
  for (const [index, { hosts }] of plan.offices.entries()) {
    for (const host of hosts) byHost.set(host, offices[index]?.name ?? "");
  }
  return byHost;
}

/** Where everybody is: as entered, or invented where an office has no subnet. */
function planOf(offices: readonly SimOffice[], server: string | undefined): AddressPlan {
  const entered = offices.flatMap(({ subnets, devices }) =>
    subnets === undefined ? [] : [{ subnets, devices }],
  );
  const plan =
    entered.length === offices.length
      ? findAddresses(entered, server)
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

/** The certificate that the authority gives a device for an id. */
export function deviceCertificate(deviceId: DeviceId): CertificateFacts {
  return certificate("device", deviceId);
}

function certificate(role: Role, id: string): CertificateFacts {
  return { role, id, ours: true, notBeforeS: 0, notAfterS: 4_000_000_000, serial: id };
}
