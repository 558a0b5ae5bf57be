import type { ContentId, DeviceId } from "../base/ids.ts";
import { type Due, NEVER } from "../base/machine.ts";
import { MS } from "../base/units.ts";
import type { DeploymentEntry, Progress } from "../wire/messages.ts";
import type { CoordinatorOutbox } from "./contract.ts";
import { type Intake, Ledger } from "./ledger.ts";
import type { Now, Roster, Session } from "./roster.ts";
import {
  type CoordinatorState,
  type Counters,
  type DeploymentRow,
  type DeviceRow,
  NO_BYTES,
  type Priority,
  type ProgressRow,
  totalOf,
} from "./state.ts";
import { plainText } from "./text.ts";

/** Most deployments that a server keeps; a device can be told of as many. */
export const DEPLOYMENTS_MAX = 4_096;

/**
 * What devices report is made durable this long after the first of it: a crash loses no more, and
 * devices report again when they come back.
 */
export const SAVE_DELAY_US: number = 500 * MS;

/** On the wire: lower is served first. */
const PRIORITY_NUMBERS: Readonly<Record<Priority, number>> = { high: 0, medium: 1, low: 2 };

/** A deployment with its targets in a form that is quick to ask. */
type Deployment = {
  row: DeploymentRow;
  readonly offices: ReadonlySet<string>;
  readonly devices: ReadonlySet<string>;
};

/** Who is to have what, and how far everyone is. */
export class Rollout {
  readonly ledger: Ledger;
  readonly #epoch: number;
  readonly #roster: Roster;
  readonly #onHolders: (contentId: ContentId, nowUs: number) => void;
  readonly #deployments = new Map<string, Deployment>();
  readonly #progress = new Map<ContentId, Map<DeviceId, ProgressRow>>();
  readonly #unsaved = new Set<ProgressRow>();
  /** Contents of which somebody may have become the last one to have it. */
  readonly #unjudged = new Set<ContentId>();
  #version = 0;
  #saveAtUs = Number.POSITIVE_INFINITY;

  /** @param onHolders - Told when who has a content, or whether a deployment names it, changes. */
  constructor(
    given: Pick<CoordinatorState, "epoch" | "deployments" | "progress" | "ledger">,
    roster: Roster,
    onHolders: (contentId: ContentId, nowUs: number) => void,
  ) {
    this.ledger = new Ledger(given.ledger);
    this.#onHolders = onHolders;
    this.#epoch = given.epoch;
    this.#roster = roster;
    for (const row of given.deployments) this.#deployments.set(row.deploymentId, indexed(row));
    for (const row of given.progress) this.#rows(row.contentId).set(row.deviceId, row);
  }

  get full(): boolean {
    return this.#deployments.size >= DEPLOYMENTS_MAX;
  }

