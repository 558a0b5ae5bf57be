import type { ContentId } from "../base/ids.ts";
import { invariant } from "../base/invariant.ts";
import { Prng } from "../base/prng.ts";
import { MS, SECOND } from "../base/units.ts";
import type { Priority } from "../coordinator/state.ts";
import type { PeerEvent } from "../peer/contract.ts";
import { Endpoint } from "../transport/endpoint.ts";
import { agreement, lacking } from "./checkers/agreement.ts";
import type { Checker, Violation } from "./checkers/checker.ts";
import { copies } from "./checkers/copies.ts";
import { counts } from "./checkers/counts.ts";
import { holders } from "./checkers/holders.ts";
import { ledger } from "./checkers/ledger.ts";
import { obedience } from "./checkers/obedience.ts";
import { roles } from "./checkers/roles.ts";
import { watchSeals } from "./checkers/seals.ts";
import { solitude } from "./checkers/solitude.ts";
import { tables } from "./checkers/tables.ts";
import { truth } from "./checkers/truth.ts";
import type { SimDevice } from "./device.ts";
import type { Fault } from "./faults/fault.ts";
import { FaultyNetwork } from "./faults/network.ts";
import { drawWeather, type Weather } from "./faults/weather.ts";
import { Journal } from "./journal.ts";
import { deviceCertificate, Organisation } from "./organisation.ts";
import { Scene } from "./scene.ts";
import { type Onlooker, Tap } from "./tap.ts";
import { drawWorld, type PlannedOrder, type WorldPlan } from "./world-plan.ts";

/** How a world is made, and what is looked at in it. */
export type TrialOptions = {
  readonly seed: number;
  readonly weather: Weather;
  /** What can go wrong besides what the weather has. */
  readonly moreFaults?: readonly Fault[];
  /** Spoils something before anything happens: a test shows with it that a checker fires. */
  readonly sabotage?: (scene: Scene) => void;
};

/** What became of a world. */
export type TrialResult = {
  readonly seed: number;
  readonly weather: Weather;
  /** Of everything that happened: the same for the same seed, on any machine. */
  readonly hash: string;
  readonly events: number;
  readonly devices: number;
  readonly offices: number;
  readonly pieces: number;
  readonly simulatedS: number;
  /** How long it took after the last fault until everybody had everything, and how long it might. */
  readonly recoveredS: number | undefined;
  readonly boundS: number;
  /** How often each kind of fault struck. */
  readonly faults: ReadonlyMap<string, number>;
  readonly violations: readonly Violation[];
  /** The last things that happened, for who has to find out why. */
  readonly trace: readonly string[];
};

/** How often it is looked at what no event tells. */
const LOOK_US = SECOND;

/** How long everybody has to find the server, before anything goes wrong. */
const BEGINNING_US = 30 * SECOND;

/** How long devices have to agree on who fetches, and the server to hear of everything. */
const SETTLING_US = 20 * SECOND;

/** More than this at one time is a brain that calls itself without end. */
const STEPS_AT_ONCE_MAX = 100_000;

/** More violations than this say nothing more. */
const VIOLATIONS_MAX = 8;

/**
 * A world by chance: the seed draws offices, lines, packages and everything that goes wrong. While
 * it does, nothing may happen that must never be; then it ends, and everything has to come right.
 */
export class Trial {
  readonly #options: TrialOptions;
  readonly #plan: WorldPlan;
  readonly #scene: Scene;
  readonly #checkers: readonly Checker[];
  readonly #violations: Violation[] = [];
  readonly #faults = new Map<string, number>();
  /** What the server has said that it deploys: it must not forget it. */
  readonly #deployed = new Set<string>();
  /** What ends the faults that have not ended yet, by their number. */
  readonly #heals = new Map<number, () => void>();
  #blows = 0;
  #lastUs = 0;
  #stepsAtOnce = 0;
  #recoveredUs: number | undefined;

