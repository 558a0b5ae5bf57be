import { expect, test } from "vitest";
import { Screen } from "./screen.ts";
import type { LiveView } from "./view.ts";

const VIEW: LiveView = {
  title: "x".repeat(100),
  sizeBytes: 1,
  seconds: 0,
  offices: [],
};

test("on a terminal the block is drawn over the one before and never wider than the window", () => {
  const { written, screen } = screenOf({ isTTY: true, columns: 40 });

  screen.show(VIEW);
  screen.show(VIEW);

  const line = `\u001b[2K${"x".repeat(39)}\n`;
  expect(written).toEqual([`\r${line}\u001b[0J`, `\u001b[1A\r${line}\u001b[0J`]);
});

test("what is said stays: the next block is drawn below it", () => {
  const { written, screen } = screenOf({ isTTY: true, columns: 40 });

  screen.show(VIEW);
  screen.say("Done.");
  screen.show(VIEW);

  expect(written.slice(1)).toEqual(["Done.\n", written[0]]);
});

test("elsewhere there are whole lines without control characters, and not too many", () => {
  const { written, screen } = screenOf({});

  screen.show(VIEW);
  screen.show(VIEW);

  expect(written).toEqual(["0 s: 0 %, 0 of 0 verified\n"]);
});

function screenOf(terminal: { isTTY?: boolean; columns?: number }) {
  const written: string[] = [];
  const screen = new Screen({ ...terminal, write: (text) => written.push(text) });
  return { written, screen };
}
