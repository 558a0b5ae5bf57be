import type { ContentId, DeviceId } from "../base/ids.ts";
import { type Due, NEVER } from "../base/machine.ts";
import { MS } from "../base/units.ts";
import type { Progress } from "../wire/messages.ts";
import type { CoordinatorOutbox } from "./contract.ts";
import type { Deployments } from "./deployments.ts";
import { Holders } from "./holders.ts";
import { type Intake, Ledger } from "./ledger.ts";
import { Reach } from "./reach.ts";
import type { Now, Roster, Session } from "./roster.ts";
import {
  type CoordinatorState,
  type Counters,
  type DeploymentRow,
  type DeviceRow,
  NO_BYTES,
  type ProgressRow,
  totalOf,
} from "./state.ts";
import { Tallies } from "./tallies.ts";
import { plainText } from "./text.ts";

/**
 * What devices report is made durable this long after the first of it: a crash loses no more, and
 * devices report again when they come back.
 */
export const SAVE_DELAY_US: number = 500 * MS;

/** Who is to have what, and how far everyone is. */
export class Rollout {
  readonly ledger: Ledger;
  readonly deployments: Deployments;
  /** How the devices of every office stand with every content. */
  readonly tallies: Tallies;
  /** How many devices of every office have a content. */
  readonly holderCounts: Holders;
  /** Bytes of pieces of all contents and devices, over all time. */
  totals: Counters = NO_BYTES;
  /** How far every deployment has come. */
  readonly reach: Reach;
  readonly #epoch: number;
  readonly #roster: Roster;
  readonly #onHolders: (contentId: ContentId, nowUs: number) => void;
  readonly #progress = new Map<ContentId, Map<DeviceId, ProgressRow>>();
  readonly #claimants = new Map<ContentId, Set<DeviceId>>();
  readonly #unsaved = new Set<ProgressRow>();
  /** Contents of which somebody may have become the last one to have it. */
  readonly #unjudged = new Set<ContentId>();
  #version = 0;
  #saveAtUs = Number.POSITIVE_INFINITY;

  /** @param onHolders - Told when who has a content, or whether a deployment names it, changes. */
  constructor(
    given: Pick<CoordinatorState, "epoch" | "progress" | "ledger">,
    parts: {
      readonly roster: Roster;
      readonly deployments: Deployments;
      readonly publisherOf: (contentId: ContentId) => DeviceId | undefined;
    },
    onHolders: (contentId: ContentId, nowUs: number) => void,
  ) {
    const { roster, deployments, publisherOf } = parts;
    this.ledger = new Ledger(given.ledger);
    this.deployments = deployments;
    this.#onHolders = onHolders;
    this.#epoch = given.epoch;
    this.#roster = roster;
    for (const row of given.progress) {
      this.#rows(row.contentId).set(row.deviceId, row);
      this.#noteClaim(row);
      this.totals = totalOf({ base: this.totals, current: totalOf(row) });
    }
    const devices = () => roster.everyDevice();
    const progressOf = (contentId: ContentId) => this.progressOf(contentId);
    const device = (deviceId: DeviceId) => roster.device(deviceId);
    this.holderCounts = new Holders({ device, progressOf, publisherOf });
    this.tallies = new Tallies({
      ...{ devices, progressOf },
      brings: (contentId, device) => deployments.brings(contentId, device),
    });
    this.reach = new Reach({
      ...{ devices, progressOf },
      deployment: (deploymentId) => deployments.get(deploymentId),
      isFor: (deploymentId, device) => deployments.isFor(deploymentId, device),
    });
  }

  /** A device is new, has moved, or is something else than before. */
  deviceChanged(before: DeviceRow | undefined, after: DeviceRow): void {
    this.tallies.onDevice(before, after);
    this.holderCounts.onDevice(before, after);
    this.reach.onDevice(before, after);
  }

  /** The enrolled devices that a deployment is a rule for. */
  targetsOf(deploymentId: string): readonly DeviceRow[] {
    return this.#roster.active().filter((device) => this.deployments.isFor(deploymentId, device));
  }

