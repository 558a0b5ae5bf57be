import type { EventTopic, EventView } from "../../api/event-schemas.ts";
import type { DeviceView } from "../../api/server-schemas.ts";
import type { Coordinator } from "../../coordinator/coordinator.ts";
import type { Change, DeploymentRow } from "../../coordinator/state.ts";
import { profileView } from "./profile-views.ts";
import { contentView, deploymentView, deviceView, ledgerEntry } from "./views.ts";

/** How long changes are gathered before they are told, in milliseconds. */
const GATHER_MS = 200;

/** More devices than this at once are told as a number: whoever shows them reads the list again. */
const DEVICES_MAX = 500;

type Happening = Omit<EventView, "topic" | "atMs">;

/**
 * Makes events of what has become durable.
 *
 * Nothing is told that a crash could take back; devices' reports become durable within half a second
 * (`SAVE_DELAY_US`), and are gathered for a fifth, so an event comes within one.
 */
export class EventSource {
  readonly #coordinator: Coordinator;
  readonly #wallMs: () => number;
  readonly #onEvent: (event: EventView) => void;
  readonly #startedAtMs: number;
  /** What happens once, in its order. */
  #milestones: (() => Happening | undefined)[] = [];
  readonly #devices = new Set<string>();
  readonly #deployments = new Set<string>();
  readonly #contents = new Set<string>();
  readonly #ledgers = new Set<string>();
  /** Devices and rows of the ledger of which it has been told already. */
  readonly #told = new Set<string>();
  #timer: NodeJS.Timeout | undefined;

  constructor(coordinator: Coordinator, wallMs: () => number, onEvent: (event: EventView) => void) {
    this.#coordinator = coordinator;
    this.#wallMs = wallMs;
    this.#onEvent = onEvent;
    this.#startedAtMs = wallMs();
    for (const row of coordinator.deviceRows()) {
      if (row.shunnedAtMs !== undefined) this.#told.add(`shunned ${row.deviceId}`);
      if (row.retiredAtMs !== undefined) this.#told.add(`retired ${row.deviceId}`);
    }
    for (const { deploymentId, finishedAtMs } of coordinator.deploymentRows()) {
      this.#told.add(`created ${deploymentId}`);
      if (finishedAtMs !== undefined) this.#told.add(`finished ${deploymentId}`);
    }
    for (const row of coordinator.ledger()) {
      if (row.alarm) this.#told.add(`alarm ${row.contentId} ${row.office}`);
    }
  }

  /** Takes in what has just become durable. */
  onChanges(changes: readonly Change[]): void {
    for (const change of changes) this.#gather(change);
    this.#timer ??= setTimeout(() => this.#tell(), GATHER_MS).unref();
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #gather(change: Change): void {
    switch (change.kind) {
      case "device-put":
        this.#devices.add(change.device.deviceId);
        break;
      case "content-add": {
        const content = contentView(change.content);
        this.#milestones.push(() => ({ kind: "content.published", content }));
        break;
      }
      case "offices-replace": {
        const count = change.offices.offices.length;
        this.#milestones.push(() => ({ kind: "offices.replaced", count }));
        break;
      }
      case "profile-put": {
        const profile = profileView(change.profile);
        this.#milestones.push(() => ({ kind: "profile.changed", profile }));
        break;
      }
      case "profile-remove": {
        const { name } = change;
        this.#milestones.push(() => ({ kind: "profile.removed", name }));
        break;
      }
      case "profile-report-put":
        this.#devices.add(change.report.deviceId);
        break;
      case "deployment-put":
        this.#gatherDeployment(change.deployment);
        break;
      case "progress-put":
        this.#contents.add(change.progress.contentId);
        break;
      case "ledger-put":
        this.#ledgers.add(change.row.contentId);
        break;
      // Nobody watches these yet.
      case "audit-add":
      case "audit-trim":
      case "group-put":
      case "group-remove":
      case "topology-change-add":
      case "origins-replace":
      case "file-storage-set":
      case "accusation-put":
      case "accusation-remove":
        break;
    }
  }