  /** Makes a world and lets it live to its end. */
  static run(options: TrialOptions): TrialResult {
    return new Trial(options).#run();
  }

  private constructor(options: TrialOptions) {
    this.#options = options;
    const prng = new Prng((options.seed ^ 0x5b_d1_e9_95) >>> 0);
    this.#plan = drawWorld(prng, options.weather);
    const { offices } = this.#plan;
    const organisation = new Organisation(options.seed, offices, {
      wrapCrypto: (crypto) => watchSeals(crypto, this.#violate),
    });
    const { world, ways } = organisation;
    const journal = new Journal(() => world.nowUs);
    const devices = [...organisation.devices.values()].flat();
    const network = new FaultyNetwork(world.prng, (host) => ways.officeOf(host));
    const [publisher] = devices;
    invariant(publisher !== undefined, "a world has devices");
    this.#scene = new Scene({ organisation, offices, network, journal, prng, devices, publisher });
    const parts = { scene: this.#scene, violate: this.#violate };
    const copied = copies(parts);
    this.#checkers = [
      truth(parts),
      counts(parts),
      copied,
      ledger(parts, copied),
      roles(parts),
      tables(parts),
      holders(parts),
      agreement(parts),
      obedience(parts),
      solitude(parts),
    ];
    this.#listen();
  }

  #run(): TrialResult {
    const { world } = this.#scene;
    this.#options.sabotage?.(this.#scene);
    try {
      this.#begin();
      this.#storm();
      this.#calm();
    } catch (error) {
      // Whatever others send and whenever the power goes: no step of a brain may throw.
      const stack = error instanceof Error ? error.stack : String(error);
      this.#violate("never-throws", `a step throws: ${stack}`);
    }
    const { journal, packages, devices } = this.#scene;
    return {
      seed: this.#options.seed,
      weather: this.#options.weather,
      hash: journal.hash,
      events: journal.events,
      devices: devices.length,
      offices: this.#plan.offices.length,
      pieces: packages.reduce((sum, { pieces }) => sum + pieces.length, 0),
      simulatedS: world.nowUs / SECOND,
      recoveredS: this.#recoveredUs === undefined ? undefined : this.#recoveredUs / SECOND,
      boundS: this.boundUs / SECOND,
      faults: this.#faults,
      violations: this.#violations,
      trace: journal.tail,
    };
  }

  /**
   * How long it may take at most until everybody has everything once nothing goes wrong any more.
   *
   * - 60 s until all associations are up again: 20 s until one that is dead is given up (AK10), 22.5 s
   *   of pause between two calls of the server, 10 s for a handshake (HS22).
   * - 600 s for the longest that anybody is left alone (SW26), and 300 s (SW13) for the next one.
   * - At each level of the tree 60 s until a holder that brings nothing is passed over and another
   *   one has taken its place (EL5), 32 s until an office above is asked (SW21).
   * - What has to cross each line, one after the other, at four fifths of its rate; in an office
   *   whose devices do not share once for each of them.
   */
  get boundUs(): number {
    const { ways } = this.#scene.organisation;
    const bytes = this.#scene.packages.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    let longestUs = 0;
    for (const { name } of this.#plan.offices) {
      let us = 0;
      for (const office of ways.pathUp(name)) {
        const rate = this.#scene.lineOf(office)?.up.options.rate;
        const spec = this.#plan.offices.find((one) => one.name === office);
        const times = spec?.type === "vpn" ? spec.devices : 1;
        us += 92 * SECOND + (rate === undefined ? 0 : (1.25 * times * bytes * SECOND) / rate);
      }
      longestUs = Math.max(longestUs, us);
    }
    return 60 * SECOND + 900 * SECOND + longestUs;
  }

  readonly #violate = (checker: string, sentence: string): void => {
    if (this.#violations.length >= VIOLATIONS_MAX) return;
    const { journal, world } = this.#scene;
    journal.note("!", `${checker}: ${sentence}`);
    this.#violations.push({ checker, sentence, atUs: world.nowUs, event: journal.events });
  };

