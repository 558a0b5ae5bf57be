import { toHex } from "../base/hex.ts";
import { parseDeviceId } from "../base/ids.ts";
import { unreachable } from "../base/invariant.ts";
import type { Finding } from "../topology/office.ts";
import type { Accusations } from "./accusations.ts";
import type { Clones } from "./clones.ts";
import type { Answer, Command, CoordinatorOutbox, RefusalCode } from "./contract.ts";
import type { ManifestRequests } from "./manifest-requests.ts";
import type { Origins } from "./origins.ts";
import type { Policies } from "./policies.ts";
import type { Publications } from "./publications.ts";
import { DEPLOYMENTS_MAX, type Rollout } from "./rollout.ts";
import type { Now, Roster } from "./roster.ts";
import type { DeploymentRow, Targets } from "./state.ts";

/** The parts of the coordinator that an operator's command may change. */
export type Parts = {
  readonly roster: Roster;
  readonly publications: Publications;
  readonly rollout: Rollout;
  readonly origins: Origins;
  readonly policies: Policies;
  readonly accusations: Accusations;
  readonly clones: Clones;
  readonly manifests: ManifestRequests;
  readonly randomBytes: (length: number) => Uint8Array;
};

/** Carries out what an operator asks for, or says why not. */
export function obey(parts: Parts, command: Command, now: Now, outbox: CoordinatorOutbox): Answer {
  switch (command.kind) {
    case "replace-offices":
      return replaceOffices(parts, command, now, outbox);
    case "deploy":
      return deploy(parts, command, now, outbox);
    case "add-origin": {
      const { originKind, location } = command;
      const kind = originKind === undefined ? {} : { kind: originKind };
      return originsChanged(parts, parts.origins.add({ ...kind, location }, outbox));
    }
    case "remove-origin":
      return originsChanged(parts, parts.origins.remove(command.location, outbox));
    case "pardon":
      return pardon(parts, command.deviceId, outbox);
    default:
      return unreachable(command);
  }
}

function originsChanged(parts: Parts, changed: ReturnType<Origins["add"]>): Answer {
  if (!changed.ok) return refused(changed.error.code, changed.error.reason);
  parts.policies.generalChanged();
  return { kind: "origins-changed", origins: changed.value };
}

function pardon(parts: Parts, text: string, outbox: CoordinatorOutbox): Answer {
  const { roster, accusations, policies } = parts;
  const deviceId = parseDeviceId(text);
  const device = deviceId === undefined ? undefined : roster.device(deviceId);
  if (device === undefined) {
    return refused("device-unknown", `No device ${text} is enrolled: check its id.`);
  }
  accusations.pardon(device.deviceId, outbox);
  roster.shun(device.deviceId, undefined);
  roster.save(outbox);
  policies.generalChanged();
  return { kind: "pardoned" };
}

function replaceOffices(
  { roster, rollout, policies }: Parts,
  command: Extract<Command, { kind: "replace-offices" }>,
  now: Now,
  outbox: CoordinatorOutbox,
): Answer {
  const judged = roster.offices.replace(command.offices);
  if (!judged.ok) {
    const errors = judged.error.filter(({ severity }) => severity === "error");
    const reason = errors.map(({ sentence }) => sentence).join(" ");
    return refused("bad-topology", reason, judged.error);
  }
  roster.replaceAll(now.nowUs);
  roster.offices.save(outbox);
  roster.save(outbox);
  policies.membersChanged(now.nowUs);
  rollout.targetsChanged(now.nowUs);
  rollout.tellAll(outbox);
  return { kind: "offices-replaced", findings: judged.value };
}

function deploy(
  { roster, publications, rollout, randomBytes }: Parts,
  command: Extract<Command, { kind: "deploy" }>,
  now: Now,
  outbox: CoordinatorOutbox,
): Answer {
  const [content, ...others] = publications.find(command.contentId);
  if (content === undefined) {
    const reason = `No content has an id that begins with ${command.contentId}: publish it first.`;
    return refused("content-unknown", reason);
  }
  if (others.length > 0) {
    const reason = `More than one content id begins with ${command.contentId}: give more digits.`;
    return refused("content-ambiguous", reason);
  }
  if (rollout.full) {
    const reason = `This server keeps ${DEPLOYMENTS_MAX} deployments, and has as many already.`;
    return refused("too-many-deployments", reason);
  }
  const wrong = judgeTargets(roster, command.targets);
  if (wrong !== undefined) return wrong;
  const row: DeploymentRow = {
    deploymentId: toHex(randomBytes(8)),
    contentId: content.contentId,
    targets: command.targets,
    priority: command.priority,
    createdAtMs: now.wallMs,
  };
  rollout.deploy(row, now.nowUs, outbox);
  return { kind: "deployed", deploymentId: row.deploymentId };
}

function judgeTargets(roster: Roster, targets: Targets): Answer | undefined {
  const { all, offices = [], devices = [] } = targets;
  if (all !== true && offices.length === 0 && devices.length === 0) {
    return refused("no-targets", "Name who is to have the content: all, offices or devices.");
  }
  const office = offices.find((name) => !roster.offices.has(name));
  if (office !== undefined) {
    return refused("office-unknown", `There is no office "${office}": check its name.`);
  }
  const device = devices.find((text) => {
    const deviceId = parseDeviceId(text);
    const row = deviceId === undefined ? undefined : roster.device(deviceId);
    return row === undefined || row.retiredAtMs !== undefined;
  });
  if (device === undefined) return undefined;
  return refused("device-unknown", `No device ${device} is enrolled: check its id.`);
}

function refused(code: RefusalCode, reason: string, findings: readonly Finding[] = []): Answer {
  return { kind: "refused", code, reason, findings };
}
