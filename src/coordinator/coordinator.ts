import type { ContentId, DeviceId } from "../base/ids.ts";
import { unreachable } from "../base/invariant.ts";
import { type Due, earlier, type Machine } from "../base/machine.ts";
import type { Crypto } from "../effects/crypto.ts";
import type { Origin } from "../wire/messages.ts";
import type { ProfileInForce } from "../wire/profile.ts";
import { Accusations } from "./accusations.ts";
import { Audit } from "./audit.ts";
import { Clones } from "./clones.ts";
import { LOCAL, obey, type Parts } from "./commands.ts";
import { CLOSE_CODES, type CoordinatorInput, type CoordinatorOutbox } from "./contract.ts";
import { Deployments } from "./deployments.ts";
import {
  onAccusation,
  onManifestWanted,
  onProfileReport,
  onRegister,
  refuseClone,
} from "./devices.ts";
import { Enrolments } from "./enrolments.ts";
import { FileStorage } from "./file-storage.ts";
import { Groups } from "./groups.ts";
import { type LedgerStanding, ledgerOf } from "./ledger-view.ts";
import { ManifestRequests } from "./manifest-requests.ts";
import { Offices } from "./offices.ts";
import { Origins } from "./origins.ts";
import { Policies } from "./policies.ts";
import type { ProfileReportRow, ProfileRow } from "./profile-rows.ts";
import { ProfileWords } from "./profile-words.ts";
import { Profiles } from "./profiles.ts";
import { reachOf } from "./profiling.ts";
import { Publications } from "./publications.ts";
import { Questions } from "./questions.ts";
import { Rollout } from "./rollout.ts";
import { canonicalHosts, type Now, Roster } from "./roster.ts";
import type {
  AccusationRow,
  ContentRow,
  CoordinatorState,
  DeploymentRow,
  DeviceRow,
  GroupRow,
  ProgressRow,
} from "./state.ts";
import {
  type DeploymentStanding,
  type DeploymentSummary,
  type DeviceStanding,
  deviceStanding,
  standingOf,
  summaryOf,
} from "./views.ts";
import { DEFAULT_ZONE, type ZoneOffset } from "./windows.ts";

/** What a coordinator needs to begin. */
export type CoordinatorSetup = {
  readonly state: CoordinatorState;
  readonly randomBytes: Crypto["randomBytes"];
  /** The server's own addresses (row B13); those that name no machine, as `0.0.0.0`, are ignored. */
  readonly serverHosts: readonly string[];
  /** On which TCP port the server serves packages of the file storage; absent: it does not. */
  readonly gatewayPort?: number;
  /** What time zones there are; by default UTC alone. */
  readonly zoneOffsetMs?: ZoneOffset;
  /** The wall clock, in milliseconds since 1970, at `nowUs`. */
  readonly wallMs: number;
  readonly nowUs: number;
};

/** Puts the parts together; what they ask of each other is asked when it is needed. */
function partsOf(setup: CoordinatorSetup): Parts {
  const { state, randomBytes } = setup;
  const offices = new Offices(state, {
    serverHosts: canonicalHosts(setup.serverHosts),
    randomBytes,
  });
  const fileStorage = new FileStorage(state.fileStorage);
  const groups = new Groups(state.groups);
  const profiles = new Profiles(state.profiles, state.profileReports, {
    upwards: (office) => offices.upwards(office),
    isInGroup: (group, deviceId) => groups.has(group, deviceId),
  });
  const roster = new Roster(state.devices, offices, {
    epoch: state.epoch,
    takesPart: (device) => profiles.takesPart(device),
  });
  const origins = new Origins(state.origins);
  const zoneOffsetMs = setup.zoneOffsetMs ?? onlyUtc;
  const deployments = new Deployments(state.deployments, {
    upwards: (office) => offices.upwards(office),
    zoneOf: (office) => offices.zoneOf(office),
    offsetMs: (zone, atMs) => zoneOffsetMs(zone, atMs) ?? 0,
    isInGroup: (group, deviceId) => groups.has(group, deviceId),
  });
  const publications = new Publications(state.contents);
  const publisherOf = (contentId: ContentId) => publications.content(contentId)?.publishedBy;
  const rollout: Rollout = new Rollout(
    state,
    { roster, deployments, publisherOf },
    (contentId, nowUs) => policies.contentChanged(contentId, nowUs),
  );
  roster.onChange = (before, after) => rollout.deviceChanged(before, after);
  const policies = new Policies(state.epoch, {
    origins: () => origins.told(fileStorage.isConfigured ? setup.gatewayPort : undefined),
    shunned: () => roster.shunned(),
    deployed: () => deployments.contents(),
    // Who serves nobody keeps nothing for the others.
    holders: (contentId) =>
      rollout.holders(contentId).filter((device) => profiles.takesPart(device)),
    isPresent: (deviceId) => roster.isPresent(deviceId),
    shares: (office) => (offices.get(office)?.type ?? "vpn") !== "vpn",
  });
  return {
    roster,
    publications,
    rollout,
    deployments,
    groups,
    audit: new Audit(state.epoch),
    origins,
    fileStorage,
    policies,
    profiles,
    profileWords: new ProfileWords(state.epoch, (deviceId) => {
      const device = roster.device(deviceId);
      return device === undefined ? {} : profiles.valuesFor(device);
    }),
    zoneOffsetMs,
    accusations: new Accusations(state.accusations),
    clones: new Clones(),
    manifests: new ManifestRequests(),
    questions: new Questions((deviceId) => roster.associationOf(deviceId)),
    randomBytes,
  };
}