  #gatherDeployment({ deploymentId, finishedAtMs }: DeploymentRow): void {
    if (this.#isNews(`created ${deploymentId}`))
      this.#deployment("deployment.created", deploymentId);
    else this.#deployments.add(deploymentId);
    if (finishedAtMs === undefined) this.#told.delete(`finished ${deploymentId}`);
    else if (this.#isNews(`finished ${deploymentId}`)) {
      this.#deployment("deployment.finished", deploymentId);
    }
  }

  #deployment(kind: "deployment.created" | "deployment.finished", deploymentId: string): void {
    this.#milestones.push(() => {
      const summary = this.#coordinator.deploymentSummary(deploymentId);
      return summary === undefined ? undefined : { kind, deployment: deploymentView(summary) };
    });
  }

  #tell(): void {
    this.#timer = undefined;
    for (const milestone of this.#milestones.splice(0)) this.#emit(milestone());
    this.#tellDevices();
    for (const row of this.#coordinator.deploymentRows()) {
      if (this.#contents.has(row.contentId)) this.#deployments.add(row.deploymentId);
    }
    for (const deploymentId of this.#deployments) {
      const summary = this.#coordinator.deploymentSummary(deploymentId);
      if (summary !== undefined) {
        this.#emit({ kind: "deployment.changed", deployment: deploymentView(summary) });
      }
    }
    for (const contentId of this.#ledgers) this.#tellLedger(contentId);
    this.#deployments.clear();
    this.#contents.clear();
    this.#ledgers.clear();
  }

  #tellDevices(): void {
    const many = this.#devices.size > DEVICES_MAX;
    if (many) this.#emit({ kind: "devices.changed", count: this.#devices.size });
    for (const deviceId of this.#devices) {
      const standing = this.#coordinator.device(deviceId);
      if (standing === undefined) continue;
      const device = deviceView(standing, this.#wallMs());
      this.#tellMarks(device);
      if (!many) this.#emit({ kind: "device.changed", device });
    }
    this.#devices.clear();
  }

  /** Tells what happens to a device once, and not again with each change of it. */
  #tellMarks(device: DeviceView): void {
    const { deviceId, enrolledAtMs, shunnedAtMs, retiredAtMs } = device;
    const isNew = enrolledAtMs >= this.#startedAtMs;
    if (isNew && this.#isNews(`enrolled ${deviceId}`))
      this.#emit({ kind: "device.enrolled", device });
    if (shunnedAtMs === undefined) this.#told.delete(`shunned ${deviceId}`);
    else if (this.#isNews(`shunned ${deviceId}`)) this.#emit({ kind: "device.shunned", device });
    if (retiredAtMs !== undefined && this.#isNews(`retired ${deviceId}`)) {
      this.#emit({ kind: "device.retired", device });
    }
  }

  #tellLedger(contentId: string): void {
    const [content] = this.#coordinator.findContents(contentId);
    if (content === undefined) return;
    this.#emit({ kind: "ledger.changed", contentId });
    for (const row of this.#coordinator.ledger(content.contentId)) {
      if (row.alarm && this.#isNews(`alarm ${contentId} ${row.office}`)) {
        this.#emit({ kind: "ledger.alarm", entry: ledgerEntry(row) });
      }
    }
  }

  #isNews(what: string): boolean {
    if (this.#told.has(what)) return false;
    this.#told.add(what);
    return true;
  }

  #emit(happening: Happening | undefined): void {
    if (happening === undefined) return;
    const [word = ""] = happening.kind.split(".");
    this.#onEvent({ ...happening, topic: TOPICS[word] ?? "devices", atMs: this.#wallMs() });
  }
}

/** The topic of an event by the first word of its kind. */
const TOPICS: Readonly<Record<string, EventTopic>> = {
  deployment: "deployments",
  device: "devices",
  devices: "devices",
  content: "contents",
  offices: "offices",
  ledger: "ledger",
  profile: "profiles",
};
