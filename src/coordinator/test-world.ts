import type { ContentId, DeviceId } from "../base/ids.ts";
import { invariant } from "../base/invariant.ts";
import { Prng } from "../base/prng.ts";
import { GIB } from "../base/units.ts";
import type {
  DeploymentEntry,
  Directory,
  Facts,
  Message,
  Policy,
  Progress,
  Register,
} from "../wire/messages.ts";
import type { Answer, Command, CoordinatorInput, EnrolmentRequest, Note } from "./contract.ts";
import { Coordinator } from "./coordinator.ts";
import type {
  AccusationRow,
  Change,
  CoordinatorState,
  DeploymentRow,
  DeviceRow,
  GroupRow,
  LedgerRow,
  ProgressRow,
} from "./state.ts";

// What the tests of this folder share: a server and its devices in virtual time.

/** The wall clock when a test begins, in milliseconds since 1970. */
export const WALL_MS = 1_800_000_000_000;

/** A Central Office and two branches. */
export const OFFICES = [
  { name: "Central", type: "default", subnets: ["10.0.0.0/16"] },
  { name: "North", parent: "Central", type: "default", subnets: ["10.1.0.0/16"] },
  { name: "South", parent: "Central", type: "default", subnets: ["10.2.0.0/16"] },
] as const;

/** An enrolled, connected and registered device. */
export type Member = {
  readonly association: number;
  readonly deviceId: DeviceId;
  readonly register: Register;
};

/** A server and its devices in virtual time, with a database that is a value. */
export class World {
  readonly coordinator: Coordinator;
  readonly enrolments: EnrolmentRequest[] = [];
  readonly judged: { association: number; contentId: ContentId; manifest: Uint8Array }[] = [];
  readonly closed: { association: number; code: number }[] = [];
  readonly changes: Change[] = [];
  readonly notes: Note[] = [];
  readonly manifestsRead: { association: number; contentId: ContentId }[] = [];
  state: CoordinatorState;
  nowUs = 0;
  readonly #sent = new Map<number, Message[]>();
  readonly #answers = new Map<number, Answer>();
  #associations = 100;

  constructor(state: CoordinatorState, serverHosts: readonly string[] = []) {
    const prng = new Prng(state.epoch);
    this.state = state;
    this.coordinator = new Coordinator({
      state,
      randomBytes: (length) => Uint8Array.from({ length }, () => prng.below(256)),
      serverHosts,
      wallMs: WALL_MS,
      nowUs: 0,
    });
  }

  input(input: CoordinatorInput): void {
    this.coordinator.step(this.nowUs, input, {
      persist: (change) => {
        this.changes.push(change);
        this.state = applied(this.state, change);
      },
      send: (association, message) => {
        this.#sent.set(association, [...(this.#sent.get(association) ?? []), message]);
      },
      close: (association, code) => this.closed.push({ association, code }),
      requestEnrolment: (_, request) => this.enrolments.push(request),
      judgeManifest: (association, contentId, manifest) =>
        this.judged.push({ association, contentId, manifest }),
      readManifest: (association, contentId) => this.manifestsRead.push({ association, contentId }),
      note: (note) => this.notes.push(note),
      answer: (requestNumber, answer) => this.#answers.set(requestNumber, answer),
    });
  }

  runUntil(untilUs: number): void {
    for (;;) {
      const { atUs } = this.coordinator.due();
      if (atUs > untilUs) break;
      this.nowUs = Math.max(this.nowUs, atUs);
      this.input({ kind: "timer" });
    }
    this.nowUs = untilUs;
  }

  command(command: Command): Answer {
    const requestNumber = this.#answers.size + 1;
    this.input({ kind: "command", requestNumber, command });
    const answer = this.#answers.get(requestNumber);
    invariant(answer !== undefined, "a command is answered");
    return answer;
  }

