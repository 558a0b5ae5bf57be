import { expect, test } from "vitest";
import { CoreBench, deviceIdAt, facts } from "../../test/simulation/fixtures/peer-core.ts";
import { MIB, SECOND } from "../base/units.ts";
import type { Link } from "./link.ts";
import { Offers } from "./offers.ts";
import { Rechecks } from "./rechecks.ts";
import { AHEAD_ALL_BYTES, PASSED_OVER_US, Uploads } from "./uploads.ts";

const SHAPE = { pieces: 100, pieceBytes: MIB };

test("SW31: the more urgent content comes first, then other offices, then the better device", () => {
  const { bench, uploads, ask } = harness();
  bench.core.view.apply({
    kind: "directory",
    epoch: 1,
    version: 1,
    office: "Branch",
    offices: [{ name: "Branch", type: "default", subnets: [] }],
    members: [2, 3, 4].map((number) => ({
      deviceId: deviceIdAt(number),
      office: "Branch",
      hosts: [`10.0.1.${number}`],
      portOffset: 0,
      facts: facts(number),
      present: true,
    })),
    officeKey: new Uint8Array(32),
  });
  bench.content(1, SHAPE).priority = 1;
  bench.content(2, SHAPE).priority = 2;
  ask(bench.link(2), 1, 2);
  ask(bench.link(3), 1, 3);
  ask(bench.link(4), 2, 4);
  ask(bench.link(5), 1, 5);

  uploads.pump(bench.act());

  expect(bench.reads.map(({ piece }) => piece)).toEqual([5, 3, 2, 4]);
});

test("SW31: no more is read ahead than fits, and the next in order follow as there is room", () => {
  const { bench, uploads, ask } = harness();
  bench.content(1, SHAPE);
  const links = Array.from({ length: 40 }, (_, index) => bench.link(index + 1));
  for (const [index, link] of links.entries()) ask(link, 1, index);

  uploads.pump(bench.act());
  const first = bench.reads.length;
  uploads.onRead(bench.act(), bench.reads[0]?.ticket ?? 0, undefined);
  uploads.pump(bench.act());

  expect(first).toBe(AHEAD_ALL_BYTES / MIB);
  expect(bench.reads.length).toBe(first + 1);
});

test("SW31: whoever gets nothing for long because others come first is not left waiting", () => {
  const { bench, uploads, ask } = harness();
  bench.content(1, SHAPE);
  const links = Array.from({ length: 33 }, (_, index) => bench.link(index + 1));
  for (const [index, link] of links.entries()) ask(link, 1, index);
  uploads.pump(bench.act());
  const waiting = links.filter((link) => link.uploads.length > 0);

  bench.nowUs += PASSED_OVER_US - SECOND;
  uploads.onTick(bench.act());
  const before = waiting.map((link) => link.uploads.length);
  bench.nowUs += SECOND;
  uploads.onTick(bench.act());

  expect(before).toEqual([1]);
  expect(waiting.map((link) => link.uploads.length)).toEqual([0]);
});

function harness() {
  const bench = new CoreBench();
  const uploads = new Uploads(bench.core, new Rechecks(bench.core), new Offers(bench.core));
  const ask = (link: Link, content: number, piece: number): void => {
    const contentId = [...bench.core.contents.keys()][content - 1];
    if (contentId === undefined) throw new Error("the content is there");
    link.served.set(content, contentId);
    uploads.onRequest(bench.act(), link, {
      kind: "request",
      requestId: piece,
      handle: content,
      target: "piece",
      piece,
      offsetBytes: 0,
      lengthBytes: MIB,
    });
  };
  return { bench, uploads, ask };
}