/** For worlds that have one time zone. */
function onlyUtc(zone: string): number | undefined {
  return zone === DEFAULT_ZONE ? 0 : undefined;
}

/**
 * The whole brain of the server: who is enrolled and present, in which office each device is, who
 * is to have what, and what everyone is told.
 *
 * It only advises: a transfer that is under way needs nothing of it. What a device can cause is
 * bounded, and never stops it.
 */
export class Coordinator implements Machine<CoordinatorInput, CoordinatorOutbox> {
  readonly #parts: Parts;
  readonly #enrolments: Enrolments;
  /** From where the devices that have an association are heard. */
  readonly #hosts = new Map<number, string>();
  /** Wall clock less the monotonic one. */
  #wallOffsetMs: number;
  /** What it showed at the last step. */
  #wallMs: number;

  constructor(setup: CoordinatorSetup) {
    this.#parts = partsOf(setup);
    this.#enrolments = new Enrolments(this.#parts);
    this.#wallOffsetMs = setup.wallMs - setup.nowUs / 1_000;
    this.#wallMs = setup.wallMs;
  }

  /** Applies one input; every consequence is in `outbox` when it returns. */
  step(nowUs: number, input: CoordinatorInput, outbox: CoordinatorOutbox): void {
    if (input.kind === "wall-clock") this.#wallOffsetMs = input.wallMs - nowUs / 1_000;
    const now = this.#nowAt(nowUs);
    this.#apply(now, input, outbox);
    const { roster, rollout, publications, policies, profiles, profileWords } = this.#parts;
    const { manifests, questions } = this.#parts;
    questions.expire(nowUs, outbox);
    rollout.onClock(now, outbox);
    publications.expire(nowUs, outbox);
    roster.offices.save(outbox);
    roster.directories.send(nowUs, outbox);
    policies.send(nowUs, outbox);
    profileWords.send(outbox);
    profiles.save(nowUs, outbox);
    manifests.read(nowUs, outbox);
    if (roster.hasUnsaved) rollout.saveSoon(nowUs);
    rollout.save(now, outbox);
  }

  due(): Due {
    const { roster, rollout, publications, policies, profiles, ...others } = this.#parts;
    const { manifests, questions } = others;
    const machines = [roster.directories, rollout, publications, policies, profiles];
    return [...machines, manifests, questions].map((one) => one.due()).reduce(earlier);
  }

  /** All enrolled devices as an operator sees them, in the order of their enrolment. */
  devices(): readonly DeviceStanding[] {
    return this.#parts.roster.devices().map((row) => deviceStanding(this.#parts, row));
  }

  /** The same as they are kept: for whoever looks at many to show a few. */
  deviceRows(): Iterable<DeviceRow> {
    return this.#parts.roster.everyDevice();
  }

  /** Whether the server hears from a device. */
  isPresent(deviceId: DeviceId): boolean {
    return this.#parts.roster.isPresent(deviceId);
  }

