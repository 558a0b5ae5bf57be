import type { Scope } from "../../coordinator/state.ts";
import type { DeploymentSummary } from "../../coordinator/views.ts";
import type { Scene } from "../scene.ts";
import { type Fault, pick } from "./fault.ts";

// What operators do while a deployment runs goes wrong for nobody; but requests are taken back, and
// others fetch than before, so it may cost copies as faults do.

/** An operator pauses a deployment, or a part of it, and has it go on later. */
export const pause: Fault = {
  kind: "operator-pauses",
  strike: (scene) => {
    const deployment = running(scene);
    if (deployment === undefined) return undefined;
    const { deploymentId } = deployment;
    const scope = drawScope(scene);
    steer(scene, { deploymentId, ...scope, order: { kind: "pause" } });
    return {
      sentence: `an operator pauses ${nameOf(deployment)} for ${scopeName(scope)}`,
      offices: "all",
      heal: () => steer(scene, { deploymentId, ...scope, order: { kind: "resume" } }),
    };
  },
};

/** An operator makes a deployment, or a part of it, more or less urgent. */
export const reprioritise: Fault = {
  kind: "operator-reprioritises",
  strike: (scene) => {
    const deployment = running(scene);
    const priority = pick(scene.prng, ["high", "medium", "low"] as const);
    if (deployment === undefined || priority === undefined) return undefined;
    const { deploymentId } = deployment;
    const scope = drawScope(scene);
    steer(scene, { deploymentId, ...scope, order: { kind: "priority", priority } });
    const sentence = `an operator gives ${nameOf(deployment)} the priority ${priority}`;
    return { sentence: `${sentence} for ${scopeName(scope)}`, offices: "all" };
  },
};

/** An operator has what has failed tried again. */
export const retry: Fault = {
  kind: "operator-retries",
  strike: (scene) => {
    const deployment = running(scene);
    if (deployment === undefined) return undefined;
    const { deploymentId } = deployment;
    steer(scene, { deploymentId, ...drawScope(scene), order: { kind: "retry" } });
    return { sentence: `an operator has ${nameOf(deployment)} tried again`, offices: [] };
  },
};

/** An operator cancels a deployment, or a part of it: those whom it was for need not have it. */
export const cancel: Fault = {
  kind: "operator-cancels",
  strike: (scene) => {
    const deployment = running(scene);
    if (deployment === undefined) return undefined;
    const { deploymentId } = deployment;
    const scope = drawScope(scene);
    steer(scene, { deploymentId, ...scope, order: { kind: "cancel" } });
    const wanted = JSON.stringify([deployment.contentId, deployment.targets]);
    for (const order of scene.orders) {
      if (JSON.stringify([order.contentId, order.targets]) === wanted) order.cancelled.push(scope);
    }
    const sentence = `an operator cancels ${nameOf(deployment)} for ${scopeName(scope)}`;
    return { sentence, offices: "all" };
  },
};

/** Has the server carry out an operator's word, and remembers that it was acknowledged. */
export function steer(scene: Scene, what: Omit<Parameters<Scene["steer"]>[0], "kind">): void {
  if (scene.serverUp) scene.steer({ kind: "steer", ...what });
}

/** A deployment that is not cancelled, while there is a server to tell. */
function running(scene: Scene): DeploymentSummary | undefined {
  if (!scene.serverUp) return undefined;
  const { coordinator } = scene.organisation.server;
  const deployments = coordinator.deployments();
  return pick(
    scene.prng,
    deployments.filter(({ cancelledAtMs }) => cancelledAtMs === undefined),
  );
}

function drawScope({ prng, offices, devices }: Scene): Scope {
  const office = pick(prng, offices)?.name;
  const deviceId = pick(prng, devices)?.deviceId;
  const kind = prng.below(3);
  if (kind === 0 && office !== undefined) return { office };
  return kind === 1 && deviceId !== undefined ? { deviceId } : {};
}

function scopeName({ office, deviceId }: Scope): string {
  return office ?? deviceId ?? "everyone";
}

function nameOf({ contentId }: DeploymentSummary): string {
  return contentId.slice(0, 8);
}
