import type { ContentId, DeviceId } from "../base/ids.ts";
import { type Due, NEVER } from "../base/machine.ts";
import { MS } from "../base/units.ts";
import { SERVER_PORTS } from "../effects/channels.ts";
import type { Crypto } from "../effects/crypto.ts";
import type { CertificateFacts } from "../effects/handshake.ts";
import type { OriginRange } from "../effects/origin.ts";
import type { StorageInput } from "../effects/storage.ts";
import type {
  Explanation,
  PeerEvent,
  PeerInput,
  PeerOutbox,
  PeerStatus,
} from "../peer/contract.ts";
import { Peer } from "../peer/peer.ts";
import type { CandidateFacts } from "../topology/election.ts";
import type { MakeAssociations } from "../transport/associations.ts";
import { SimClock } from "./clock.ts";
import type { FlowNetwork } from "./flow/flow-network.ts";
import type { Matter } from "./matter.ts";
import type { SimOrigin } from "./origins.ts";
import type { SimPackage } from "./package.ts";
import { SimStore } from "./store.ts";
import type { Resident, World, WorldInput, WorldOutbox } from "./world.ts";

/** How long the simulated disk takes to answer. */
const DISK_US = 2 * MS;

/** A device in a simulated world: the real brain, a simulated disk, and a power switch. */
export class SimDevice implements Resident {
  #host: string;
  readonly #machineId: string;
  /** What it shows others it is; another one where it has enrolled anew. */
  deviceId: DeviceId;
  certificate: CertificateFacts;
  readonly store: SimStore;
  readonly clock: SimClock = new SimClock();
  readonly events: PeerEvent[] = [];
  /** How long its disk takes to answer. */
  diskUs: number = DISK_US;
  /** What its brain speaks to others through from the next start on; by default datagrams. */
  makeAssociations: MakeAssociations | undefined;
  /** Told what the brain is told, before it is, and whenever it asks its LAN. */
  onTold: (input: PeerInput) => void = () => {};
  onQuestion: () => void = () => {};
  /** Told when a brain begins. */
  onStart: () => void = () => {};
  /** Told what the brain reports, after it was kept. */
  onReport: (event: PeerEvent) => void = () => {};
  /** While it sleeps: since when, and what waits for it to wake. */
  #asleep: { readonly sinceUs: number; readonly waiting: (() => void)[] } | undefined;
  readonly #world: World;
  readonly #crypto: Crypto;
  readonly #matter: Matter;
  readonly #flows: FlowNetwork | undefined;
  readonly #server: { readonly host: string; readonly organisation: string };
  /** What it is called, and what of it decides elections. */
  readonly hostName: string;
  readonly facts: CandidateFacts;
  #peer: Peer | undefined;
  /** How often it has asked its LAN who is there. */
  questions = 0;
  #boots = 0;
  #own: { readonly world: WorldOutbox; readonly outbox: PeerOutbox } | undefined;
  /** Changes a piece on its way out of the store: the device lies, or its disk rots. */
  spoil: (bytes: Uint8Array) => Uint8Array = (bytes) => bytes;
  /** The origins that the device can reach. */
  origins: readonly SimOrigin[] = [];
  /** Told of each content that has become whole. */
  onFinished: (contentId: ContentId) => void = () => {};
  /** Changes what the brain is told: a device that was tampered with. */
  onInput: (input: PeerInput) => PeerInput | undefined = (input) => input;

  constructor(
    world: World,
    options: {
      readonly host: string;
      readonly deviceId: DeviceId;
      readonly certificate: CertificateFacts;
      readonly crypto: Crypto;
      readonly matter: Matter;
      /** Absent in worlds of packets. */
      readonly flows: FlowNetwork | undefined;
      readonly server: { readonly host: string; readonly organisation: string };
      readonly hostName: string;
      readonly facts: CandidateFacts;
    },
  ) {
    this.#world = world;
    this.#host = options.host;
    this.#machineId = options.host;
    this.deviceId = options.deviceId;
    this.certificate = options.certificate;
    this.#crypto = options.crypto;
    this.#matter = options.matter;
    this.#flows = options.flows;
    this.#server = options.server;
    this.hostName = options.hostName;
    this.facts = options.facts;
    this.store = new SimStore(options.matter);
    this.start();
  }

  get host(): string {
    return this.#host;
  }

  wallS(): number {
    return this.clock.wallS(this.#world.wallS);
  }

  /** Whether the device is switched on. */
  get running(): boolean {
    return this.#peer !== undefined;
  }

  /** Switches the device on: the brain begins with what the store holds. */
  start(): void {
    this.#boots += 1;
    const boot = this.#boots;
    this.onStart();
    const { host, certificate, makeAssociations } = this;
    const flows = this.#flows;
    this.#peer = new Peer({
      ...(flows && { makeAssociations: (own) => flows.endpoint(host, certificate, own) }),
      ...(makeAssociations && { makeAssociations }),
      readManifest: this.#matter.readManifest,
      crypto: this.#crypto,
      seed: this.#world.prng.next(),
      bootId: boot,
      deviceId: this.deviceId,
      hostName: this.hostName,
      hosts: [this.#host],
      portOffset: 0,
      facts: this.facts,
      server: { ...this.#server, ports: { kind: "table", table: SERVER_PORTS } },
      held: this.store.held(),
      machineId: this.#machineId,
      remembered: this.store.remembered,
    });
    const world = this.#world.add(this);
    this.store.answer = (input) => {
      this.#world.plan(this.diskUs, () => {
        if (this.#boots !== boot) return;
        this.store.onTold(input);
        this.#input(input, world);
      });
    };
    this.tell({ kind: "wall-clock", wallMs: this.wallS() * 1_000 });
  }

