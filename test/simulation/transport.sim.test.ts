import { expect, test } from "vitest";
import { toHex } from "../../src/base/hex.ts";
import { Prng } from "../../src/base/prng.ts";
import { MS, SECOND } from "../../src/base/units.ts";
import { DEVICE_PORTS } from "../../src/effects/channels.ts";
import type { Role } from "../../src/effects/handshake.ts";
import { LAN, Link, type LinkOptions } from "../../src/sim/link.ts";
import { toyCrypto } from "../../src/sim/toy-crypto.ts";
import { World, type WorldOutbox } from "../../src/sim/world.ts";
import type { AssociationEvent } from "../../src/transport/association-types.ts";
import { Endpoint } from "../../src/transport/endpoint.ts";
import type { PeerPolicy } from "../../src/transport/judge-peer.ts";

const ROUGH: LinkOptions = {
  delayUs: 10 * MS,
  rate: 2_500_000,
  queueBytes: 100_000,
  lossPercent: 3,
  duplicatePercent: 2,
  jitterUs: 3 * MS,
};

test.each([
  ["a clean LAN", LAN, 0],
  ["a clean LAN", LAN, 1],
  ...Array.from({ length: 20 }, (_, seed) => ["a rough line", ROUGH, seed] as const),
] as const)("everything arrives once and in order over %s (%#)", (_name, link, seed) => {
  const pair = new Pair(seed, link);
  pair.connect();
  pair.runUntil(() => pair.up);
  const sent = pair.sendMessages(200);
  const blocks = pair.sendBlocks(20);

  pair.runUntil(() => pair.messages >= 200 && pair.blockBytes >= blocks.bytes);

  expect(pair.received(1)).toEqual(sent);
  expect(pair.assembled(1)).toEqual(blocks.digests);
});

test("the same seed gives the same run, to the letter", () => {
  const run = (): readonly string[] => {
    const pair = new Pair(77, ROUGH);
    pair.world.traceDatagrams = true;
    pair.connect();
    pair.runUntil(() => pair.up);
    pair.sendMessages(50);
    pair.runUntil(() => pair.messages >= 50);
    return pair.world.trace;
  };
  const first = run();

  expect(first.length).toBeGreaterThan(50);
  expect(run()).toEqual(first);
});

test("AK10: a peer that vanishes is given up within the silence limit", () => {
  const pair = new Pair(5, LAN);
  pair.connect();
  pair.runUntil(() => pair.up);

  pair.world.remove("10.0.0.2");
  pair.runUntil(() => pair.events[0].some(({ kind }) => kind === "association-down"), 30);

  expect(pair.events[0].at(-1)).toMatchObject({ code: "silent", byPeer: false, wasUp: true });
});

test("HS19: a peer with the wrong role is refused, and is told why", () => {
  const pair = new Pair(6, LAN, { roles: ["server", "device"] });
  pair.connect({ roles: ["server"] });

  pair.runUntil(
    () => pair.events.every((side) => side.some(({ kind }) => kind === "association-down")),
    30,
  );

  expect(pair.events[0].at(-1)).toMatchObject({ code: "wrong-role", byPeer: false });
  expect(pair.events[1].at(-1)).toMatchObject({ code: "wrong-role", byPeer: true });
});

const BLOCK_BYTES = 70_000;
const HOSTS = ["10.0.0.1", "10.0.0.2"] as const;

/** Two endpoints joined by one link, and all that either reports. */
class Pair {
  readonly world: World;
  /** Messages and bytes of blocks that the second endpoint has been handed. */
  messages = 0;
  blockBytes = 0;
  readonly events: readonly [AssociationEvent[], AssociationEvent[]] = [[], []];
  readonly #endpoints: readonly Endpoint[];
  readonly #outboxes: readonly WorldOutbox[];
  readonly #prng: Prng;

