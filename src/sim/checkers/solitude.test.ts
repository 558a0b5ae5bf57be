import { beforeEach, expect, test } from "vitest";
import type { ContentId, DeviceId } from "../../base/ids.ts";
import { encodeMessage } from "../../wire/messages.ts";
import type { ProfileMode } from "../../wire/profile.ts";
import type { SimDevice } from "../device.ts";
import type { Scene } from "../scene.ts";
import type { Passing } from "../tap.ts";
import { solitude } from "./solitude.ts";

const CONTENT = "c1".repeat(32) as ContentId;
const PEER = "d1".repeat(16) as DeviceId;

// The checker looks at nothing else of a device, of a scene and of what passes.
const remembered = new Map<string, Uint8Array>();
const device = { host: "10.0.1.1", store: { remembered } } as unknown as SimDevice;
const liars = new Set<SimDevice>();
const passing = { contentId: CONTENT } as unknown as Passing;

let found: string[];
let checker: ReturnType<typeof solitude>;
beforeEach(() => {
  found = [];
  liars.clear();
  remembered.clear();
  const scene = { liars } as unknown as Scene;
  checker = solitude({ scene, violate: (_, sentence) => found.push(sentence) });
});

test.each<ProfileMode>(["local", "disabled"])("who asks or sends in %s mode is noticed", (mode) => {
  say(mode);

  checker.onAsked?.(device, CONTENT);
  checker.onSent?.(device, PEER, passing);

  expect(found).toEqual([
    "10.0.1.1 asks for c1c1c1c1, and is to take no part",
    "10.0.1.1 sends of c1c1c1c1, and is to take no part",
  ]);
});

test.each<ProfileMode | undefined>(["distributed", "hosted", undefined])(
  "in %s mode both are right",
  (mode) => {
    say(mode);

    checker.onAsked?.(device, CONTENT);
    checker.onSent?.(device, PEER, passing);

    expect(found).toEqual([]);
  },
);

test("one that lies is not counted", () => {
  say("local");
  liars.add(device);

  checker.onAsked?.(device, CONTENT);

  expect(found).toEqual([]);
});

function say(mode: ProfileMode | undefined): void {
  const values = mode === undefined ? {} : { mode: { value: mode, profile: "P" } };
  const bytes = encodeMessage({ kind: "profile", epoch: 1, version: 1, values });
  remembered.set("profile", bytes);
}