  /** All deployments, in the order of their creation. */
  deployments(): readonly DeploymentRow[] {
    return [...this.#deployments.values()].map(({ row }) => row);
  }

  deployment(deploymentId: string): DeploymentRow | undefined {
    return this.#deployments.get(deploymentId)?.row;
  }

  /** The enrolled devices that a deployment is for. */
  targetsOf(deploymentId: string): readonly DeviceRow[] {
    const deployment = this.#deployments.get(deploymentId);
    if (deployment === undefined) return [];
    return this.#roster.active().filter((device) => matches(deployment, device));
  }

  /** Whether a deployment of this content is for the device. */
  isFor(contentId: ContentId, device: DeviceRow): boolean {
    return [...this.#deployments.values()].some(
      (deployment) => deployment.row.contentId === contentId && matches(deployment, device),
    );
  }

  /** The contents that deployments name, each once. */
  deployed(): ReadonlySet<ContentId> {
    return new Set([...this.#deployments.values()].map(({ row }) => row.contentId));
  }

  /** The devices that have all of a content. */
  holders(contentId: ContentId): readonly DeviceRow[] {
    return [...this.progressOf(contentId).values()].flatMap(({ deviceId, state }) => {
      const device = state === "complete" ? this.#roster.device(deviceId) : undefined;
      return device === undefined || device.retiredAtMs !== undefined ? [] : [device];
    });
  }

  /** What is known of a content, by device. */
  progressOf(contentId: ContentId): ReadonlyMap<DeviceId, ProgressRow> {
    return this.#progress.get(contentId) ?? new Map();
  }

  /** Begins a deployment and tells those that it is for. */
  deploy(row: DeploymentRow, nowUs: number, outbox: CoordinatorOutbox): void {
    this.#deployments.set(row.deploymentId, indexed(row));
    outbox.persist({ kind: "deployment-add", deployment: row });
    this.#unjudged.add(row.contentId);
    this.#onHolders(row.contentId, nowUs);
    this.saveSoon(nowUs);
    this.tellAll(outbox);
  }

  /** Tells everyone whose list is no longer the one that it was told. */
  tellAll(outbox: CoordinatorOutbox): void {
    for (const session of this.#roster.sessions()) {
      if (session.bootId !== undefined) this.tell(session, outbox);
    }
  }

  /** Tells a device what it is to have, unless that is what it was told last. */
  tell(session: Session, outbox: CoordinatorOutbox): void {
    const device = this.#roster.device(session.deviceId);
    if (device === undefined) return;
    const deployments = this.#entriesFor(device);
    const key = JSON.stringify(deployments);
    if (key === session.deploymentsKey) return;
    session.deploymentsKey = key;
    this.#version += 1;
    const [epoch, version] = [this.#epoch, this.#version];
    outbox.send(session.association, { kind: "deployments", epoch, version, deployments });
  }

  /** Takes in how far a registered device is with a published content. */
  onProgress(session: Session, said: Progress, now: Now): void {
    const { deviceId, bootId } = session;
    const device = this.#roster.device(deviceId);
    if (bootId === undefined || device === undefined) return;
    const rows = this.#rows(said.contentId);
    const before = rows.get(deviceId);
    const { wanInBytes, lanInBytes, wanOutBytes, lanOutBytes, originInBytes } = said;
    const row: ProgressRow = {
      contentId: said.contentId,
      deviceId,
      bootId,
      state: said.state,
      pieces: said.pieces,
      piecesHeld: Math.min(said.piecesHeld, said.pieces),
      heldBytes: Math.min(said.heldBytes, said.sizeBytes),
      base: baseOf(before, bootId),
      current: { wanInBytes, lanInBytes, wanOutBytes, lanOutBytes, originInBytes },
      farInBytes: said.farInBytes,
      office: device.office,
      rvp: said.rvp,
      problem: plainText(said.problem, 1_024),
      ...(said.lineBusyMs > 0 ? { lineBusySinceMs: now.wallMs - said.lineBusyMs } : {}),
      updatedAtMs: now.wallMs,
    };
    rows.set(deviceId, row);
    const path = this.#roster.offices.path(device.office).map(({ name }) => name);
    const newcomer = before?.office !== device.office;
    this.ledger.charge(said.contentId, path.length === 0 ? [device.office] : path, {
      intake: intakeOf(before, row),
      newcomer,
    });
    if (before !== undefined) this.#unsaved.delete(before);
    this.#unsaved.add(row);
    const complete = row.state === "complete";
    if (complete) this.#unjudged.add(said.contentId);
    const changed = complete !== (before?.state === "complete") || newcomer;
    if (changed) this.#onHolders(said.contentId, now.nowUs);
    this.saveSoon(now.nowUs);
  }

  /** Has every unfinished deployment looked at: the offices, and so the targets, have changed. */
  targetsChanged(nowUs: number): void {
    for (const { row } of this.#deployments.values()) {
      if (row.finishedAtMs === undefined) this.#unjudged.add(row.contentId);
    }
    this.saveSoon(nowUs);
  }

  /** Has what is not durable yet made so before long. */
  saveSoon(nowUs: number): void {
    this.#saveAtUs = Math.min(this.#saveAtUs, nowUs + SAVE_DELAY_US);
  }

  due(): Due {
    if (this.#saveAtUs === Number.POSITIVE_INFINITY) return NEVER;
    return { atUs: this.#saveAtUs, reason: "save" };
  }

  /** Makes durable what is due, and sees which deployments have reached everyone. */
  save(now: Now, outbox: CoordinatorOutbox): void {
    if (now.nowUs < this.#saveAtUs) return;
    this.#saveAtUs = Number.POSITIVE_INFINITY;
    this.#roster.save(outbox);
    for (const progress of this.#unsaved) outbox.persist({ kind: "progress-put", progress });
    this.#unsaved.clear();
    this.ledger.save(outbox);
    for (const deployment of this.#deployments.values()) {
      const { row } = deployment;
      if (!this.#unjudged.has(row.contentId) || row.finishedAtMs !== undefined) continue;
      if (!this.#reachedAll(deployment)) continue;
      const [deploymentId, finishedAtMs] = [row.deploymentId, now.wallMs];
      deployment.row = { ...row, finishedAtMs };
      outbox.persist({ kind: "deployment-finish", deploymentId, finishedAtMs });
    }
    this.#unjudged.clear();
  }

  #reachedAll(deployment: Deployment): boolean {
    const progress = this.progressOf(deployment.row.contentId);
    const targets = this.targetsOf(deployment.row.deploymentId);
    return (
      targets.length > 0 &&
      targets.every(({ deviceId }) => progress.get(deviceId)?.state === "complete")
    );
  }

  /** One entry for each content: of its deployments the most urgent, and of those the first. */
  #entriesFor(device: DeviceRow): readonly DeploymentEntry[] {
    const entries = new Map<ContentId, DeploymentEntry>();
    for (const deployment of this.#deployments.values()) {
      if (!matches(deployment, device)) continue;
      const { deploymentId, contentId, priority } = deployment.row;
      const number = PRIORITY_NUMBERS[priority];
      const known = entries.get(contentId);
      if (known !== undefined && known.priority <= number) continue;
      entries.set(contentId, { deploymentId, contentId, priority: number });
    }
    return [...entries.values()];
  }

  #rows(contentId: ContentId): Map<DeviceId, ProgressRow> {
    const rows = this.#progress.get(contentId) ?? new Map<DeviceId, ProgressRow>();
    this.#progress.set(contentId, rows);
    return rows;
  }
}

/** A device counts from zero after each start: what it had counted before is kept. */
function baseOf(before: ProgressRow | undefined, bootId: number): Counters {
  if (before === undefined) return NO_BYTES;
  return before.bootId === bootId ? before.base : totalOf(before);
}

/** What has come in since the report before: counters begin at zero with each start. */
function intakeOf(
  before: ProgressRow | undefined,
  { bootId, current, farInBytes }: ProgressRow,
): Intake {
  const known = before?.bootId === bootId ? before : undefined;
  const had = known?.current ?? NO_BYTES;
  const hadFrom = new Map(known?.farInBytes.map(({ office, bytes }) => [office, bytes]));
  const gained = (now: number, then: number): number => Math.max(0, now - then);
  return {
    wanInBytes: gained(current.wanInBytes, had.wanInBytes),
    lanInBytes: gained(current.lanInBytes, had.lanInBytes),
    originInBytes: gained(current.originInBytes, had.originInBytes),
    farInBytes: farInBytes.map(({ office, bytes }) => ({
      office,
      bytes: gained(bytes, hadFrom.get(office) ?? 0),
    })),
  };
}

function indexed(row: DeploymentRow): Deployment {
  const { offices = [], devices = [] } = row.targets;
  return { row, offices: new Set(offices), devices: new Set(devices) };
}

function matches({ row, offices, devices }: Deployment, device: DeviceRow): boolean {
  return row.targets.all === true || offices.has(device.office) || devices.has(device.deviceId);
}