  /** A device as an operator sees it; `undefined` where none of this id was ever enrolled. */
  device(deviceId: string): DeviceStanding | undefined {
    const row = this.#parts.roster.device(deviceId as DeviceId);
    return row === undefined ? undefined : deviceStanding(this.#parts, row);
  }

  /** Whether the identity of a device has been taken back. */
  isRetired(deviceId: DeviceId): boolean {
    return this.#parts.roster.device(deviceId)?.retiredAtMs !== undefined;
  }

  /** What a device last reported of a content; `undefined` where it never has. */
  progress(contentId: ContentId, deviceId: DeviceId): ProgressRow | undefined {
    return this.#parts.rollout.progressOf(contentId).get(deviceId);
  }

  /** What is said against a device, the oldest first. */
  accusations(deviceId: DeviceId): readonly AccusationRow[] {
    return this.#parts.accusations.against(deviceId);
  }

  /** Where packages can be had when no device has them, in the order in which they are asked. */
  origins(): readonly Origin[] {
    return this.#parts.origins.list();
  }

  /** Where packages are kept, and whether that is configured at all. */
  get fileStorage(): Pick<FileStorage, "isConfigured" | "row"> {
    return this.#parts.fileStorage;
  }

  /** What has come into each office of each content, or of one. */
  ledger(contentId?: ContentId): readonly LedgerStanding[] {
    return ledgerOf(this.#parts, contentId);
  }

  /** The parts, for views of many of them at once, which change nothing. */
  get parts(): Pick<Parts, "roster" | "rollout" | "publications" | "profiles"> {
    return this.#parts;
  }

  /** How many devices are enrolled, and how many of them the server hears from. */
  counts(): { readonly enrolled: number; readonly present: number } {
    const { roster } = this.#parts;
    return { enrolled: roster.active().length, present: roster.presentCount };
  }

  /** All published contents, the newest first. */
  contents(): readonly ContentRow[] {
    return this.#parts.publications.contents().toReversed();
  }

  /** The contents whose ids begin with these digits. */
  findContents(prefix: string): readonly ContentRow[] {
    return this.#parts.publications.find(prefix);
  }

  /** The topology in force. */
  offices(): ReturnType<Offices["specs"]> {
    return this.#parts.roster.offices.specs();
  }

  /** All groups of devices. */
  groups(): readonly GroupRow[] {
    return this.#parts.groups.list();
  }

  /** All profiles in their order. */
  profiles(): readonly ProfileRow[] {
    return this.#parts.profiles.list();
  }

  /** A profile; `undefined` where there is none of this name. */
  profile(name: string): ProfileRow | undefined {
    return this.#parts.profiles.get(name);
  }

  /** For how many devices a profile sets anything, and how many of them the server hears from. */
  profileReach(name: string): ReturnType<typeof reachOf> {
    return reachOf(this.#parts, name);
  }

  /** The values of profiles that are in force for a device, and which profile sets each. */
  profileValues(device: Pick<DeviceRow, "deviceId" | "office">): ProfileInForce {
    return this.#parts.profiles.valuesFor(device);
  }

  /** Which values a device said last were in force on it; `undefined` where it never did. */
  profileReport(deviceId: string): ProfileReportRow | undefined {
    return this.#parts.profiles.report(deviceId);
  }

  /** All deployments, the newest first. */
  deployments(): readonly DeploymentSummary[] {
    return this.deploymentRows()
      .flatMap((row) => summaryOf(this.#parts, row) ?? [])
      .reverse();
  }

  /** The same as they are kept, in the order of their creation. */
  deploymentRows(): readonly DeploymentRow[] {
    return this.#parts.deployments.rows();
  }

  /** A deployment and how many of its devices have it; `undefined` where there is none of this id. */
  deploymentSummary(deploymentId: string): DeploymentSummary | undefined {
    const row = this.#parts.deployments.get(deploymentId);
    return row === undefined ? undefined : summaryOf(this.#parts, row);
  }

  /** Everything that is known of one deployment; `undefined` where there is none of this id. */
  deployment(deploymentId: string): DeploymentStanding | undefined {
    return standingOf(this.#parts, deploymentId, this.#wallMs);
  }

  #nowAt(nowUs: number): Now {
    this.#wallMs = Math.max(0, Math.round(this.#wallOffsetMs + nowUs / 1_000));
    return { nowUs, wallMs: this.#wallMs };
  }

  #apply(now: Now, input: CoordinatorInput, outbox: CoordinatorOutbox): void {
    switch (input.kind) {
      case "device-up":
        this.#onUp(now, input, outbox);
        break;
      case "device-moved":
        this.#onMoved(input.association, input.host);
        break;
      case "device-down":
        this.#onDown(now, input.association, outbox);
        break;
      case "message":
        this.#onMessage(now, input, outbox);
        break;
      case "stranger-message":
        this.#onStranger(input, outbox);
        break;
      case "enrolment-decided":
        this.#enrolments.onDecided(input.association, input.outcome, now, outbox);
        break;
      case "manifest-judged":
        this.#parts.publications.onJudged(input, now.wallMs, outbox);
        break;
      case "manifest-read":
        this.#parts.manifests.onRead(input, now.nowUs, outbox);
        break;
      case "command":
        outbox.answer(
          input.requestNumber,
          obey(this.#parts, input.command, { ...now, who: input.by ?? LOCAL }, outbox),
        );
        break;
      case "question":
        this.#parts.questions.ask(input, now.nowUs, outbox);
        break;
      case "wall-clock":
      case "timer":
        break;
      default:
        unreachable(input);
    }
  }

  #onUp(
    now: Now,
    { association, deviceId, host }: Extract<CoordinatorInput, { kind: "device-up" }>,
    outbox: CoordinatorOutbox,
  ): void {
    const { roster } = this.#parts;
    if (roster.device(deviceId) === undefined) {
      const reason = "The server does not know this device: enrol it again.";
      outbox.send(association, { kind: "refused", code: "unknown-device", reason });
      outbox.close(association, CLOSE_CODES.unknownDevice, reason);
      return;
    }
    this.#hosts.set(association, host);
    if (roster.device(deviceId)?.retiredAtMs !== undefined) {
      refuseClone(this.#parts, { association, deviceId }, outbox);
      return;
    }
    const session = { association, deviceId, host, deploymentsKey: "" };
    const replaced = roster.up(session, now.wallMs);
    if (replaced === undefined || replaced.association === association) return;
    this.#onDown(now, replaced.association, outbox);
    const reason = "The device has connected anew.";
    outbox.close(replaced.association, CLOSE_CODES.replaced, reason);
  }

  #onMoved(association: number, host: string): void {
    if (!this.#hosts.has(association)) return;
    this.#hosts.set(association, host);
    const session = this.#parts.roster.session(association);
    if (session !== undefined) session.host = host;
  }

  #onDown(now: Now, association: number, outbox: CoordinatorOutbox): void {
    const { publications, policies, clones, manifests, questions, roster } = this.#parts;
    this.#hosts.delete(association);
    this.#enrolments.forget(association);
    publications.forget(association);
    policies.forget(association);
    this.#parts.profileWords.forget(association);
    clones.forget(association);
    manifests.forget(association);
    questions.forget(association, outbox);
    if (roster.down(association, now.nowUs, now.wallMs)) policies.membersChanged(now.nowUs);
  }

  #onMessage(
    now: Now,
    input: Extract<CoordinatorInput, { kind: "message" }>,
    outbox: CoordinatorOutbox,
  ): void {
    const { association, message } = input;
    const { roster, rollout, publications, clones } = this.#parts;
    if (clones.former(association) !== undefined) {
      this.#onFormer(input, outbox);
      return;
    }
    const session = roster.session(association);
    // Of an association that has been replaced, something may still be under way.
    if (session === undefined) return;
    switch (message.kind) {
      case "register":
        onRegister(this.#parts, session, message, now, outbox);
        break;
      case "progress":
        // Of a content that was never published there is nothing to keep.
        if (publications.content(message.contentId) === undefined) break;
        rollout.onProgress(session, message, now);
        break;
      case "publish-part":
        publications.onPart(session, message, now.nowUs, outbox);
        break;
      case "accusation":
        onAccusation(this.#parts, session, message, now, outbox);
        break;
      case "profile-report":
        onProfileReport(this.#parts, session, message, now);
        break;
      case "manifest-wanted":
        onManifestWanted(this.#parts, session, message, { nowUs: now.nowUs, outbox });
        break;
      case "explanation":
        this.#parts.questions.onAnswer(association, message, outbox);
        break;
      default: {
        const reason = `A server has no use for a "${message.kind}" message: check the versions.`;
        outbox.send(association, { kind: "refused", code: "unexpected-message", reason });
      }
    }
  }

  #onStranger(
    input: Extract<CoordinatorInput, { kind: "stranger-message" }>,
    outbox: CoordinatorOutbox,
  ): void {
    const { association, message, host } = input;
    if (message.kind === "enrol") {
      this.#enrolments.onEnrol(association, host, message, outbox);
      return;
    }
    const reason = "Without a certificate a device can only enrol: run branchline agent enrol.";
    outbox.send(association, { kind: "refused", code: "not-enrolled", reason });
  }

  /** What comes over an association of an identity that was taken back. */
  #onFormer(
    { association, deviceId, message }: Extract<CoordinatorInput, { kind: "message" }>,
    outbox: CoordinatorOutbox,
  ): void {
    const host = this.#hosts.get(association) ?? "";
    if (message.kind === "enrol-anew") {
      this.#enrolments.onEnrolAnew(association, deviceId, { host, message }, outbox);
    } else if (message.kind === "register" || message.kind === "renew") {
      refuseClone(this.#parts, { association, deviceId }, outbox);
    }
  }
}
