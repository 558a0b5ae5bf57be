import { expect, test } from "vitest";
import { chassisWord, readAttributes } from "./attributes.ts";

test("a machine says its system, processor and chassis, each once", async () => {
  const attributes = await readAttributes();

  const names = attributes.map(({ name }) => name);
  expect(names).toEqual(["os", "os-release", "arch", "chassis"]);
  expect(attributes.every(({ value }) => value.length > 0 && value.length <= 128)).toBe(true);
});

test.each([
  [3, "desktop"],
  [10, "laptop"],
  [30, "tablet"],
  [23, "server"],
  [0, "unknown"],
])("chassis type %i is a %s", (type, word) => {
  expect(chassisWord(type)).toBe(word);
});