  constructor(seed: number, link: LinkOptions, inbound: { roles: Role[] } = { roles: ["device"] }) {
    this.#prng = new Prng(seed ^ 0x5eed);
    const prng = new Prng(seed);
    const links = [new Link(link, prng), new Link(link, prng)] as const;
    this.world = new World(seed, (from) => [from === HOSTS[0] ? links[0] : links[1]]);
    const made = HOSTS.map((host, index) => this.#add(host, index, inbound.roles));
    this.#endpoints = made.map(({ endpoint }) => endpoint);
    this.#outboxes = made.map(({ outbox }) => outbox);
  }

  get up(): boolean {
    return this.events.every(([first]) => first?.kind === "association-up");
  }

  connect(expected: { roles: readonly Role[] } = { roles: ["device"] }): void {
    const policy = policyFor(expected.roles);
    const ports = { kind: "table", table: DEVICE_PORTS } as const;
    this.#endpoints[0]?.connect(0, { host: HOSTS[1], ports, policy }, this.#outbox(0));
  }

  sendMessages(count: number): readonly string[] {
    return Array.from({ length: count }, () => {
      const bytes = this.#random(1 + this.#prng.below(3_000));
      this.#endpoints[0]?.sendMessage(
        this.world.nowUs,
        this.#association(0),
        bytes,
        this.#outbox(0),
      );
      return toHex(bytes);
    });
  }

  sendBlocks(count: number) {
    const digests = new Map<number, string>();
    for (let requestId = 0; requestId < count; requestId += 1) {
      const data = this.#random(BLOCK_BYTES);
      digests.set(requestId, digestOf(data));
      const block = { requestId, offsetBytes: 0, data };
      this.#endpoints[0]?.sendBlock(this.world.nowUs, this.#association(0), block, this.#outbox(0));
    }
    return { digests, bytes: count * BLOCK_BYTES };
  }

  received(side: 0 | 1): readonly string[] {
    return this.events[side].flatMap((event) =>
      event.kind === "message-received" ? [toHex(event.bytes)] : [],
    );
  }

  assembled(side: 0 | 1): ReadonlyMap<number, string> {
    const pieces = new Map<number, Uint8Array>();
    for (const event of this.events[side]) {
      if (event.kind !== "block-received") continue;
      const piece = pieces.get(event.requestId) ?? new Uint8Array(BLOCK_BYTES);
      piece.set(event.data, event.offsetBytes);
      pieces.set(event.requestId, piece);
    }
    return new Map([...pieces].sort(([a], [b]) => a - b).map(([id, data]) => [id, digestOf(data)]));
  }

  runUntil(done: () => boolean, seconds = 120): void {
    this.world.runUntil(this.world.nowUs + seconds * SECOND, done);
    expect(done()).toBe(true);
  }

  #add(host: string, index: number, roles: readonly Role[]) {
    const endpoint = new Endpoint({
      crypto: toyCrypto(this.world.prng),
      inboundPolicy: () => policyFor(roles),
      singlePort: false,
    });
    const events = this.events[index] ?? [];
    const report = (event: AssociationEvent) => {
      // The bytes of a block are good for this step.
      const kept = event.kind === "block-received" ? { data: event.data.slice() } : {};
      events.push({ ...event, ...kept });
      if (event.kind === "message-received") this.messages += index;
      if (event.kind === "block-received") this.blockBytes += event.data.length;
    };
    const outbox = this.world.add({
      host,
      certificate: {
        role: "device",
        id: `${index}`.repeat(32),
        ours: true,
        notBeforeS: 0,
        notAfterS: 4_000_000_000,
        serial: "01",
      },
      step: (nowUs, input, world) => endpoint.step(nowUs, input, { ...world, report }),
      due: () => endpoint.due(),
    });
    return { endpoint, outbox };
  }

  #outbox(side: 0 | 1) {
    const world = this.#outboxes[side];
    if (world === undefined) throw new Error("no such side");
    return { ...world, report: (event: AssociationEvent) => this.events[side].push(event) };
  }

  #association(side: 0 | 1): number {
    return this.events[side].find(({ kind }) => kind === "association-up")?.association ?? 0;
  }

  #random(lengthBytes: number): Uint8Array {
    return Uint8Array.from({ length: lengthBytes }, () => this.#prng.below(256));
  }
}

function policyFor(roles: readonly Role[]): PeerPolicy {
  return { expected: { roles }, allowNone: false, expiredGraceS: 0, revokedSerials: new Set() };
}

function digestOf(data: Uint8Array): string {
  let state = 0;
  for (const byte of data) state = (Math.imul(state, 31) + byte) >>> 0;
  return `${data.length}:${state}`;
}
