import { existsSync } from "node:fs";
import { join } from "node:path";
import type { DeploymentDetail } from "../../src/api/deployment-schemas.ts";
import { pause } from "../../src/cli/interruption.ts";
import type { Published } from "../../src/cli/publishing.ts";
import { OperatorError } from "../../src/runtime/operator-error.ts";
import { type LinkTraffic, trafficOf, trafficSince } from "../net/counters.ts";
import type { Stage } from "../stage.ts";
import { ProcessorMeter, type Use } from "./meter.ts";
import type { Machine, Organisation, Package } from "./organisation.ts";

/** What is distributed. */
export type Distributed = Package & Published;

/** What a distribution has come to. */
export type Measured = Use & {
  /** Devices of which the server has heard that they have verified it. */
  readonly verified: number;
  /** From the deployment to the moment when the server knew that all have verified it. */
  readonly seconds: number;
  /** The same until the last device had handed it over, whether or not the server knew. */
  readonly deliveredSeconds: number;
  readonly links: ReadonlyMap<string, LinkTraffic>;
  /** Pieces that came over an office's link, over the size, as the product counts them. */
  readonly copies: ReadonlyMap<string, number>;
  readonly deployment: DeploymentDetail | undefined;
};

/** How often it is looked how far things are, in milliseconds. */
const LOOK_MS = 100;

/** How often a person is told, in milliseconds. */
const TELL_MS = 2_000;

/** One deployment to all devices, from the moment when it is announced. */
export class Distribution {
  readonly content: Distributed;
  readonly deploymentId: string;
  readonly #stage: Stage;
  readonly #organisation: Organisation;
  readonly #before: ReadonlyMap<string, LinkTraffic>;
  readonly #meter: ProcessorMeter;
  readonly #startedMs: number;
  #toldMs = Number.NEGATIVE_INFINITY;
  #deployment: DeploymentDetail | undefined;
  #deliveredMs: number | undefined;
  /** Devices that need not get it, by name. */
  readonly excused: Set<string> = new Set();

  /** Reads the counters and deploys; the clock runs from then on. */
  static async begin(
    stage: Stage,
    organisation: Organisation,
    content: Distributed,
  ): Promise<Distribution> {
    const before = await linkTraffic(organisation);
    const meter = new ProcessorMeter(organisation);
    const startedMs = performance.now();
    const deploymentId = await organisation.deploy(content);
    return new Distribution({
      stage,
      organisation,
      content,
      before,
      meter,
      startedMs,
      deploymentId,
    });
  }

  private constructor(parts: {
    readonly stage: Stage;
    readonly organisation: Organisation;
    readonly content: Distributed;
    readonly before: ReadonlyMap<string, LinkTraffic>;
    readonly meter: ProcessorMeter;
    readonly startedMs: number;
    readonly deploymentId: string;
  }) {
    this.#stage = parts.stage;
    this.#organisation = parts.organisation;
    this.content = parts.content;
    this.#before = parts.before;
    this.#meter = parts.meter;
    this.#startedMs = parts.startedMs;
    this.deploymentId = parts.deploymentId;
  }

