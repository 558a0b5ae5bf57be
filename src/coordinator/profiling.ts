import { PROFILE_NAME_LENGTH_MAX } from "../wire/profile.ts";
import type { By, Parts } from "./commands.ts";
import { type Answer, type Command, type CoordinatorOutbox, refused } from "./contract.ts";
import { judgeDevices, judgePlaces } from "./named.ts";
import type { ProfileRow, ProfileTargets } from "./profile-rows.ts";
import { judgeValues } from "./profile-values.ts";
import { PROFILE_TARGETS_MAX, PROFILES_MAX } from "./profiles.ts";
import { plainText } from "./text.ts";

type Put = Extract<Command, { kind: "create-profile" | "change-profile" }>;
type Publish = Extract<Command, { kind: "publish-profile" }>;

/** The greatest order number. */
export const PROFILE_ORDER_MAX = 1_000_000;

const NOWHERE: ProfileTargets = { groups: [], offices: [], devices: [] };

/** Makes a profile, or says what it sets from now on, wherever it is published. */
export function putProfile(parts: Parts, command: Put, by: By, outbox: CoordinatorOutbox): Answer {
  const { profiles } = parts;
  const name = command.name.trim();
  const before = profiles.get(name);
  const wrong =
    command.kind === "create-profile"
      ? judgeNew(parts, name)
      : before === undefined
        ? unknown(name)
        : undefined;
  if (wrong !== undefined) return wrong;
  const bad = judgeValues(command.values);
  if (bad !== undefined) return refused(bad.code, bad.reason);
  const { order = before?.order ?? nextOrder(profiles.list()) } = command;
  if (!Number.isInteger(order) || order < 0 || order > PROFILE_ORDER_MAX) {
    const reason = `The order is a whole number from 0 to ${PROFILE_ORDER_MAX}.`;
    return refused("bad-profile-value", reason);
  }
  const row: ProfileRow = {
    name,
    order,
    values: command.values,
    targets: before?.targets ?? NOWHERE,
    createdAtMs: before?.createdAtMs ?? by.wallMs,
    changedAtMs: by.wallMs,
  };
  const action = command.kind === "create-profile" ? "profile-create" : "profile-change";
  return carryOut(parts, { action, before, after: row, by }, outbox);
}

/** Says for whom a profile is from now on, besides or instead of those for whom it is. */
export function publishProfile(
  parts: Parts,
  command: Publish,
  by: By,
  outbox: CoordinatorOutbox,
): Answer {
  const before = parts.profiles.get(command.name);
  if (before === undefined) return unknown(command.name);
  const wrong = judgeTargets(parts, command.add ?? {});
  if (wrong !== undefined) return wrong;
  const targets = command.everywhere === true ? NOWHERE : changedTargets(before.targets, command);
  const tooMany = Object.values(targets).some((names) => names.length > PROFILE_TARGETS_MAX);
  if (tooMany) {
    const reason = `A profile is published to at most ${PROFILE_TARGETS_MAX} of a kind: use a group.`;
    return refused("too-many-targets", reason);
  }
  const after = { ...before, targets, changedAtMs: by.wallMs };
  const action = command.add === undefined ? "profile-unpublish" : "profile-publish";
  return carryOut(parts, { action, before, after, by }, outbox);
}

/** Removes a profile that is published nowhere. */
export function removeProfile(
  parts: Parts,
  { name }: Extract<Command, { kind: "remove-profile" }>,
  by: By,
  outbox: CoordinatorOutbox,
): Answer {
  const before = parts.profiles.get(name);
  if (before === undefined) return unknown(name);
  const { devices, groups, offices } = before.targets;
  if (devices.length + groups.length + offices.length > 0) {
    const reason = `The profile "${name}" is published: unpublish it everywhere first.`;
    return refused("profile-in-use", reason);
  }
  const row = { atMs: by.wallMs, who: by.who, action: "profile-delete", subject: name };
  parts.audit.write({ ...row, before: before.values }, outbox);
  parts.profiles.remove(name, outbox);
  return { kind: "profile-changed", profile: before, devices: 0, present: 0 };
}