  /** Cuts the power. */
  stop(): void {
    this.#peer = undefined;
    this.#asleep = undefined;
    this.#boots += 1;
    this.#world.remove(this.#host);
    this.#flows?.remove(this.#host);
  }

  /** Nothing happens in the device any more, and nothing reaches it, until it wakes. */
  sleep(): void {
    if (!this.running) return;
    this.#asleep ??= { sinceUs: this.#world.nowUs, waiting: [] };
    this.#world.touch(this.#host);
  }

  /** @param stoodStill - Whether its counting clock stood still, as it does on some systems. */
  wake(stoodStill: boolean): void {
    const asleep = this.#asleep;
    if (asleep === undefined) return;
    this.#asleep = undefined;
    if (stoodStill) this.clock.stoodStill(this.#world.nowUs - asleep.sinceUs);
    this.#world.tell(this.#host, { kind: "woke" });
    this.tell({ kind: "wall-clock", wallMs: this.wallS() * 1_000 });
    for (const happen of asleep.waiting) happen();
    this.#world.touch(this.#host);
  }

  /** The device is somewhere else from now on, and notices. */
  move(host: string): void {
    const from = this.#host;
    this.#host = host;
    if (!this.running) return;
    this.#world.moved(from, this);
    this.tell({ kind: "addresses-changed", hosts: [host] });
  }

  /** Tells the brain something. */
  tell(input: PeerInput): void {
    if (this.running) this.#input(input, this.#world.outboxOf(this.#host));
  }

  /** Has the device publish a package that lies in its store. */
  publish(simPackage: SimPackage): void {
    const { contentId, signed, pieces } = simPackage;
    this.store.fill(contentId, signed, pieces);
    this.tell({ kind: "publish", contentId, manifest: signed });
  }

  step(nowUs: number, input: WorldInput, world: WorldOutbox): void {
    // What comes to a machine that sleeps is lost.
    if (this.#asleep !== undefined) return;
    const told = this.onInput(input);
    if (told !== undefined) this.#peer?.step(this.clock.ownUs(nowUs), told, this.#outbox(world));
  }

  due(): Due {
    if (this.#peer === undefined || this.#asleep !== undefined) return NEVER;
    const { atUs, reason } = this.#peer.due();
    return { atUs: this.clock.worldUs(atUs), reason };
  }

  status(): PeerStatus | undefined {
    return this.#peer?.status();
  }

  /** Bytes that are held for records of which parts are missing. */
  get receivingBytes(): number {
    return this.#peer?.heldBytes ?? 0;
  }

  /** Why each piece of a content came from where it came. */
  explain(contentId: ContentId): Explanation | undefined {
    return this.#peer?.explain(contentId);
  }

  /** The operator or the cache lets go of a content. */
  evict(contentId: ContentId): void {
    this.store.evict(contentId);
  }

  #input(input: PeerInput, world: WorldOutbox): void {
    if (this.#asleep !== undefined) {
      this.#asleep.waiting.push(() => this.#input(input, world));
      return;
    }
    const told = this.onInput(this.#spoilt(input));
    if (told !== undefined) this.onTold(told);
    const ownUs = this.clock.ownUs(this.#world.nowUs);
    if (told !== undefined) this.#peer?.step(ownUs, told, this.#outbox(world));
    this.#world.touch(this.#host);
  }

  #fetchRange(ticket: number, range: OriginRange, world: WorldOutbox): void {
    const boot = this.#boots;
    const origin = this.origins.find(({ location }) => location === range.location);
    const asker = { host: this.host, ticket, nowUs: this.#world.nowUs };
    const problem = "There is nobody at this address.";
    const { delayUs, input } = origin?.answer(asker, range) ?? {
      delayUs: DISK_US,
      input: { kind: "range-failed", ticket, fault: "unreachable", problem } as const,
    };
    this.#world.plan(delayUs, () => {
      if (this.#boots === boot) this.#input(input, world);
    });
  }

  #spoilt(input: PeerInput | StorageInput): PeerInput {
    if (input.kind !== "piece-read" || input.bytes === undefined) return input;
    return { ...input, bytes: this.spoil(input.bytes) };
  }

  /** What the brain may do, which changes with the world's outbox alone. */
  #outbox(world: WorldOutbox): PeerOutbox {
    if (this.#own?.world !== world) this.#own = { world, outbox: this.#makeOutbox(world) };
    return this.#own.outbox;
  }

  #makeOutbox(world: WorldOutbox): PeerOutbox {
    const { store } = this;
    return {
      ...world,
      createContent: (contentId, manifest) => store.createContent(contentId, manifest),
      storePiece: (contentId, piece, bytes) => store.storePiece(contentId, piece, bytes),
      readPiece: (ticket, contentId, range) => store.readPiece(ticket, contentId, range),
      finishContent: (contentId) => store.finishContent(contentId),
      purge: (contentId) => store.purge(contentId),
      recheckPiece: (contentId, piece) => store.recheckPiece(contentId, piece),
      protectContents: (contentIds) => store.protectContents(contentIds),
      limitCache: (limits) => store.limitCache(limits),
      remember: (name, bytes) => store.remember(name, bytes),
      fetchRange: (ticket, range) => this.#fetchRange(ticket, range, world),
      broadcast: (bytes) => {
        this.questions += 1;
        this.onQuestion();
        this.#world.broadcast(this.host, "discovery", bytes);
      },
      report: (event) => {
        const { kind } = event;
        if (kind === "content-finished") this.onFinished(event.contentId);
        if (!this.#world.traced) return;
        this.events.push(event);
        this.#world.trace.push(`${this.#world.nowUs} ${this.host} ${kind}`);
        this.onReport(event);
      },
    };
  }
}