  deploy(
    targets: DeploymentRow["targets"],
    priority: DeploymentRow["priority"] = "medium",
  ): string {
    const contentId = CONTENT;
    const answer = this.command({ kind: "deploy", contentId, targets, priority });
    invariant(answer.kind === "deployed", JSON.stringify(answer));
    return answer.deploymentId;
  }

  /** Enrols a device, connects and registers it. */
  join(host: string, said: Partial<Register> = {}): Member {
    this.#associations += 1;
    const stranger = this.#associations;
    this.input({ kind: "stranger-message", association: stranger, host, message: ENROL });
    this.decide(stranger);
    this.input({ kind: "device-down", association: stranger });
    const deviceId = this.enrolments.at(-1)?.deviceId;
    invariant(deviceId !== undefined, "somebody was enrolled");
    const message = register({ hosts: [host], ...said });
    return { association: this.connect(deviceId, host, message), deviceId, register: message };
  }

  connect(deviceId: DeviceId, host: string, said: Partial<Register> = {}): number {
    this.#associations += 1;
    const association = this.#associations;
    this.input({ kind: "device-up", association, deviceId, host });
    const message = register({ hosts: [host], ...said });
    this.input({ kind: "message", association, deviceId, message });
    return association;
  }

  say({ association, deviceId }: Member, message: Message): void {
    this.input({ kind: "message", association, deviceId, message });
  }

  decide(association: number): void {
    const certificate = Uint8Array.of(1);
    const outcome = {
      kind: "enrolled",
      certificate,
      authority: certificate,
      organisation: "o",
    } as const;
    this.input({ kind: "enrolment-decided", association, outcome });
  }

  publish(device: Member, contentId: ContentId = CONTENT): void {
    const data = Uint8Array.of(1, 2, 3);
    this.say(device, { kind: "publish-part", contentId, offsetBytes: 0, totalBytes: 3, data });
    this.accept(device.association, contentId);
  }

  accept(association: number, contentId: ContentId): void {
    const facts = {
      contentId,
      name: "tool",
      version: "1",
      type: "application",
      sizeBytes: 1_000,
      pieces: 10,
      files: 1,
      publisher: "aa",
      publisherName: "us",
      sha256: "bb",
    };
    const outcome = { kind: "accepted", facts, files: [] } as const;
    this.input({ kind: "manifest-judged", association, contentId, outcome });
  }

  sent(association: number): readonly Message[] {
    return this.#sent.get(association) ?? [];
  }

  directories(association: number): readonly Directory[] {
    return this.sent(association).filter((message) => message.kind === "directory");
  }

  policies(association: number): readonly Policy[] {
    return this.sent(association).filter((message) => message.kind === "policy");
  }

  /** The codes of what a device was refused. */
  refusals(association: number): readonly string[] {
    return this.sent(association).flatMap((message) =>
      message.kind === "refused" ? [message.code] : [],
    );
  }

  /** The office of an enrolled device. */
  officeOf(deviceId: DeviceId): string | undefined {
    return this.coordinator.devices().find((device) => device.deviceId === deviceId)?.office;
  }

  /** What a device was told last that it is to have. */
  deployments(association: number): readonly DeploymentEntry[] | undefined {
    return this.sent(association).findLast((message) => message.kind === "deployments")
      ?.deployments;
  }
}

/** A content that the tests publish: 1,000 bytes in 10 pieces. */
export const CONTENT: ContentId = "c1".repeat(32) as ContentId;

/** A request for an identity. */
export const ENROL: Extract<Message, { kind: "enrol" }> = {
  kind: "enrol",
  securityKey: "KEY",
  request: Uint8Array.of(1),
  hostName: "pc-1",
  machineId: "m1",
};

/** What a device says of itself. */
export function register(said: Partial<Register> = {}): Register {
  const facts: Facts = {
    freeBytes: 10 * GIB,
    usableBytes: GIB,
    preferred: false,
    desktop: true,
    serverOs: false,
    uptimeS: 60,
  };
  return {
    kind: "register",
    productVersion: "0.1.0",
    hostName: "pc-1",
    hosts: [],
    portOffset: 0,
    facts,
    bootId: 1,
    machineId: "m1",
    witnesses: [],
    ...said,
  };
}

