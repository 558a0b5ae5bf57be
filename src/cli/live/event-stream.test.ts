import { expect, test } from "vitest";
import { parseEvent } from "./event-stream.ts";

test("an event is read from its block, and a sign of life is none", () => {
  const block = 'id: 5-7\nevent: device.changed\ndata: {"kind":"device.changed"}';

  expect(parseEvent(block)).toEqual({
    id: "5-7",
    kind: "device.changed",
    data: { kind: "device.changed" },
  });
  expect(parseEvent(": alive")).toBeUndefined();
  expect(parseEvent("retry: 2000")).toBeUndefined();
});
