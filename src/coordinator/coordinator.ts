import { type DeviceId, deviceIdOf } from "../base/ids.ts";
import { invariant, unreachable } from "../base/invariant.ts";
import { type Due, earlier, type Machine } from "../base/machine.ts";
import type { Crypto } from "../effects/crypto.ts";
import type { Enrol, Message } from "../wire/messages.ts";
import { obey, type Parts } from "./commands.ts";
import {
  CLOSE_CODES,
  type CoordinatorInput,
  type CoordinatorOutbox,
  type EnrolmentOutcome,
} from "./contract.ts";
import { Offices } from "./offices.ts";
import { Publications } from "./publications.ts";
import { Rollout } from "./rollout.ts";
import { canonicalHosts, HOST_NAME_LENGTH_MAX, NO_FACTS, type Now, Roster } from "./roster.ts";
import type { ContentRow, CoordinatorState } from "./state.ts";
import { plainText } from "./text.ts";
import {
  type DeploymentStanding,
  type DeploymentSummary,
  type DeviceStanding,
  standingOf,
  summarise,
} from "./views.ts";

/** What a coordinator needs to begin. */
export type CoordinatorSetup = {
  readonly state: CoordinatorState;
  readonly randomBytes: Crypto["randomBytes"];
  /** The server's own addresses (row B13); those that name no machine, as `0.0.0.0`, are ignored. */
  readonly serverHosts: readonly string[];
  /** The wall clock, in milliseconds since 1970, at `nowUs`. */
  readonly wallMs: number;
  readonly nowUs: number;
};

/** Somebody without a certificate whose request is being decided. */
type Stranger = {
  readonly deviceId: DeviceId;
  readonly hostName: string;
  readonly machineId: string;
  readonly host: string;
};

/**
 * The whole brain of the server: who is enrolled and present, in which office each device is, who
 * is to have what, and what everyone is told.
 *
 * It only advises: a transfer that is under way needs nothing of it. What a device can cause is
 * bounded, and never stops it.
 */
export class Coordinator implements Machine<CoordinatorInput, CoordinatorOutbox> {
  readonly #parts: Parts;
  readonly #strangers = new Map<number, Stranger>();
  /** Wall clock less the monotonic one. */
  #wallOffsetMs: number;

