import { beforeEach, expect, test } from "vitest";
import type { ContentId } from "../../base/ids.ts";
import type { DeploymentEntry, Deployments } from "../../wire/messages.ts";
import type { SimDevice } from "../device.ts";
import type { Scene } from "../scene.ts";
import { obedience } from "./obedience.ts";

const CONTENT = "c1".repeat(32) as ContentId;
const OTHER = "c2".repeat(32) as ContentId;

// The checker looks at nothing else of a device and of a scene.
const device = { host: "10.0.1.1", store: { remembered: new Map() } } as unknown as SimDevice;
const world = { nowUs: 0 };
const scene = { world, serverUp: false } as unknown as Scene;

let found: string[];
let checker: ReturnType<typeof obedience>;
beforeEach(() => {
  world.nowUs = 0;
  found = [];
  checker = obedience({ scene, violate: (_, sentence) => found.push(sentence) });
});

test("a device that asks for what it was told is paused is noticed", () => {
  checker.onTaught?.(device, said(1, [entry(CONTENT, true)]));
  world.nowUs = 1;

  checker.onAsked?.(device, CONTENT);

  expect(found).toEqual(["10.0.1.1 asks for c1c1c1c1, which it is not to fetch"]);
});

test("so is one that asks for what is not in its list any more", () => {
  checker.onTaught?.(device, said(1, [entry(OTHER)]));
  world.nowUs = 1;

  checker.onAsked?.(device, CONTENT);

  expect(found.length).toBe(1);
});

test.each<[string, readonly Deployments[]]>([
  ["nothing was said", []],
  ["it is not paused", [said(1, [entry(CONTENT)])]],
  ["another deployment brings it", [said(1, [entry(CONTENT, true), entry(CONTENT)])]],
  ["it goes on", [said(1, [entry(CONTENT, true)]), said(2, [entry(CONTENT)])]],
  ["an older word comes late", [said(2, [entry(CONTENT)]), said(1, [entry(CONTENT, true)])]],
])("a device may ask where %s", (_, words) => {
  for (const word of words) checker.onTaught?.(device, word);
  world.nowUs = 1;

  checker.onAsked?.(device, CONTENT);

  expect(found).toEqual([]);
});

test("what it hears in a moment it may not have read in it", () => {
  checker.onTaught?.(device, said(1, [entry(CONTENT, true)]));

  checker.onAsked?.(device, CONTENT);

  expect(found).toEqual([]);
});

function said(version: number, deployments: readonly DeploymentEntry[]): Deployments {
  return { kind: "deployments", epoch: 1, version, deployments };
}

function entry(contentId: ContentId, paused = false): DeploymentEntry {
  return { deploymentId: "d", contentId, priority: 1, ...(paused ? { paused } : {}) };
}
