import { expect, test } from "vitest";
import { MS } from "../base/units.ts";
import { nodeCrypto } from "../runtime/crypto.ts";
import type { ContentEntry } from "./content-entry.ts";
import type { Act } from "./core.ts";
import { ServerLink } from "./server-link.ts";
import { Lan } from "./test-lan.ts";

test("PO6: progress is told as often as the server wants it, and what ends a fetch at once", () => {
  const [station] = new Lan(["10.1.1.1"], { crypto: nodeCrypto }).stations;
  if (station === undefined) throw new Error("a network has the devices that it was given");
  const server = new ServerLink(station.core);
  const entry = { unreported: false } as ContentEntry;
  server.onTimer(at(0));
  const toldAtUs = (nowUs: number, now = false): number => {
    server.noteProgress(at(nowUs), entry, now);
    const { atUs } = server.due();
    server.onTimer(at(atUs));
    return atUs;
  };
  expect(toldAtUs(0)).toBe(500 * MS);

  server.paceReports(4_000);

  expect(toldAtUs(1_000 * MS)).toBe(5_000 * MS);
  expect(toldAtUs(6_000 * MS, true)).toBe(6_000 * MS);
  server.paceReports(undefined);
  expect(toldAtUs(7_000 * MS)).toBe(7_500 * MS);
});

/** A step in which whatever goes out is let go. */
function at(nowUs: number): Act {
  const anything = new Proxy({}, { get: () => () => true });
  return { nowUs, outbox: anything, transport: anything } as Act;
}
