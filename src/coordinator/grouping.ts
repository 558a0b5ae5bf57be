import { parseDeviceId } from "../base/ids.ts";
import type { By, Parts } from "./commands.ts";
import { type Answer, type Command, type CoordinatorOutbox, refused } from "./contract.ts";
import { GROUP_DEVICES_MAX, GROUPS_MAX } from "./groups.ts";
import { profilesChanged } from "./profiling.ts";
import { plainText } from "./text.ts";

/** Most characters of a group's name. */
const NAME_LENGTH_MAX = 64;

type Change = Extract<Command, { kind: "change-group" }>;

/** Makes a group, or puts devices into it and takes them out. */
export function changeGroup(
  parts: Parts,
  command: Change,
  by: By,
  outbox: CoordinatorOutbox,
): Answer {
  const { groups, roster, rollout, audit } = parts;
  const name = command.name.trim();
  const before = groups.get(name);
  const { create = false, add = [], remove = [] } = command;
  const wrong = judgeName(parts, name, create) ?? judgeDevices(parts, add);
  if (wrong !== undefined) return wrong;
  const left = new Set(remove);
  const members = [...(before ?? []), ...add].filter((deviceId) => !left.has(deviceId));
  const devices = [...new Set(members)];
  if (devices.length > GROUP_DEVICES_MAX) {
    const reason = `A group has at most ${GROUP_DEVICES_MAX} devices: make several groups.`;
    return refused("group-too-large", reason);
  }
  const action = create ? "group-create" : "group-change";
  const after = { add: [...add], remove: [...remove], devices: devices.length };
  const row = { atMs: by.wallMs, who: by.who, action, subject: name };
  audit.write({ ...row, before: before && { devices: before.size }, after }, outbox);
  groups.put(name, devices, outbox);
  rollout.targetsChanged(by.nowUs);
  rollout.tellAll(by, outbox);
  if (parts.profiles.userOfGroup(name) !== undefined) profilesChanged(parts, by.nowUs);
  const present = devices.filter((text) => {
    const deviceId = parseDeviceId(text);
    return deviceId !== undefined && roster.isPresent(deviceId);
  });
  return { kind: "group-changed", name, devices: devices.length, present: present.length };
}

/** Removes a group that no deployment names. */
export function removeGroup(
  { groups, deployments, profiles, audit, rollout }: Parts,
  { name }: Extract<Command, { kind: "remove-group" }>,
  by: By,
  outbox: CoordinatorOutbox,
): Answer {
  const before = groups.get(name);
  if (before === undefined) return unknown(name);
  const user = deployments
    .rows()
    .find(
      ({ targets, cancelledAtMs }) =>
        cancelledAtMs === undefined && targets.groups?.includes(name) === true,
    );
  if (user !== undefined) {
    const reason = `Deployment ${user.deploymentId} is for the group "${name}": cancel it first.`;
    return refused("group-in-use", reason);
  }
  const profile = profiles.userOfGroup(name);
  if (profile !== undefined) {
    const reason = `The profile "${profile.name}" is published to the group "${name}": unpublish it first.`;
    return refused("group-in-use", reason);
  }
  const row = { atMs: by.wallMs, who: by.who, action: "group-remove", subject: name };
  audit.write({ ...row, before: { devices: before.size } }, outbox);
  groups.remove(name, outbox);
  rollout.targetsChanged(by.nowUs);
  return { kind: "group-changed", name, devices: 0, present: 0 };
}

function judgeName({ groups }: Parts, name: string, create: boolean): Answer | undefined {
  const known = groups.get(name) !== undefined;
  if (!create) return known ? undefined : unknown(name);
  if (known) {
    return refused("group-exists", `There is a group "${name}" already: add devices to it.`);
  }
  if (name === "" || name !== plainText(name, NAME_LENGTH_MAX)) {
    const reason = `A group needs a name of 1 to ${NAME_LENGTH_MAX} characters that can be seen.`;
    return refused("bad-group-name", reason);
  }
  if (!groups.full) return undefined;
  return refused("too-many-groups", `There are ${GROUPS_MAX} groups already: remove some.`);
}

function judgeDevices({ roster }: Parts, devices: readonly string[]): Answer | undefined {
  const device = devices.find((text) => {
    const deviceId = parseDeviceId(text);
    return deviceId === undefined || roster.device(deviceId) === undefined;
  });
  if (device === undefined) return undefined;
  return refused("device-unknown", `No device ${device} is enrolled: check its id.`);
}

function unknown(name: string): Answer {
  return refused("group-unknown", `There is no group "${name}": create it first.`);
}
