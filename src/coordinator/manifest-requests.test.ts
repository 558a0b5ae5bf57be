import { beforeEach, expect, test } from "vitest";
import { concat } from "../base/bytes.ts";
import type { ContentId } from "../base/ids.ts";
import { MIB, SECOND } from "../base/units.ts";
import type { ManifestPart } from "../wire/messages.ts";
import { MANIFEST_PART_BYTES, MANIFESTS_WANTED_MAX } from "./manifest-requests.ts";
import { emptyState } from "./state.ts";
import { CONTENT, type Member, OFFICES, World } from "./test-world.ts";

let world: World;
let central: Member;
let north: Member;
beforeEach(() => {
  world = new World(emptyState(7));
  world.command({ kind: "replace-offices", offices: OFFICES });
  central = world.join("10.0.0.5");
  north = world.join("10.1.0.5");
  world.publish(central);
});

test("CO14: the manifest comes to a device that is to have the content, in parts and in order", () => {
  world.deploy({ offices: ["North"] });
  const manifest = Uint8Array.from({ length: 2 * MANIFEST_PART_BYTES + 7 }, (_, at) => at % 251);
  want(north);
  // Asked twice, sent once.
  want(north);
  expect(world.manifestsRead).toEqual([{ association: north.association, contentId: CONTENT }]);

  read(north, manifest);

  const sent = parts(north);
  expect(sent.map(({ offsetBytes }) => offsetBytes)).toEqual([
    0,
    MANIFEST_PART_BYTES,
    2 * MANIFEST_PART_BYTES,
  ]);
  expect(new Set(sent.map(({ totalBytes }) => totalBytes))).toEqual(new Set([manifest.length]));
  expect(concat(sent.map(({ data }) => data))).toEqual(manifest);
});

test("CO14: nobody else learns whether there is such a content", () => {
  want(central);
  want(central, "dd".repeat(32) as ContentId);
  world.deploy({ offices: ["North"] });
  want(central);

  expect(world.refusals(central.association)).toEqual([
    "not-entitled",
    "not-entitled",
    "not-entitled",
  ]);
  expect(world.manifestsRead).toEqual([]);
});

test("CO14: a device gets one manifest after the other, no faster than it may", () => {
  const contents = contentIds(3);
  for (const contentId of contents) deploy(contentId);
  for (const contentId of contents) want(north, contentId);
  expect(world.manifestsRead.length).toBe(1);

  read(north, new Uint8Array(8 * MIB), contents[0]);
  world.runUntil(world.nowUs + SECOND);
  expect(world.manifestsRead.length).toBe(1);
  world.runUntil(world.nowUs + SECOND);
  expect(world.manifestsRead.length).toBe(2);
});

test("CO14: what a device may wait for is bounded, and forgotten when it goes", () => {
  const contents = contentIds(MANIFESTS_WANTED_MAX + 1);
  for (const contentId of contents) deploy(contentId);
  for (const contentId of contents) want(north, contentId);
  expect(world.refusals(north.association)).toEqual(["manifest-busy"]);

  world.input({ kind: "device-down", association: north.association });
  read(north, new Uint8Array(5), contents[0]);

  expect(parts(north)).toEqual([]);
  world.runUntil(world.nowUs + 10 * SECOND);
  expect(world.manifestsRead.length).toBe(1);
});

function contentIds(count: number): readonly ContentId[] {
  return Array.from({ length: count }, (_, index) => {
    return `${index}`.padStart(8, "e").padEnd(64, "0") as ContentId;
  });
}

function deploy(contentId: ContentId): void {
  world.publish(central, contentId);
  const targets = { all: true } as const;
  world.command({ kind: "deploy", contentId, targets, priority: "low" });
}

function want(device: Member, contentId = CONTENT): void {
  world.say(device, { kind: "manifest-wanted", contentId });
}

function read({ association }: Member, manifest: Uint8Array, contentId = CONTENT): void {
  world.input({ kind: "manifest-read", association, contentId, manifest });
}

function parts({ association }: Member): readonly ManifestPart[] {
  return world.sent(association).filter((message) => message.kind === "manifest-part");
}
