import { beforeEach, expect, test } from "vitest";
import { SECOND } from "../base/units.ts";
import type { Message } from "../wire/messages.ts";
import { emptyState } from "./state.ts";
import { CONTENT, World } from "./test-world.ts";

let world: World;
beforeEach(() => {
  world = new World(emptyState(7));
});

const part = (offsetBytes: number, data: number[], totalBytes = 6): Message => ({
  kind: "publish-part",
  contentId: CONTENT,
  offsetBytes,
  totalBytes,
  data: Uint8Array.from(data),
});

test("CO12: a manifest is put together, judged, made durable, and only then published", () => {
  const device = world.join("10.0.0.5");
  world.say(device, part(0, [1, 2, 3, 4]));
  world.say(device, part(4, [5, 6]));
  expect(world.judged).toEqual([
    {
      association: device.association,
      contentId: CONTENT,
      manifest: Uint8Array.of(1, 2, 3, 4, 5, 6),
    },
  ]);
  expect(world.state.contents).toEqual([]);

  world.accept(device.association, CONTENT);

  expect(world.state.contents).toMatchObject([
    { contentId: CONTENT, publishedBy: device.deviceId },
  ]);
  expect(world.sent(device.association).at(-1)).toEqual({ kind: "published", contentId: CONTENT });
  const added = world.changes.find((change) => change.kind === "content-add");
  expect(added?.manifest).toEqual(Uint8Array.of(1, 2, 3, 4, 5, 6));
});

test("CO12: a content that is known is published at once", () => {
  const device = world.join("10.0.0.5");
  world.publish(device, CONTENT);
  world.say(device, part(0, [1, 2, 3, 4]));
  world.say(device, part(4, [5, 6]));

  expect(world.judged.length).toBe(1);
  expect(world.sent(device.association).filter(({ kind }) => kind === "published").length).toBe(2);
});

test.each([
  ["a gap", [part(0, [1, 2]), part(3, [4])]],
  ["a repetition", [part(0, [1, 2]), part(0, [1, 2]), part(0, [1, 2]), part(4, [1, 2])]],
  ["no beginning", [part(2, [1, 2]), part(4, [1, 2])]],
  ["another total", [part(0, [1, 2]), part(2, [3, 4, 5], 5)]],
  ["more than announced", [part(0, [1, 2, 3, 4, 5, 6, 7])]],
])("%s is refused once, and nothing is judged", (_, parts) => {
  const device = world.join("10.0.0.5");
  for (const message of parts) world.say(device, message);

  const refusals = world.sent(device.association).filter(({ kind }) => kind === "refused");
  expect(refusals).toMatchObject([{ code: "publication-out-of-order" }]);
  expect(world.judged).toEqual([]);
});

test("a refused manifest is refused with its reason, and can be brought again", () => {
  const device = world.join("10.0.0.5");
  const outcome = { kind: "refused", code: "bad-signature", reason: "Sign it." } as const;
  const { association } = device;
  world.say(device, part(0, [1, 2, 3, 4, 5, 6]));
  world.input({ kind: "manifest-judged", association, contentId: CONTENT, outcome });
  expect(world.sent(association).at(-1)).toEqual(outcome);

  world.say(device, part(0, [1, 2, 3, 4, 5, 6]));
  expect(world.judged.length).toBe(2);
});

test("CO13: a publication that falls silent is given up", () => {
  const device = world.join("10.0.0.5");
  world.say(device, part(0, [1]));
  world.runUntil(world.nowUs + 61 * SECOND);

  expect(world.sent(device.association).at(-1)).toMatchObject({ code: "publication-too-slow" });
});

test("a judgement that comes after the device has gone changes nothing", () => {
  const device = world.join("10.0.0.5");
  world.say(device, part(0, [1, 2, 3, 4, 5, 6]));
  world.input({ kind: "device-down", association: device.association });
  world.accept(device.association, CONTENT);

  expect(world.state.contents).toEqual([]);
});

test("CO13: all unfinished manifests together are bounded", () => {
  const codes = Array.from({ length: 6 }, (_, index) => {
    const device = world.join(`10.0.0.${index + 1}`);
    world.say(device, part(0, [1], 16 << 20));
    const last = world.sent(device.association).at(-1);
    return last?.kind === "refused" ? last.code : "taken";
  });

  expect(codes).toEqual([...new Array(4).fill("taken"), ...new Array(2).fill("publication-busy")]);
});
