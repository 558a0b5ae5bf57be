import type { ContentId, DeviceId } from "../base/ids.ts";
import type { Prng } from "../base/prng.ts";
import type { Command } from "../coordinator/contract.ts";
import type { Priority, Scope, Targets } from "../coordinator/state.ts";
import type { SimDatabase } from "./database.ts";
import type { SimDevice } from "./device.ts";
import type { FaultyNetwork } from "./faults/network.ts";
import type { Journal } from "./journal.ts";
import type { Link } from "./link.ts";
import type { Organisation, SimOffice } from "./organisation.ts";
import type { SimPackage } from "./package.ts";
import type { World } from "./world.ts";

/** Something that an administrator has had deployed. */
export type Order = {
  readonly contentId: ContentId;
  readonly targets: Targets;
  readonly priority: Priority;
  /** For whom it was cancelled since. */
  readonly cancelled: Scope[];
};

/** A world with all that befalls it: what faults change, and what those who judge have to know. */
export class Scene {
  readonly organisation: Organisation;
  readonly offices: readonly SimOffice[];
  readonly network: FaultyNetwork;
  readonly journal: Journal;
  /** Chance of its own: the same faults strike whatever the brains draw. */
  readonly prng: Prng;
  /** Has everything in the end, and is never ill-used in a way that loses it. */
  readonly publisher: SimDevice;
  readonly devices: SimDevice[];
  readonly packages: SimPackage[] = [];
  readonly orders: Order[] = [];
  /** Devices that something is being done to. */
  readonly struck: Set<SimDevice> = new Set();
  /** Devices that do not do what they should. */
  readonly liars: Set<SimDevice> = new Set();
  readonly #rotten = new Map<SimDevice, Set<string>>();
  /** What devices say their version is, where it is another one. */
  readonly versions: Map<SimDevice, string> = new Map();
  /** What operators were told to be in force, by deployment. */
  readonly acknowledged: Map<string, string> = new Map();
  readonly changedLines: Set<string> = new Set();
  /** Datagrams that somebody may send once more. */
  readonly overheard: Uint8Array[] = [];
  /** Whether the server runs. */
  serverUp = true;
  /** What the server knew at some time. */
  backup: SimDatabase | undefined;
  /** Whether the server has forgotten something. */
  restored: boolean = false;
  /** Whether a backup may be gone back to. */
  mayRestore: boolean = true;
  /** Has the checkers look at a device that is new. */
  onJoin: (device: SimDevice) => void = () => {};
  /** Whether something may still go wrong. */
  isStormy: boolean = true;
  /** When the offices were last replaced. */
  replacedAtUs: number = Number.NEGATIVE_INFINITY;
  #hosts = 0;

  constructor(parts: {
    readonly organisation: Organisation;
    readonly offices: readonly SimOffice[];
    readonly network: FaultyNetwork;
    readonly journal: Journal;
    readonly prng: Prng;
    readonly devices: SimDevice[];
    readonly publisher: SimDevice;
  }) {
    this.organisation = parts.organisation;
    this.offices = parts.offices;
    this.network = parts.network;
    this.journal = parts.journal;
    this.prng = parts.prng;
    this.devices = parts.devices;
    this.publisher = parts.publisher;
  }

  get world(): World {
    return this.organisation.world;
  }

  /** The office that a device's cable leads to. */
  officeOf(device: SimDevice): string {
    return this.officeOfHost(device.host);
  }

  officeOfHost(host: string): string {
    return this.organisation.ways.officeOf(host);
  }

  lineOf(office: string): { readonly up: Link; readonly down: Link } | undefined {
    const { ways } = this.organisation;
    if (!ways.hasLine(office)) return undefined;
    const { up, down } = ways.line(office);
    return { up: up.link, down: down.link };
  }

  /** Whom an id belongs to. */
  deviceOf(deviceId: DeviceId): SimDevice | undefined {
    return this.devices.find((device) => device.deviceId === deviceId);
  }

  /** An address of an office that nobody has had. */
  freshHost(office: string): string {
    const at = this.offices.findIndex(({ name }) => name === office);
    this.#hosts += 1;
    const host = `10.${at}.1.${60 + (this.#hosts % 190)}`;
    this.organisation.ways.locate(host, office);
    return host;
  }

  /** A piece of a device has rotted. */
  rots(device: SimDevice, contentId: ContentId, piece: number): void {
    const pieces = this.#rotten.get(device) ?? new Set<string>();
    this.#rotten.set(device, pieces);
    pieces.add(`${contentId} ${piece}`);
  }

  /** Whether a piece of a device has rotted, as far as anybody knows. */
  isRotten(device: SimDevice, contentId: ContentId, piece: number): boolean {
    return this.#rotten.get(device)?.has(`${contentId} ${piece}`) === true;
  }

  /** A piece is right again: it was fetched anew. */
  mended(device: SimDevice, contentId: ContentId, piece: number): void {
    this.#rotten.get(device)?.delete(`${contentId} ${piece}`);
  }

  /** Takes in a device that is new. */
  join(device: SimDevice): void {
    this.devices.push(device);
    this.onJoin(device);
  }

  /** Has the server carry out what an operator says of deployments. */
  steer(command: Extract<Command, { kind: "steer" }>): void {
    const { server } = this.organisation;
    const answer = server.command(command);
    if (answer?.kind !== "steered") return;
    for (const row of server.coordinator.deployments()) {
      if (!answer.deployments.includes(row.deploymentId)) continue;
      const inForce = JSON.stringify([row.directives, row.priority, row.cancelledAtMs]);
      this.acknowledged.set(row.deploymentId, inForce);
    }
  }

  officesReplaced(): void {
    this.replacedAtUs = this.world.nowUs;
  }
}
