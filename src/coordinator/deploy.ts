import { toHex } from "../base/hex.ts";
import type { By, Parts } from "./commands.ts";
import { parseCondition } from "./conditions.ts";
import { type Answer, type Command, type CoordinatorOutbox, refused } from "./contract.ts";
import { DEPLOYMENTS_MAX } from "./deployments.ts";
import { judgeDevices, judgePlaces } from "./named.ts";
import type { DeploymentRow, Schedule, Targets } from "./state.ts";
import { parseWindow, WINDOWS_MAX } from "./windows.ts";

/** Begins a deployment. */
export function deploy(
  parts: Parts,
  command: Extract<Command, { kind: "deploy" }>,
  by: By,
  outbox: CoordinatorOutbox,
): Answer {
  const { publications, rollout, deployments, randomBytes, audit } = parts;
  const [content, ...others] = publications.find(command.contentId);
  if (content === undefined) {
    const reason = `No content has an id that begins with ${command.contentId}: publish it first.`;
    return refused("content-unknown", reason);
  }
  if (others.length > 0) {
    const reason = `More than one content id begins with ${command.contentId}: give more digits.`;
    return refused("content-ambiguous", reason);
  }
  if (deployments.full) {
    const reason = `This server keeps ${DEPLOYMENTS_MAX} deployments, and has as many already: cancel some.`;
    return refused("too-many-deployments", reason);
  }
  const { windows = [], notBeforeMs, notAfterMs, targets, priority } = command;
  const schedule: Schedule = {
    windows,
    ...(notBeforeMs === undefined ? {} : { notBeforeMs }),
    ...(notAfterMs === undefined ? {} : { notAfterMs }),
  };
  const wrong = judgeTargets(parts, targets) ?? judgeSchedule(schedule, by.wallMs);
  if (wrong !== undefined) return wrong;
  const row: DeploymentRow = {
    deploymentId: toHex(randomBytes(8)),
    contentId: content.contentId,
    targets,
    priority,
    place: lastPlace(deployments.rows()),
    ...schedule,
    runAction: command.runAction ?? false,
    directives: [],
    revision: 1,
    createdAtMs: by.wallMs,
  };
  const { deploymentId: subject, directives: _, ...after } = row;
  audit.write(
    { atMs: by.wallMs, who: by.who, action: "deployment-create", subject, after },
    outbox,
  );
  rollout.put([row], by, outbox);
  return { kind: "deployed", deploymentId: row.deploymentId };
}

/** Behind all others of its priority. */
export function lastPlace(rows: readonly DeploymentRow[]): number {
  return rows.reduce((last, { place }) => Math.max(last, place + 1), 0);
}

/** Before all others of its priority. */
export function firstPlace(rows: readonly DeploymentRow[]): number {
  return rows.reduce((first, { place }) => Math.min(first, place - 1), 0);
}

function judgeTargets(parts: Parts, targets: Targets): Answer | undefined {
  const { all, offices = [], officeTrees = [], groups = [], devices = [], where = [] } = targets;
  const named = offices.length + officeTrees.length + groups.length + devices.length;
  if (all !== true && named + where.length === 0) {
    const reason = "Name who is to have the content: all, offices, groups, devices or conditions.";
    return refused("no-targets", reason);
  }
  return (
    judgePlaces(parts, { offices: [...offices, ...officeTrees], groups }) ??
    judgeConditions(where) ??
    judgeDevices(parts, devices)
  );
}

function judgeConditions(where: readonly string[]): Answer | undefined {
  for (const text of where) {
    const condition = parseCondition(text);
    if ("problem" in condition) return refused("bad-condition", condition.problem);
  }
  return undefined;
}

function judgeSchedule(
  { windows, notBeforeMs = 0, notAfterMs = Number.MAX_SAFE_INTEGER }: Schedule,
  wallMs: number,
): Answer | undefined {
  const bad = windows.find((text) => parseWindow(text) === undefined);
  if (bad !== undefined) {
    const reason = `"${bad}" is no weekly window: write it as "Mon-Fri 18:00-06:00".`;
    return refused("bad-window", reason);
  }
  if (windows.length > WINDOWS_MAX) {
    const reason = `A deployment has at most ${WINDOWS_MAX} windows: join some of them.`;
    return refused("bad-window", reason);
  }
  if (notAfterMs <= notBeforeMs) {
    const reason = "The deployment would end before it begins: check the two times.";
    return refused("bad-time-span", reason);
  }
  if (notAfterMs > wallMs) return undefined;
  return refused("bad-time-span", "The deployment would be over already: name a later end.");
}
