import { expect, test } from "vitest";
import { protocolOf } from "./source-protocol.ts";

test("D4: an explanation says over what each source's pieces came", () => {
  const origin = (location: string) => protocolOf({ kind: "origin", location });

  expect(protocolOf({ kind: "office-device", deviceId: "d1" })).toBe("foreground");
  expect(protocolOf({ kind: "far-device", deviceId: "d1" })).toBe("background");
  expect(protocolOf({ kind: "own-cache" })).toBe("none");
  expect(origin("https://cdn.example/")).toBe("https");
  expect(origin("http://cdn.example/")).toBe("http");
  expect(origin("/srv/packages")).toBe("file");
});