  /** The devices that have all of a content. */
  holders(contentId: ContentId): readonly DeviceRow[] {
    return [...this.progressOf(contentId).values()].flatMap(({ deviceId, state }) => {
      const device = state === "complete" ? this.#roster.device(deviceId) : undefined;
      return device === undefined || device.retiredAtMs !== undefined ? [] : [device];
    });
  }

  /** The devices that fetch a content for their offices, as they say. */
  claimants(contentId: ContentId): readonly ProgressRow[] {
    const progress = this.progressOf(contentId);
    return [...(this.#claimants.get(contentId) ?? [])].flatMap((id) => progress.get(id) ?? []);
  }

  /** What is known of a content, by device. */
  progressOf(contentId: ContentId): ReadonlyMap<DeviceId, ProgressRow> {
    return this.#progress.get(contentId) ?? new Map();
  }

  /** Begins deployments, or takes in what has been said of them, and tells those concerned. */
  put(rows: readonly DeploymentRow[], now: Now, outbox: CoordinatorOutbox): void {
    for (const row of rows) {
      this.deployments.put(row);
      outbox.persist({ kind: "deployment-put", deployment: row });
      this.tallies.forget(row.contentId);
      this.reach.forget(row.deploymentId);
      this.#unjudged.add(row.contentId);
      this.#onHolders(row.contentId, now.nowUs);
    }
    this.saveSoon(now.nowUs);
    this.tellAll(now, outbox);
  }

  /** Tells everyone whose list is no longer the one that it was told. */
  tellAll(now: Now, outbox: CoordinatorOutbox): void {
    for (const session of this.#roster.sessions()) {
      if (session.bootId !== undefined) this.tell(session, now, outbox);
    }
  }

  /** Tells a device what it is to have, unless that is what it was told last. */
  tell(session: Session, { wallMs }: Now, outbox: CoordinatorOutbox): void {
    const device = this.#roster.device(session.deviceId);
    if (device === undefined) return;
    const list = this.deployments.listFor(device, wallMs);
    const key = JSON.stringify(list);
    if (key === session.deploymentsKey) return;
    session.deploymentsKey = key;
    this.#version += 1;
    const [epoch, version] = [this.#epoch, this.#version];
    outbox.send(session.association, { kind: "deployments", epoch, version, ...list, wallMs });
  }

  /** Tells everyone of the windows of one more week, once there is one. */
  onClock(now: Now, outbox: CoordinatorOutbox): void {
    if (this.deployments.isNewWeek(now.wallMs)) this.tellAll(now, outbox);
  }

  /** Takes in how far a registered device is with a published content. */
  onProgress(session: Session, said: Progress, now: Now): void {
    const { deviceId, bootId } = session;
    const device = this.#roster.device(deviceId);
    if (bootId === undefined || device === undefined) return;
    const rows = this.#rows(said.contentId);
    const before = rows.get(deviceId);
    const { wanInBytes, lanInBytes, wanOutBytes, lanOutBytes } = said;
    const { originInBytes, cacheInBytes, hostedInBytes } = said;
    const row: ProgressRow = {
      contentId: said.contentId,
      deviceId,
      bootId,
      state: said.state,
      pieces: said.pieces,
      piecesHeld: Math.min(said.piecesHeld, said.pieces),
      heldBytes: Math.min(said.heldBytes, said.sizeBytes),
      base: baseOf(before, bootId),
      current: {
        ...{ wanInBytes, lanInBytes, wanOutBytes, lanOutBytes },
        ...{ originInBytes, cacheInBytes, hostedInBytes },
      },
      farInBytes: said.farInBytes,
      office: device.office,
      rvp: said.rvp,
      problem: plainText(said.problem, 1_024),
      ...(said.lineBusyMs > 0 ? { lineBusySinceMs: now.wallMs - said.lineBusyMs } : {}),
      updatedAtMs: now.wallMs,
    };
    rows.set(deviceId, row);
    this.tallies.onProgress(device, before, row);
    this.holderCounts.onProgress(device, before, row);
    this.reach.onProgress(device, before, row);
    this.#noteClaim(row);
    this.totals = totalOf({ base: this.totals, current: gainedBy(before, row) });
    const path = this.#roster.offices.path(device.office).map(({ name }) => name);
    const newcomer = before?.office !== device.office;
    this.ledger.charge(said.contentId, path.length === 0 ? [device.office] : path, {
      intake: intakeOf(before, row),
      newcomer,
    });
    const wasUnsaved = before !== undefined && this.#unsaved.delete(before);
    // A device that is back says again what it has: that is known, and not written again.
    if (wasUnsaved || before === undefined || !isSame(before, row)) this.#unsaved.add(row);
    const complete = row.state === "complete";
    if (complete) this.#unjudged.add(said.contentId);
    const changed = complete !== (before?.state === "complete") || newcomer;
    if (changed) this.#onHolders(said.contentId, now.nowUs);
    this.saveSoon(now.nowUs);
  }

  /** Has every unfinished deployment looked at: the offices, and so the targets, have changed. */
  targetsChanged(nowUs: number): void {
    this.tallies.forget();
    this.reach.forget();
    for (const row of this.deployments.rows()) {
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
    for (const row of this.deployments.rows()) {
      const isOver = row.finishedAtMs !== undefined || row.cancelledAtMs !== undefined;
      if (isOver || !this.#unjudged.has(row.contentId) || !this.#reachedAll(row, now)) continue;
      const deployment = { ...row, finishedAtMs: now.wallMs };
      this.deployments.put(deployment);
      outbox.persist({ kind: "deployment-put", deployment });
    }
    this.#unjudged.clear();
  }

  /** Whether everyone has it for whom it was not cancelled. */
  #reachedAll({ deploymentId, contentId, directives }: DeploymentRow, { wallMs }: Now): boolean {
    const { devices, verified } = this.reach.of(deploymentId);
    if (!directives.some(({ kind }) => kind === "cancel")) {
      return devices > 0 && devices === verified;
    }
    const progress = this.progressOf(contentId);
    const left = this.targetsOf(deploymentId).filter(
      (device) => this.deployments.standing(deploymentId, device, wallMs).kind !== "cancelled",
    );
    return (
      left.length > 0 && left.every(({ deviceId }) => progress.get(deviceId)?.state === "complete")
    );
  }

  #noteClaim({ contentId, deviceId, rvp }: ProgressRow): void {
    const claimants = this.#claimants.get(contentId) ?? new Set();
    if (rvp) this.#claimants.set(contentId, claimants.add(deviceId));
    else claimants.delete(deviceId);
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

/** Whether two rows say the same, whatever start of the device they count from. */
function isSame(before: ProgressRow, after: ProgressRow): boolean {
  const plain = (row: ProgressRow) => [
    ...[row.state, row.pieces, row.piecesHeld, row.heldBytes, row.office, row.rvp, row.problem],
    ...Object.values(totalOf(row)),
  ];
  const [was, is] = [plain(before), plain(after)];
  const sameStart = before.bootId === after.bootId;
  // What came from far is counted from the start of the device on.
  const far = sameStart ? before.farInBytes : [];
  return (
    is.every((value, at) => value === was[at]) &&
    JSON.stringify(far) === JSON.stringify(after.farInBytes)
  );
}

/** What a report adds to what was known of the device: counters that fall add nothing. */
function gainedBy(before: ProgressRow | undefined, after: ProgressRow): Counters {
  const [had, has] = [before === undefined ? NO_BYTES : totalOf(before), totalOf(after)];
  const fields = Object.keys(NO_BYTES) as readonly (keyof Counters)[];
  const gained = fields.map((field) => [field, Math.max(0, has[field] - had[field])]);
  return { ...NO_BYTES, ...Object.fromEntries(gained) };
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