  /** Since the deployment. */
  get seconds(): number {
    return (performance.now() - this.#startedMs) / 1000;
  }

  /** The devices that have been handed it. */
  get delivered(): readonly Machine[] {
    return this.#organisation.devices.filter((device) => existsSync(this.placeOn(device)));
  }

  /** Where a device hands it over. */
  placeOn({ data }: Machine): string {
    return join(data, "delivered", this.content.name, this.content.version);
  }

  /** How much of it the devices of an office hold that hold the most, from 0 to 1. */
  shareIn(office: string): number {
    const devices = this.#deployment?.devices.filter((device) => device.office === office) ?? [];
    const heldBytes = Math.max(0, ...devices.map((device) => device.heldBytes));
    return heldBytes / this.content.sizeBytes;
  }

  /** How much of it all devices hold together, from 0 to 1, as far as the server knows. */
  get share(): number {
    const devices = this.#deployment?.devices ?? [];
    const heldBytes = devices.reduce((sum, device) => sum + device.heldBytes, 0);
    return heldBytes / this.content.sizeBytes / Math.max(1, devices.length);
  }

  /** Looks once: gives what the server knows, or knew when it last answered. */
  async look(): Promise<DeploymentDetail | undefined> {
    this.#organisation.check();
    try {
      this.#deployment = await this.#organisation.deployment(this.deploymentId);
    } catch (error) {
      // A bench may have killed the server.
      if (!(error instanceof OperatorError)) throw error;
    }
    if (this.#deliveredMs === undefined && this.#allDelivered()) {
      this.#deliveredMs = performance.now();
    }
    this.#tell();
    return this.#deployment;
  }

  /** Looks until something is so. Gives whether it came about before patience was at its end. */
  async until(isSo: () => Promise<boolean> | boolean): Promise<boolean> {
    for (;;) {
      await this.look();
      if (await isSo()) return true;
      if (this.seconds * 1000 > this.#stage.options.patienceMs) return false;
      await pause(LOOK_MS, this.#stage.signal);
    }
  }

  /** Waits until every device has it, and the server knows where there is one. */
  async finish({ withServer = true } = {}): Promise<Measured> {
    await this.until(() => {
      if (this.#deliveredMs === undefined) return false;
      return !withServer || this.#verified() >= this.#wanted();
    });
    const { seconds } = this;
    const usage = this.#meter.read();
    const links = await linkTraffic(this.#organisation);
    const delivered = this.#deliveredMs ?? performance.now();
    const measured = {
      verified: this.#verified(),
      seconds,
      deliveredSeconds: (delivered - this.#startedMs) / 1000,
      links: new Map([...links].map(([name, now]) => [name, this.#since(name, now)])),
      copies: await this.#copies(),
      deployment: this.#deployment,
      ...usage,
    };
    this.#tellProblems();
    return measured;
  }

  #since(office: string, now: LinkTraffic): LinkTraffic {
    const before = this.#before.get(office);
    return before === undefined ? now : trafficSince(before, now);
  }

  #wanted(): number {
    return this.#organisation.devices.length - this.excused.size;
  }

  #verified(): number {
    const devices = this.#deployment?.devices ?? [];
    return devices.filter(({ state }) => state === "complete").length;
  }

  #allDelivered(): boolean {
    const there = new Set(this.delivered.map(({ name }) => name));
    return this.#organisation.devices.every(
      ({ name }) => there.has(name) || this.excused.has(name),
    );
  }

  /** From the agents' own counts: the server's may be old, or gone. */
  async #copies(): Promise<ReadonlyMap<string, number>> {
    const bytes = new Map<string, number>();
    for (const device of this.#organisation.devices) {
      // One that is stopped would not answer.
      if (this.excused.has(device.name)) continue;
      const content = await this.#organisation.contentOn(device, this.content.contentId);
      const before = bytes.get(device.office) ?? 0;
      bytes.set(device.office, before + (content?.wanInBytes ?? 0));
    }
    return new Map([...bytes].map(([office, count]) => [office, count / this.content.sizeBytes]));
  }

  #tell(): void {
    const now = performance.now();
    if (now - this.#toldMs < TELL_MS) return;
    this.#toldMs = now;
    const shares = this.#organisation.network.offices.map(
      ({ name }) => `${name} ${Math.floor(this.shareIn(name) * 100)} %`,
    );
    const whole = `${this.delivered.length} of ${this.#wanted()} delivered`;
    this.#stage.say(
      `${this.seconds.toFixed(1)} s since the deployment: ${whole}; ${shares.join(", ")}`,
    );
  }

  #tellProblems(): void {
    for (const device of this.#deployment?.devices ?? []) {
      if (device.state === "complete" && device.problem === "") continue;
      const name = this.#organisation.nameOf(device.deviceId);
      const held = `${device.heldBytes} of ${this.content.sizeBytes} bytes`;
      this.#stage.say(`${name}: ${device.state}, ${held} ${device.problem}`);
    }
  }
}

async function linkTraffic({ network }: Organisation): Promise<ReadonlyMap<string, LinkTraffic>> {
  const found = new Map<string, LinkTraffic>();
  for (const link of network.links) found.set(link.office, await trafficOf(link));
  return found;
}