/** What is in force for devices may have changed: all are looked at, and told what has. */
export function profilesChanged(
  { profiles, profileWords, policies, roster }: Parts,
  nowUs: number,
): void {
  profiles.surroundingsChanged();
  profileWords.changed();
  // Who takes part in giving pieces to others stands in directories, and may keep an office's copy.
  roster.directories.changedEverywhere(nowUs);
  policies.membersChanged(nowUs);
}

/** For how many devices a profile sets anything, and how many of them the server hears from. */
export function reachOf(
  { profiles, roster }: Pick<Parts, "profiles" | "roster">,
  name: string,
): { readonly devices: number; readonly present: number } {
  let devices = 0;
  let present = 0;
  for (const device of roster.active()) {
    const values = Object.values(profiles.valuesFor(device));
    if (!values.some(({ profile }) => profile === name)) continue;
    devices += 1;
    if (roster.isPresent(device.deviceId)) present += 1;
  }
  return { devices, present };
}

function carryOut(
  parts: Parts,
  change: {
    readonly action: string;
    readonly before: ProfileRow | undefined;
    readonly after: ProfileRow;
    readonly by: By;
  },
  outbox: CoordinatorOutbox,
): Answer {
  const { action, before, after, by } = change;
  const { name: subject } = after;
  const row = { atMs: by.wallMs, who: by.who, action, subject };
  parts.audit.write({ ...row, before: before && detail(before), after: detail(after) }, outbox);
  parts.profiles.put(after, outbox);
  profilesChanged(parts, by.nowUs);
  return { kind: "profile-changed", profile: after, ...reachOf(parts, subject) };
}

function detail({ order, values, targets }: ProfileRow): unknown {
  return { order, values, targets };
}

function judgeNew(parts: Parts, name: string): Answer | undefined {
  const { profiles, fileStorage } = parts;
  if (!fileStorage.isConfigured) {
    const reason =
      "A profile needs file storage, from which devices fetch what no other device may give them: " +
      "configure it first (storage set).";
    return refused("storage-not-configured", reason);
  }
  if (profiles.get(name) !== undefined) {
    return refused("profile-exists", `There is a profile "${name}" already: change it.`);
  }
  if (name === "" || name !== plainText(name, PROFILE_NAME_LENGTH_MAX)) {
    const reason = `A profile needs a name of 1 to ${PROFILE_NAME_LENGTH_MAX} characters that can be seen.`;
    return refused("bad-profile-name", reason);
  }
  if (!profiles.full) return undefined;
  return refused("too-many-profiles", `There are ${PROFILES_MAX} profiles already: remove some.`);
}

function judgeTargets(
  parts: Parts,
  { offices = [], groups = [], devices = [] }: Partial<ProfileTargets>,
): Answer | undefined {
  return judgePlaces(parts, { offices, groups }) ?? judgeDevices(parts, devices);
}

function changedTargets(
  before: ProfileTargets,
  { add = {}, remove = {} }: Publish,
): ProfileTargets {
  const changed = (kind: keyof ProfileTargets): readonly string[] => {
    const gone = new Set(remove[kind] ?? []);
    const all = [...before[kind], ...(add[kind] ?? [])].filter((name) => !gone.has(name));
    return [...new Set(all)];
  };
  return { groups: changed("groups"), offices: changed("offices"), devices: changed("devices") };
}

/** Behind all others. */
function nextOrder(rows: readonly ProfileRow[]): number {
  const last = rows.reduce((greatest, { order }) => Math.max(greatest, order), 0);
  return Math.min(PROFILE_ORDER_MAX, last + 10);
}

function unknown(name: string): Answer {
  return refused("profile-unknown", `There is no profile "${name}": create it first.`);
}
