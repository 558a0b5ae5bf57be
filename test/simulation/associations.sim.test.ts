import { describe } from "vitest";
import { DEVICE_PORTS } from "../../src/effects/channels.ts";
import { Pipe } from "../../src/sim/flow/fair-share.ts";
import { FlowNetwork } from "../../src/sim/flow/flow-network.ts";
import { Link } from "../../src/sim/link.ts";
import { toyCrypto } from "../../src/sim/toy-crypto.ts";
import { type Resident, World, type WorldOutbox } from "../../src/sim/world.ts";
import type { AssociationEvent } from "../../src/transport/association-types.ts";
import {
  type AssociationPair,
  associationsContract,
} from "../../src/transport/associations.contract.ts";
import type { Associations, MakeAssociations } from "../../src/transport/associations.ts";
import { Endpoint } from "../../src/transport/endpoint.ts";
import { CLEAN_LINE } from "./fixtures/organisation.ts";

const HOSTS = ["10.0.0.1", "10.0.0.2"] as const;
const NAMES = ["a", "b"] as const;

const DEVICES = {
  expected: { roles: ["device"] },
  allowNone: false,
  expiredGraceS: 0,
  revokedSerials: new Set<string>(),
} as const;

describe("over datagrams", () => {
  associationsContract(() => new Pair("packets"));
});

describe("over flows", () => {
  associationsContract(() => new Pair("flows"));
});

class Pair implements AssociationPair {
  readonly events: readonly [AssociationEvent[], AssociationEvent[]] = [[], []];
  readonly #world: World;
  readonly #links: readonly [Link, Link];
  readonly #flows: FlowNetwork | undefined;
  readonly #ends: readonly [Associations, Associations];
  readonly #outboxes: readonly [WorldOutbox, WorldOutbox];

  constructor(grain: "packets" | "flows") {
    this.#world = new World(1, (from) => [this.#links[from === HOSTS[0] ? 0 : 1]]);
    const { prng } = this.#world;
    this.#links = [new Link(CLEAN_LINE, prng), new Link(CLEAN_LINE, prng)];
    const pipes = [new Pipe(CLEAN_LINE.rate)];
    const path = { delayUs: CLEAN_LINE.delayUs, pipes, open: true };
    this.#flows = grain === "packets" ? undefined : new FlowNetwork(this.#world, () => path);
    this.#ends = [this.#makeEnd(0), this.#makeEnd(1)];
    this.#outboxes = [this.#add(0), this.#add(1)];
  }

  connect(policy: Parameters<AssociationPair["connect"]>[0] = {}): number {
    const ports = { kind: "table", table: DEVICE_PORTS } as const;
    const target = { host: HOSTS[1], ports, policy: { ...DEVICES, ...policy } };
    return this.#act(0, (end, outbox) => end.connect(this.#world.nowUs, target, outbox));
  }

  sendMessage(end: 0 | 1, id: number, bytes: Uint8Array): boolean {
    return this.#act(end, (own, outbox) => own.sendMessage(this.#world.nowUs, id, bytes, outbox));
  }

  sendBlock(end: 0 | 1, id: number, requestId: number, data: Uint8Array): boolean {
    const block = { requestId, offsetBytes: 0, data };
    return this.#act(end, (own, outbox) => own.sendBlock(this.#world.nowUs, id, block, outbox));
  }

  close(end: 0 | 1, id: number, reason: string): void {
    const why = { code: "done", reason } as const;
    this.#act(end, (own, outbox) => own.close(this.#world.nowUs, id, why, outbox));
  }

  vanish(end: 0 | 1): void {
    this.#world.remove(HOSTS[end]);
    this.#flows?.remove(HOSTS[end]);
  }

  run(seconds: number): void {
    this.#world.runUntil(this.#world.nowUs + seconds * 1_000_000);
  }

  #act<T>(
    end: 0 | 1,
    act: (own: Associations, outbox: Parameters<Associations["step"]>[2]) => T,
  ): T {
    const result = act(this.#ends[end], this.#outbox(end, this.#outboxes[end]));
    this.#world.touch(HOSTS[end]);
    return result;
  }

  #outbox(end: 0 | 1, outbox: WorldOutbox): Parameters<Associations["step"]>[2] {
    return { ...outbox, report: (event) => this.events[end].push(copyOf(event)) };
  }

  #add(end: 0 | 1): WorldOutbox {
    const resident: Resident = {
      host: HOSTS[end],
      certificate: certificateOf(end),
      step: (nowUs, input, outbox) => this.#ends[end].step(nowUs, input, this.#outbox(end, outbox)),
      due: () => this.#ends[end].due(),
    };
    return this.#world.add(resident);
  }

  #makeEnd(end: 0 | 1): Associations {
    const flows = this.#flows;
    const make: MakeAssociations =
      flows === undefined
        ? (options) => new Endpoint(options)
        : (options) => flows.endpoint(HOSTS[end], certificateOf(end), options);
    return make({
      crypto: toyCrypto(this.#world.prng),
      inboundPolicy: () => DEVICES,
      singlePort: false,
    });
  }
}

/** What is reported is good for the step alone. */
function copyOf(event: AssociationEvent): AssociationEvent {
  return event.kind === "block-received" ? { ...event, data: event.data.slice() } : event;
}

function certificateOf(end: 0 | 1) {
  const id = NAMES[end];
  const dates = { notBeforeS: 0, notAfterS: 4_000_000_000 };
  return { role: "device", id, ours: true, serial: id, ...dates } as const;
}