  /** Whether it is over: something was violated, or time does not pass any more. */
  readonly #isBroken = (): boolean => {
    const { nowUs } = this.#scene.world;
    this.#stepsAtOnce = this.#lastUs === nowUs ? this.#stepsAtOnce + 1 : 0;
    this.#lastUs = nowUs;
    if (this.#stepsAtOnce > STEPS_AT_ONCE_MAX) {
      this.#violate("runaway", "so much happens at one time that it never passes");
    }
    return this.#violations.length > 0;
  };

  /** Has the checkers hear of everything. */
  #listen(): void {
    const { world, journal, network, overheard } = this.#scene;
    world.wire = (parcel) => {
      if (journal.events % 61 === 0) {
        overheard[journal.events % 16] = parcel.bytes.slice();
      }
      return network.carry(parcel);
    };
    world.onDelivery = (host, input) => {
      if (input.kind !== "datagram-received") {
        journal.count(host, input.kind.length);
        return;
      }
      const bytes = input.arrivals[0];
      const last = bytes?.at(-1) ?? 0;
      journal.count(host, ((bytes?.length ?? 0) << 8) | last);
    };
    for (const device of this.#scene.devices) this.#listenTo(device);
    this.#scene.onJoin = (device) => this.#listenTo(device);
    const look = (): void => {
      for (const checker of this.#checkers) checker.onLook?.();
      world.plan(LOOK_US, look);
    };
    world.plan(LOOK_US, look);
  }

  #listenTo(device: SimDevice): void {
    const { journal, packages, versions } = this.#scene;
    const onlooker: Onlooker = {
      contentIds: () => packages.map(({ contentId }) => contentId),
      onSent: (to, passing) => {
        for (const checker of this.#checkers) checker.onSent?.(device, to, passing);
      },
      onReceived: (from, passing) => {
        for (const checker of this.#checkers) checker.onReceived?.(device, from, passing);
      },
      onTaught: (said) => {
        for (const checker of this.#checkers) checker.onTaught?.(device, said);
      },
      onAsked: (contentId) => {
        for (const checker of this.#checkers) checker.onAsked?.(device, contentId);
      },
      onSaid: (message) => {
        const productVersion = versions.get(device);
        if (message.kind !== "register" || productVersion === undefined) return message;
        return { ...message, productVersion };
      },
    };
    device.makeAssociations = (options) =>
      new Tap(new Endpoint(options), options.crypto, device.deviceId, onlooker);
    device.onTold = (input) => {
      journal.count(device.host, input.kind.length);
      for (const checker of this.#checkers) checker.onTold?.(device, input);
    };
    device.onStart = () => {
      journal.note(device.host, "starts");
      for (const checker of this.#checkers) checker.onStart?.(device);
    };
    device.onReport = (event) => {
      journal.note(device.host, told(event));
      this.#reidentify(device, event);
      for (const checker of this.#checkers) checker.onReport?.(device, event);
    };
    device.onQuestion = () => {
      for (const checker of this.#checkers) checker.onQuestion?.(device);
    };
    // It began before anybody looked on.
    device.stop();
    device.start();
  }

  /** Does as the agent does around its brain: asks for an identity of its own, and takes it on. */
  #reidentify(device: SimDevice, event: PeerEvent): void {
    const { world } = this.#scene;
    if (event.kind === "identity-cloned") {
      world.plan(20 * MS, () => device.tell({ kind: "enrol-anew", request: new Uint8Array(8) }));
    }
    if (event.kind !== "identity-issued") return;
    const { deviceId } = event;
    world.plan(20 * MS, () => {
      if (!device.running || device.deviceId === deviceId) return;
      device.stop();
      device.deviceId = deviceId;
      device.certificate = deviceCertificate(deviceId);
      device.start();
    });
  }

  /** Everybody finds the server before anything happens. */
  #begin(): void {
    const { world, organisation, devices } = this.#scene;
    const isThere = () => organisation.server.coordinator.counts().present === devices.length;
    world.runUntil(world.nowUs + BEGINNING_US, () => isThere() || this.#isBroken());
    world.runUntil(world.nowUs + SECOND, this.#isBroken);
  }

  /** Things are deployed, and go wrong. */
  #storm(): void {
    const { world, prng } = this.#scene;
    const { orders, stormUs } = this.#plan;
    const endUs = world.nowUs + stormUs;
    for (const order of orders) world.plan(order.atUs, () => this.#publish(order));
    const { weather, moreFaults } = this.#options;
    const faults = drawWeather(prng, weather, stormUs, undefined, moreFaults);
    for (const { fault, atUs, lastsUs } of faults) {
      world.plan(atUs, () => this.#strike(fault, lastsUs));
    }
    if (faults.length > 0) {
      world.plan(prng.below(stormUs), () => {
        this.#scene.backup = this.#scene.organisation.server.database.copy();
      });
    }
    world.runUntil(endUs, this.#isBroken);
  }

  #publish({ shape, targets, priority, first }: PlannedOrder): void {
    const { organisation, world, packages, orders, journal, publisher } = this.#scene;
    const simPackage = organisation.makePackage(shape);
    const { contentId } = simPackage;
    packages.push(simPackage);
    const later = { contentId, targets, priority, cancelled: [] };
    if (first === undefined) orders.push(later);
    else {
      const devices = this.#lastOfEach(first.offices);
      orders.push({ ...later, targets: { devices }, cancelled: [] });
      world.plan(first.aheadUs, () => {
        orders.push(later);
        this.#deploy();
      });
    }
    journal.note("operator", `publishes ${contentId.slice(0, 8)}, ${shape.pieces} pieces`);
    publisher.store.fill(contentId, simPackage.signed, simPackage.pieces);
    publisher.tell({ kind: "publish", contentId, manifest: simPackage.signed });
    this.#deploy();
  }

  /** One device of each of these offices, and not the first, which is likely to fetch for it. */
  #lastOfEach(offices: readonly string[]): readonly string[] {
    const { organisation } = this.#scene;
    return offices.flatMap((name) => organisation.office(name).at(-1)?.deviceId ?? []);
  }

  /** Does as operators do: what the server does not know is published and deployed once more. */
  #deploy(): void {
    const { organisation, packages, orders, publisher, world } = this.#scene;
    const { server } = organisation;
    let missing = !this.#scene.serverUp;
    for (const { contentId, targets, priority } of this.#scene.serverUp ? orders : []) {
      const wanted = JSON.stringify([contentId, targets]);
      const isDeployed = server.coordinator
        .deployments()
        .some((row) => JSON.stringify([row.contentId, row.targets]) === wanted);
      if (isDeployed) continue;
      if (this.#deployed.has(wanted) && !this.#scene.restored) {
        const name = contentId.slice(0, 8);
        this.#violate("durability", `the server has forgotten that ${name} is deployed`);
      }
      const deploy = { kind: "deploy", contentId, targets, priority } as const;
      const answer = server.command(deploy);
      if (answer?.kind === "deployed") {
        this.#deployed.add(wanted);
        this.#onDeployed(contentId, priority);
        continue;
      }
      missing = true;
      const made = packages.find((one) => one.contentId === contentId);
      if (made === undefined) continue;
      publisher.tell({ kind: "publish", contentId, manifest: made.signed });
    }
    if (missing) world.plan(2 * SECOND, () => this.#deploy());
  }

  #onDeployed(contentId: ContentId, priority: Priority): void {
    this.#scene.journal.note("operator", `deploys ${contentId.slice(0, 8)}, ${priority}`);
    // What is less urgent is taken back for it, also where it is on its way already.
    if (this.#options.weather !== "none") this.#onBlow("all");
  }

  #onBlow(offices: readonly string[] | "all"): void {
    for (const checker of this.#checkers) checker.onBlow?.(offices);
  }

  #strike(fault: Fault, lastsUs: number): void {
    const { world, journal } = this.#scene;
    const blow = fault.strike(this.#scene);
    if (blow === undefined) return;
    this.#faults.set(fault.kind, (this.#faults.get(fault.kind) ?? 0) + 1);
    journal.note("fault", `${fault.kind}: ${blow.sentence}`);
    this.#onBlow(blow.offices);
    if (blow.heal === undefined) return;
    const number = this.#blows++;
    const heal = (): void => {
      if (!this.#heals.delete(number)) return;
      journal.note("fault", `${fault.kind} ends`);
      blow.heal?.();
    };
    this.#heals.set(number, heal);
    world.plan(lastsUs, heal);
  }

  /** Nothing goes wrong any more, and everything has to come right. */
  #calm(): void {
    if (this.#violations.length > 0) return;
    const { world, journal } = this.#scene;
    for (const heal of [...this.#heals.values()].reverse()) heal();
    journal.note("fault", "everything is well again");
    this.#scene.isStormy = false;
    this.#deploy();
    const calmAtUs = world.nowUs;
    if (!this.#recover(calmAtUs + this.boundUs)) return;
    this.#recoveredUs = world.nowUs - calmAtUs;
    world.runUntil(world.nowUs + SETTLING_US, this.#isBroken);
    if (this.#violations.length > 0) return;
    for (const checker of this.#checkers) checker.onEnd?.();
  }

  /** Runs until everybody has what he should have; says whether it came to that. */
  #recover(endUs: number): boolean {
    const { world } = this.#scene;
    while (lacking(this.#scene).length > 0 || this.#waits()) {
      if (world.nowUs >= endUs) {
        for (const sentence of lacking(this.#scene)) this.#violate("liveness", sentence);
        if (this.#waits()) this.#violate("liveness", "not everything is deployed");
      }
      this.#pardon();
      this.#resume();
      world.runUntil(world.nowUs + LOOK_US, this.#isBroken);
      if (this.#violations.length > 0) return false;
    }
    return true;
  }

  /** Whether something that was ordered is not deployed yet. */
  #waits(): boolean {
    const deployed = this.#scene.organisation.server.coordinator.deployments();
    // What one device of each office is to have first is ordered once more, for all.
    const orders = this.#plan.orders.reduce((sum, { first }) => sum + (first ? 2 : 1), 0);
    const waiting = orders > this.#scene.orders.length;
    return (
      waiting ||
      this.#scene.orders.some(
        ({ contentId }) => !deployed.some((row) => row.contentId === contentId),
      )
    );
  }

  /** What is still paused, because a server came back that knew no better, goes on. */
  #resume(): void {
    const { coordinator } = this.#scene.organisation.server;
    for (const { deploymentId, directives, cancelledAtMs } of coordinator.deployments()) {
      if (cancelledAtMs !== undefined || !directives.some(({ kind }) => kind === "pause")) continue;
      this.#scene.steer({ kind: "steer", deploymentId, order: { kind: "resume" } });
    }
  }

  /** Those who lied have been installed anew, and an administrator trusts them again. */
  #pardon(): void {
    const { server } = this.#scene.organisation;
    for (const { deviceId, shunnedAtMs } of server.coordinator.devices()) {
      if (shunnedAtMs !== undefined) server.command({ kind: "pardon", deviceId });
    }
  }
}

/** What a device reports, in a line. */
function told(event: { readonly kind: string }): string {
  const fields = Object.entries(event).flatMap(([key, value]) => {
    if (key === "kind" || typeof value === "object") return [];
    const text = String(value);
    return [`${key}=${text.length > 40 ? `${text.slice(0, 8)}…` : text}`];
  });
  return [event.kind, ...fields].join(" ");
}
