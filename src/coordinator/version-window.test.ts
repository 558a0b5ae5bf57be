import { expect, test } from "vitest";
import { judgeVersion } from "./version-window.ts";

test.each([
  ["0.1.0", "0.1.0", "fits"],
  ["0.1.0", "0.1.99", "fits"],
  ["1.4.2", "1.3.9", "fits"],
  ["1.4.2", "1.4.0-rc.1", "fits"],
  ["1.4.2", "1.2.9", "too-old"],
  ["1.4.2", "1.5.0", "too-new"],
  ["1.0.0", "0.9.0", "too-old"],
  ["1.4.2", "2.0.0", "too-new"],
  ["1.0.0", "", "too-old"],
  ["1.0.0", "1.0", "too-old"],
  ["1.0.0", "latest", "too-old"],
  ["1.0.0", "1.0.0\n", "too-old"],
] as const)(
  "B19: a server of version %s finds an agent of version %s %s",
  (own, theirs, verdict) => {
    expect(judgeVersion(own, theirs)).toBe(verdict);
  },
);
