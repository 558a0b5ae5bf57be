import { parseDeviceId } from "../base/ids.ts";
import type { By, Parts } from "./commands.ts";
import { type Answer, type Command, type CoordinatorOutbox, refused } from "./contract.ts";
import { firstPlace, lastPlace } from "./deploy.ts";
import { concerns, DIRECTIVES_MAX, scopeText, withDirective } from "./directives.ts";
import type { DeploymentRow, Directive, Scope } from "./state.ts";

type Steer = Extract<Command, { kind: "steer" }>;

/**
 * Pauses, resumes, reprioritises, cancels or retries deployments that run: one by its id, or all of a
 * content; as a whole, or for an office with those below it, or for one device.
 */
export function steer(parts: Parts, command: Steer, by: By, outbox: CoordinatorOutbox): Answer {
  const found = deploymentsOf(parts, command);
  if (!("rows" in found)) return found;
  const wrong = judgeScope(parts, command);
  if (wrong !== undefined) return wrong;
  const changed = found.rows.flatMap((row) => {
    const after = steered(parts, row, command, by.wallMs);
    return after === row ? [] : [{ before: row, after: { ...after, revision: row.revision + 1 } }];
  });
  if (changed.some(({ after }) => after.directives.length > DIRECTIVES_MAX)) {
    const reason =
      "Too much has been said of parts of this deployment: say it for the whole of it.";
    return refused("too-many-directives", reason);
  }
  for (const { before, after } of changed) {
    const row = { atMs: by.wallMs, who: by.who, action: `deployment-${command.order.kind}` };
    const subject = [before.deploymentId, ...scopeWords(command)].join(" ");
    const details = { before: steering(before), after: steering(after) };
    parts.audit.write({ ...row, subject, ...details }, outbox);
  }
  parts.rollout.put(
    changed.map(({ after }) => after),
    by,
    outbox,
  );
  return {
    kind: "steered",
    deployments: found.rows.map(({ deploymentId }) => deploymentId),
    changed: changed.length,
    ...countsOf(parts, found.rows, command),
  };
}

function deploymentsOf(
  { publications, deployments }: Parts,
  { deploymentId, contentId }: Steer,
): { readonly rows: readonly DeploymentRow[] } | Answer {
  if (deploymentId !== undefined) {
    const row = deployments.get(deploymentId);
    if (row === undefined) {
      const reason = `There is no deployment ${deploymentId}: list them to see which there are.`;
      return refused("deployment-unknown", reason);
    }
    if (row.cancelledAtMs === undefined) return { rows: [row] };
    const reason = `Deployment ${deploymentId} is cancelled for good: deploy its content once more.`;
    return refused("deployment-over", reason);
  }
  const [content, ...others] = publications.find(contentId ?? "");
  if (content === undefined || contentId === undefined) {
    const reason = `No content has an id that begins with ${contentId}: check its id.`;
    return refused("content-unknown", reason);
  }
  if (others.length > 0) {
    const reason = `More than one content id begins with ${contentId}: give more digits.`;
    return refused("content-ambiguous", reason);
  }
  const rows = deployments
    .rows()
    .filter((row) => row.contentId === content.contentId && row.cancelledAtMs === undefined);
  if (rows.length > 0) return { rows };
  const reason = `No deployment of content ${contentId} is under way: deploy it first.`;
  return refused("deployment-unknown", reason);
}

function judgeScope({ roster }: Parts, { office, deviceId, order }: Steer): Answer | undefined {
  if (office !== undefined && !roster.offices.has(office)) {
    return refused("office-unknown", `There is no office "${office}": check its name.`);
  }
  if (deviceId !== undefined) {
    const known = parseDeviceId(deviceId);
    if (known === undefined || roster.device(known) === undefined) {
      return refused("device-unknown", `No device ${deviceId} is enrolled: check its id.`);
    }
  }
  const isPart = office !== undefined || deviceId !== undefined;
  if (isPart && order.kind === "priority" && order.place !== undefined) {
    const reason = "A place among equals is one for all devices: leave out the office or device.";
    return refused("bad-scope", reason);
  }
  if (office === undefined || deviceId === undefined) return undefined;
  return refused("bad-scope", "Name an office or a device, not both.");
}

/** The row after what was said; the same one where that changes nothing. */
function steered(parts: Parts, row: DeploymentRow, command: Steer, wallMs: number): DeploymentRow {
  const { order } = command;
  const scope = scopeOf(command);
  const isWhole = scope.office === undefined && scope.deviceId === undefined;
  if (order.kind === "cancel" && isWhole) return { ...row, cancelledAtMs: wallMs };
  if (order.kind === "priority" && isWhole) {
    const directives = row.directives.filter(({ kind }) => kind !== "priority");
    const { priority } = order;
    const rows = parts.deployments.rows();
    let { place } = row;
    if (order.place === "first") place = firstPlace(rows);
    if (order.place === "last") place = lastPlace(rows);
    const after = { ...row, priority, place, directives };
    return JSON.stringify(after) === JSON.stringify(row) ? row : after;
  }
  const directives = withDirective(row.directives, { ...scope, ...wordOf(row, order) });
  const isSame = JSON.stringify(directives) === JSON.stringify(row.directives);
  return isSame ? row : { ...row, directives };
}

function wordOf({ directives }: DeploymentRow, order: Steer["order"]): Directive {
  if (order.kind === "priority") return { kind: "priority", priority: order.priority };
  if (order.kind !== "retry") return { kind: order.kind };
  const attempts = directives.map((one) => (one.kind === "retry" ? one.attempt : 0));
  return { kind: "retry", attempt: Math.max(0, ...attempts) + 1 };
}

function scopeOf({ office, deviceId }: Scope): Scope {
  return {
    ...(office === undefined ? {} : { office }),
    ...(deviceId === undefined ? {} : { deviceId }),
  };
}

function scopeWords(scope: Scope): readonly string[] {
  const isWhole = scope.office === undefined && scope.deviceId === undefined;
  return isWhole ? [] : [scopeText(scope)];
}

/** What of a deployment operators change while it runs. */
function steering({ priority, place, directives, cancelledAtMs }: DeploymentRow): unknown {
  return { priority, place, directives, cancelledAtMs };
}

/** For how many devices it counts, and how many of them hear it now. */
function countsOf(
  { roster, rollout }: Parts,
  rows: readonly DeploymentRow[],
  command: Steer,
): { readonly devices: number; readonly reached: number } {
  const concerned = new Set<string>();
  let reached = 0;
  for (const { deploymentId } of rows) {
    for (const { deviceId, office } of rollout.targetsOf(deploymentId)) {
      const place = { deviceId, offices: roster.offices.upwards(office) };
      if (concerned.has(deviceId) || !concerns(command, place)) continue;
      concerned.add(deviceId);
      if (roster.isPresent(deviceId)) reached += 1;
    }
  }
  return { devices: concerned.size, reached };
}
