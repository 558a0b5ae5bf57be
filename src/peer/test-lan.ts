import type { ContentId, DeviceId } from "../base/ids.ts";
import { SECOND } from "../base/units.ts";
import type { Crypto } from "../effects/crypto.ts";
import type { Address } from "../effects/network.ts";
import { NO_OFFICE } from "../topology/limits.ts";
import type { Directory, OfficeType } from "../wire/messages.ts";
import type { PeerEvent, PeerOutbox } from "./contract.ts";
import { type Act, Core } from "./core.ts";
import { Discovery } from "./discovery.ts";
import { newLink } from "./link.ts";

/** How long a datagram takes. */
export const HOP_US = 200;

/** The id of no device. */
export const NOBODY: DeviceId = "f".repeat(32) as DeviceId;

const KEY = Uint8Array.from({ length: 32 }, (_, index) => index + 1);

/** A datagram that somebody sent. */
export type Sent = { readonly atUs: number; readonly from: Address; readonly bytes: Uint8Array };

/** What the server says of a device's office. */
export type Assignment = {
  readonly name?: string;
  readonly type?: OfficeType;
  readonly key?: Uint8Array;
  readonly members?: number;
};

/** A device as far as discovery goes. */
export class Station {
  readonly host: string;
  readonly id: DeviceId;
  readonly core: Core;
  readonly discovery: Discovery;
  readonly #lan: Lan;
  /** Whether the server is away. */
  away = false;
  /** How often it was told of a first witness. */
  firsts = 0;
  /** What it reported. */
  readonly events: PeerEvent[] = [];
  #version = 0;
  nextTickUs = 0;

  constructor(
    lan: Lan,
    host: string,
    options: { readonly index: number; readonly crypto: Crypto },
  ) {
    const { index, crypto } = options;
    this.#lan = lan;
    this.host = host;
    this.id = idOf(index);
    const core = new Core({
      crypto,
      seed: index,
      deviceId: this.id,
      hostName: host,
      hosts: [host],
      portOffset: index,
      facts: NO_FACTS,
      bootId: 1,
      machineId: "",
      remembered: new Map(),
      server: { host: "10.0.0.1", ports: { kind: "single", port: 1 }, organisation: "o" },
      held: [],
    });
    this.core = core;
    core.serverAway = () => this.away;
    this.discovery = new Discovery(core, () => {
      this.firsts += 1;
    });
  }

  /** The server places it in no office. */
  displace(): void {
    this.#version += 1;
    this.core.view.apply({
      kind: "directory",
      epoch: 1,
      version: this.#version,
      office: NO_OFFICE,
      offices: [{ name: NO_OFFICE, type: "vpn", subnets: [] }],
      members: [],
      officeKey: new Uint8Array(32).fill(this.#version),
    });
  }

  /** What the server says of its office. */
  assign({ name = "Branch", type = "default", key = KEY, members = 3 }: Assignment): void {
    this.#version += 1;
    const directory: Directory = {
      kind: "directory",
      epoch: 1,
      version: this.#version,
      office: name,
      offices: [{ name, type, subnets: ["10.1.0.0/16"] }],
      members: Array.from({ length: members }, (_, index) => ({
        deviceId: idOf(index + 1),
        office: name,
        hosts: [`10.1.1.${index + 1}`],
        portOffset: 0,
        facts: NO_FACTS,
        present: false,
      })),
      officeKey: key,
    };
    this.core.view.apply(directory);
  }

  want(contentId: ContentId, priority = 0): void {
    const entry = this.core.entry(contentId);
    entry.wanted = true;
    entry.priority = priority;
  }

  /** A link on which an office mate has said that it has a content. */
  linkUp(deviceId: DeviceId, contentId: ContentId): void {
    const link = newLink(0, { association: 1, deviceId, host: "10.1.1.2", side: "initiator" });
    const asked = { handle: 1, contentId, manifestBytes: 100, offered: undefined };
    link.asked.set(contentId, { ...asked, answer: "recognised", resting: false });
    this.core.links.set(1, link);
  }

  hear(nowUs: number, from: Address, bytes: Uint8Array = new Uint8Array(0)): void {
    this.discovery.onDatagram(this.#act(nowUs), from, bytes);
  }

  /** When it next has something to do. */
  dueUs(): number {
    return Math.min(this.discovery.due().atUs, this.nextTickUs);
  }

  wake(nowUs: number): void {
    this.discovery.onTimer(this.#act(nowUs));
    if (this.nextTickUs > nowUs) return;
    this.nextTickUs = nowUs + SECOND;
    this.discovery.onTick(this.#act(nowUs));
  }

  #act(nowUs: number): Act {
    const from = { host: this.host, port: 34_329 };
    const outbox = {
      broadcast: (bytes: Uint8Array) => this.#lan.broadcast({ atUs: nowUs, from, bytes }),
      send: (to: Address, _channel: string, bytes: Uint8Array) => {
        this.#lan.answer({ atUs: nowUs, from, bytes }, to);
        return true;
      },
      report: (event: PeerEvent) => this.events.push(event),
    };
    // Discovery uses these three ways out alone.
    const act = { nowUs, outbox: outbox as Partial<PeerOutbox> };
    return act as Act;
  }
}

/** A LAN on which every datagram arrives after a hop. */
export class Lan {
  readonly stations: Station[];
  readonly questions: Sent[] = [];
  readonly answers: Sent[] = [];
  readonly #underWay: { readonly atUs: number; readonly arrive: () => void }[] = [];
  nowUs = 0;

  constructor(
    hosts: readonly string[],
    { crypto, members }: { readonly crypto: Crypto; readonly members?: number },
  ) {
    this.stations = hosts.map((host, index) => {
      const station = new Station(this, host, { index: index + 1, crypto });
      station.assign(members === undefined ? {} : { members });
      return station;
    });
  }

  run(forUs: number): void {
    const endUs = this.nowUs + forUs;
    for (;;) {
      const [next] = this.#underWay;
      const dueUs = Math.min(...this.stations.map((station) => station.dueUs()));
      const atUs = Math.max(this.nowUs, Math.min(dueUs, next?.atUs ?? Number.POSITIVE_INFINITY));
      if (atUs > endUs) break;
      this.nowUs = atUs;
      if (next !== undefined && next.atUs <= atUs) {
        this.#underWay.shift();
        next.arrive();
      } else {
        for (const station of this.stations) if (station.dueUs() <= atUs) station.wake(atUs);
      }
    }
    this.nowUs = endUs;
  }

  broadcast(question: Sent): void {
    this.questions.push(question);
    for (const station of this.stations) this.#carry(question, station);
  }

  answer(answer: Sent, to: Address): void {
    this.answers.push(answer);
    for (const station of this.stations) {
      if (station.host === to.host) this.#carry(answer, station);
    }
  }

  #carry({ atUs, from, bytes }: Sent, station: Station): void {
    const arrivalUs = atUs + HOP_US;
    const arrive = (): void => station.hear(arrivalUs, from, bytes);
    this.#underWay.push({ atUs: arrivalUs, arrive });
    this.#underWay.sort((a, b) => a.atUs - b.atUs);
  }
}

const NO_FACTS = {
  freeBytes: 0,
  usableBytes: 0,
  preferred: false,
  desktop: true,
  serverOs: false,
  uptimeS: 0,
};

/** The id of a device by its number. */
export function idOf(index: number): DeviceId {
  return (0xa0_00_00 + index).toString(16).padStart(32, "a") as DeviceId;
}
