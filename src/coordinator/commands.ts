import { parseDeviceId } from "../base/ids.ts";
import { unreachable } from "../base/invariant.ts";
import type { Accusations } from "./accusations.ts";
import type { Audit } from "./audit.ts";
import type { Clones } from "./clones.ts";
import { type Answer, type Command, type CoordinatorOutbox, refused } from "./contract.ts";
import { deploy } from "./deploy.ts";
import type { Deployments } from "./deployments.ts";
import type { FileStorage } from "./file-storage.ts";
import { changeGroup, removeGroup } from "./grouping.ts";
import type { Groups } from "./groups.ts";
import type { ManifestRequests } from "./manifest-requests.ts";
import type { Origins } from "./origins.ts";
import type { Policies } from "./policies.ts";
import type { ProfileWords } from "./profile-words.ts";
import type { Profiles } from "./profiles.ts";
import { publishProfile, putProfile, removeProfile } from "./profiling.ts";
import type { Publications } from "./publications.ts";
import type { Questions } from "./questions.ts";
import type { Rollout } from "./rollout.ts";
import type { Now, Roster } from "./roster.ts";
import { steer } from "./steering.ts";
import { publishContent, setFileStorage } from "./storing.ts";
import { replaceOffices } from "./topology-changes.ts";
import type { ZoneOffset } from "./windows.ts";

/** The parts of the coordinator that an operator's command may change. */
export type Parts = {
  readonly roster: Roster;
  readonly publications: Publications;
  readonly rollout: Rollout;
  readonly deployments: Deployments;
  readonly groups: Groups;
  readonly audit: Audit;
  readonly origins: Origins;
  readonly fileStorage: FileStorage;
  readonly policies: Policies;
  readonly profiles: Profiles;
  readonly profileWords: ProfileWords;
  readonly accusations: Accusations;
  readonly clones: Clones;
  readonly manifests: ManifestRequests;
  readonly questions: Questions;
  readonly zoneOffsetMs: ZoneOffset;
  readonly randomBytes: (length: number) => Uint8Array;
};

/** Who gives commands at the server itself. */
export const LOCAL = "local";

/** When a command is given, and by whom. */
export type By = Now & { readonly who: string };

/** Carries out what an operator asks for, or says why not. Each change leaves an audit row. */
export function obey(parts: Parts, command: Command, by: By, outbox: CoordinatorOutbox): Answer {
  switch (command.kind) {
    case "replace-offices":
      return replaceOffices(parts, command, by, outbox);
    case "deploy":
      return deploy(parts, command, by, outbox);
    case "steer":
      return steer(parts, command, by, outbox);
    case "change-group":
      return changeGroup(parts, command, by, outbox);
    case "remove-group":
      return removeGroup(parts, command, by, outbox);
    case "add-origin":
    case "remove-origin":
      return changeOrigins(parts, command, by, outbox);
    case "create-profile":
    case "change-profile":
      return putProfile(parts, command, by, outbox);
    case "publish-profile":
      return publishProfile(parts, command, by, outbox);
    case "remove-profile":
      return removeProfile(parts, command, by, outbox);
    case "set-file-storage":
      return setFileStorage(parts, command, by, outbox);
    case "publish-content":
      return publishContent(parts, command, by, outbox);
    case "pardon":
      return pardon(parts, command.deviceId, by, outbox);
    case "trim-audit":
      return trimAudit(parts, command, by, outbox);
    case "record":
      return record(parts, command, by, outbox);
    default:
      return unreachable(command);
  }
}

function changeOrigins(
  { origins, policies, audit }: Parts,
  command: Extract<Command, { kind: "add-origin" | "remove-origin" }>,
  { who, wallMs }: By,
  outbox: CoordinatorOutbox,
): Answer {
  const { kind: action, location: subject } = command;
  const before = origins.list();
  const changed =
    command.kind === "add-origin"
      ? origins.add(originOf(command), outbox)
      : origins.remove(subject, outbox);
  if (!changed.ok) return refused(changed.error.code, changed.error.reason);
  const after = changed.value;
  audit.write({ atMs: wallMs, who, action, subject, before, after }, outbox);
  policies.generalChanged();
  return { kind: "origins-changed", origins: after };
}

function originOf({ originKind, location }: Extract<Command, { kind: "add-origin" }>) {
  return { ...(originKind === undefined ? {} : { kind: originKind }), location };
}

/** What was removed stays known in a row of its own. */
function trimAudit(
  { audit }: Parts,
  { beforeMs, rows, oldestMs }: Extract<Command, { kind: "trim-audit" }>,
  { who, wallMs }: By,
  outbox: CoordinatorOutbox,
): Answer {
  outbox.persist({ kind: "audit-trim", beforeMs });
  const before = { rows, oldestMs, beforeMs };
  audit.write({ atMs: wallMs, who, action: "audit-trim", subject: "", before }, outbox);
  return { kind: "audit-trimmed" };
}

function record(
  { audit }: Parts,
  { kind: _, ...what }: Extract<Command, { kind: "record" }>,
  { who, wallMs }: By,
  outbox: CoordinatorOutbox,
): Answer {
  audit.write({ atMs: wallMs, who, ...what }, outbox);
  return { kind: "recorded" };
}

function pardon(parts: Parts, text: string, by: By, outbox: CoordinatorOutbox): Answer {
  const { roster, accusations, policies, audit } = parts;
  const deviceId = parseDeviceId(text);
  const device = deviceId === undefined ? undefined : roster.device(deviceId);
  if (device === undefined) {
    return refused("device-unknown", `No device ${text} is enrolled: check its id.`);
  }
  const { deviceId: subject, shunnedAtMs } = device;
  const row = { atMs: by.wallMs, who: by.who, action: "device-pardon", subject };
  audit.write({ ...row, before: { shunnedAtMs } }, outbox);
  accusations.pardon(device.deviceId, outbox);
  roster.shun(device.deviceId, undefined);
  roster.save(outbox);
  policies.generalChanged();
  return { kind: "pardoned" };
}