  constructor(setup: CoordinatorSetup) {
    const { state } = setup;
    const offices = new Offices(state.offices, canonicalHosts(setup.serverHosts));
    const roster = new Roster(state.devices, offices, state.epoch);
    this.#parts = {
      roster,
      publications: new Publications(state.contents),
      rollout: new Rollout(state, roster),
      randomBytes: setup.randomBytes,
    };
    this.#wallOffsetMs = setup.wallMs - setup.nowUs / 1_000;
  }

  /** Applies one input; every consequence is in `outbox` when it returns. */
  step(nowUs: number, input: CoordinatorInput, outbox: CoordinatorOutbox): void {
    if (input.kind === "wall-clock") this.#wallOffsetMs = input.wallMs - nowUs / 1_000;
    const now = { nowUs, wallMs: Math.max(0, Math.round(this.#wallOffsetMs + nowUs / 1_000)) };
    this.#apply(now, input, outbox);
    const { roster, rollout, publications } = this.#parts;
    publications.expire(nowUs, outbox);
    roster.directories.send(nowUs, outbox);
    if (roster.hasUnsaved) rollout.saveSoon(nowUs);
    rollout.save(now, outbox);
  }

  due(): Due {
    const { roster, rollout, publications } = this.#parts;
    return earlier(earlier(roster.directories.due(), rollout.due()), publications.due());
  }

  /** All enrolled devices, in the order of their enrolment. */
  devices(): readonly DeviceStanding[] {
    const { roster } = this.#parts;
    return roster
      .devices()
      .map((device) => ({ ...device, present: roster.isPresent(device.deviceId) }));
  }

  /** How many devices are enrolled, and how many of them the server hears from. */
  counts(): { readonly enrolled: number; readonly present: number } {
    const { roster } = this.#parts;
    return { enrolled: roster.devices().length, present: roster.presentCount };
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

  /** All deployments, the newest first. */
  deployments(): readonly DeploymentSummary[] {
    return summarise(this.#parts);
  }

  /** Everything that is known of one deployment; `undefined` where there is none of this id. */
  deployment(deploymentId: string): DeploymentStanding | undefined {
    return standingOf(this.#parts, deploymentId);
  }

  #apply(now: Now, input: CoordinatorInput, outbox: CoordinatorOutbox): void {
    switch (input.kind) {
      case "device-up":
        this.#onUp(now, input, outbox);
        break;
      case "device-down":
        this.#onDown(now, input.association);
        break;
      case "message":
        this.#onMessage(now, input.association, input.message, outbox);
        break;
      case "stranger-message":
        this.#onStranger(input, outbox);
        break;
      case "enrolment-decided":
        this.#onEnrolment(now, input.association, input.outcome, outbox);
        break;
      case "manifest-judged":
        this.#parts.publications.onJudged(input, now.wallMs, outbox);
        break;
      case "command":
        outbox.answer(input.requestNumber, obey(this.#parts, input.command, now, outbox));
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
    const { roster, publications } = this.#parts;
    if (roster.device(deviceId) === undefined) {
      const reason = "The server does not know this device: enrol it again.";
      outbox.send(association, { kind: "refused", code: "unknown-device", reason });
      outbox.close(association, CLOSE_CODES.unknownDevice, reason);
      return;
    }
    const session = { association, deviceId, host, deploymentsKey: "" };
    const replaced = roster.up(session, now.wallMs);
    if (replaced === undefined || replaced.association === association) return;
    publications.forget(replaced.association);
    const reason = "The device has connected anew.";
    outbox.close(replaced.association, CLOSE_CODES.replaced, reason);
  }

  #onDown(now: Now, association: number): void {
    this.#strangers.delete(association);
    this.#parts.publications.forget(association);
    this.#parts.roster.down(association, now.nowUs, now.wallMs);
  }

  #onMessage(now: Now, association: number, message: Message, outbox: CoordinatorOutbox): void {
    const { roster, rollout, publications } = this.#parts;
    const session = roster.session(association);
    // Of an association that has been replaced, something may still be under way.
    if (session === undefined) return;
    switch (message.kind) {
      case "register":
        roster.register(session, message, now, outbox);
        rollout.tell(session, outbox);
        break;
      case "progress":
        // Of a content that was never published there is nothing to keep.
        if (publications.content(message.contentId) === undefined) break;
        rollout.onProgress(session, message, now);
        break;
      case "publish-part":
        publications.onPart(session, message, now.nowUs, outbox);
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
    if (message.kind !== "enrol") {
      const reason = "Without a certificate a device can only enrol: run branchline agent enrol.";
      outbox.send(association, { kind: "refused", code: "not-enrolled", reason });
      return;
    }
    if (this.#strangers.has(association)) {
      const reason = "The request before this one is not decided yet: wait for its answer.";
      outbox.send(association, { kind: "refused", code: "enrolment-busy", reason });
      return;
    }
    const stranger = this.#strangerOf(message, host);
    this.#strangers.set(association, stranger);
    const { securityKey, request } = message;
    outbox.requestEnrolment(association, { ...stranger, securityKey, request });
  }

  /** The server chooses the id: what a device could choose, it could also claim. */
  #strangerOf(message: Enrol, host: string): Stranger {
    const deviceId = deviceIdOf(this.#parts.randomBytes(16));
    invariant(deviceId !== undefined, "sixteen random bytes are a device id");
    return {
      deviceId,
      hostName: plainText(message.hostName, HOST_NAME_LENGTH_MAX),
      machineId: plainText(message.machineId, 256),
      host: canonicalHosts([host])[0] ?? "",
    };
  }

  #onEnrolment(
    now: Now,
    association: number,
    outcome: EnrolmentOutcome,
    outbox: CoordinatorOutbox,
  ): void {
    const stranger = this.#strangers.get(association);
    // Gone before it was decided: nobody has the certificate, so there is no device.
    if (stranger === undefined) return;
    this.#strangers.delete(association);
    if (outcome.kind === "refused") {
      outbox.send(association, outcome);
      return;
    }
    const { deviceId, hostName, machineId, host } = stranger;
    const { roster } = this.#parts;
    const { office, added } = roster.offices.place([host]);
    if (added) outbox.persist({ kind: "offices-replace", offices: roster.offices.state() });
    const device = {
      deviceId,
      hostName,
      machineId,
      office,
      hosts: [],
      seenHost: host,
      portOffset: 0,
      facts: NO_FACTS,
      productVersion: "",
      enrolledAtMs: now.wallMs,
      lastSeenAtMs: now.wallMs,
    };
    roster.enrol(device, outbox);
    outbox.send(association, { ...outcome, deviceId });
  }
}