/** How far a device is. */
export function progress(contentId: ContentId, said: Partial<Progress> = {}): Progress {
  return {
    kind: "progress",
    contentId,
    state: "downloading",
    pieces: 10,
    piecesHeld: 3,
    sizeBytes: 1_000,
    heldBytes: 300,
    wanInBytes: 0,
    lanInBytes: 0,
    wanOutBytes: 0,
    lanOutBytes: 0,
    originInBytes: 0,
    farInBytes: [],
    rvp: false,
    problem: "",
    lineBusyMs: 0,
    cacheInBytes: 0,
    hostedInBytes: 0,
    ...said,
  };
}

/** The state after a change, as a database would have it. */
function applied(state: CoordinatorState, change: Change): CoordinatorState {
  switch (change.kind) {
    case "device-put":
      return { ...state, devices: put(state.devices, change.device, sameDevice) };
    case "content-add":
      return { ...state, contents: [...state.contents, change.content] };
    case "offices-replace":
      return { ...state, offices: change.offices, officeKeys: change.officeKeys };
    case "deployment-put":
      return { ...state, deployments: put(state.deployments, change.deployment, sameDeployment) };
    case "group-put":
      return { ...state, groups: put(state.groups, change.group, sameName) };
    case "group-remove":
      return { ...state, groups: state.groups.filter(({ name }) => name !== change.name) };
    case "profile-put":
      return { ...state, profiles: put(state.profiles, change.profile, sameName) };
    case "profile-remove":
      return { ...state, profiles: state.profiles.filter(({ name }) => name !== change.name) };
    case "profile-report-put": {
      const profileReports = put(state.profileReports, change.report, sameDevice);
      return { ...state, profileReports };
    }
    case "topology-change-add":
    case "audit-add":
    case "audit-trim":
      return state;
    case "progress-put":
      return { ...state, progress: put(state.progress, change.progress, sameProgress) };
    case "ledger-put":
      return { ...state, ledger: put(state.ledger, change.row, sameLedger) };
    case "origins-replace":
      return { ...state, origins: change.origins };
    case "file-storage-set": {
      const { fileStorage: _, ...rest } = state;
      return change.storage === undefined ? rest : { ...rest, fileStorage: change.storage };
    }
    case "accusation-put": {
      const accusations = state.accusations.filter(
        (row) => !sameAccusation(row, change.accusation),
      );
      return { ...state, accusations: [...accusations, change.accusation] };
    }
    case "accusation-remove": {
      const accusations = state.accusations.filter((row) => !sameAccusation(row, change));
      return { ...state, accusations };
    }
  }
}

function put<T>(rows: readonly T[], row: T, same: (a: T, b: T) => boolean): readonly T[] {
  const index = rows.findIndex((known) => same(known, row));
  return index < 0 ? [...rows, row] : rows.with(index, row);
}

function sameDevice(a: Pick<DeviceRow, "deviceId">, b: Pick<DeviceRow, "deviceId">): boolean {
  return a.deviceId === b.deviceId;
}

function sameDeployment(a: DeploymentRow, b: DeploymentRow): boolean {
  return a.deploymentId === b.deploymentId;
}

function sameName(a: Pick<GroupRow, "name">, b: Pick<GroupRow, "name">): boolean {
  return a.name === b.name;
}

function sameLedger(a: LedgerRow, b: LedgerRow): boolean {
  return a.contentId === b.contentId && a.office === b.office;
}

type Pair = Pick<AccusationRow, "reporter" | "accused">;

function sameAccusation(a: Pair, b: Pair): boolean {
  return a.reporter === b.reporter && a.accused === b.accused;
}

function sameProgress(a: ProgressRow, b: ProgressRow): boolean {
  return a.contentId === b.contentId && a.deviceId === b.deviceId;
}
