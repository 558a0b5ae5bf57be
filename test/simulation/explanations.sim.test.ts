import { expect, test } from "vitest";
import type { Explanation } from "../../src/peer/contract.ts";
import type { SimDevice } from "../../src/sim/device.ts";
import { Organisation } from "../../src/sim/organisation.ts";
import type { SimPackage } from "../../src/sim/package.ts";
import {
  addOrigin,
  allHave,
  CLEAN_LINE,
  everyone,
  publishAway,
  SMALL,
} from "./fixtures/organisation.ts";

const OFFICES = [
  { name: "Central", devices: 2 },
  { name: "Branch", devices: 3, line: CLEAN_LINE },
] as const;

test("every piece is explained, by where it came from and why, and sums agree with the ledger", () => {
  const organisation = settled(1);

  const simPackage = organisation.deploy(SMALL);
  organisation.runUntil(() => allHave(everyone(organisation), simPackage), 60);

  for (const device of everyone(organisation)) {
    const explanation = explained(device, simPackage);
    expect(piecesOf(explanation)).toEqual(
      Array.from({ length: SMALL.pieces }, (_, piece) => piece),
    );
    const [content] = device.status()?.contents ?? [];
    expect(bytesOf(explanation, "office-device")).toBe(content?.lanInBytes);
    expect(bytesOf(explanation, "far-device")).toBe(content?.wanInBytes);
  }
  const [publisher] = organisation.office("Central");
  expect(publisher && explained(publisher, simPackage).ranges).toEqual([
    {
      first: 0,
      last: SMALL.pieces - 1,
      source: { kind: "own-cache" },
      reason: "published on this device",
    },
  ]);
  const rvp = organisation.office("Branch").find((device) => device.status()?.rvp);
  const [range] = rvp === undefined ? [] : explained(rvp, simPackage).ranges;
  expect(range).toMatchObject({
    source: { kind: "far-device", office: "Central" },
    reason: "nobody in the office had it; the parent office Central offered it",
  });
});

test("a piece from an origin names it", () => {
  const organisation = settled(2);
  const cdn = addOrigin(organisation, "https://cdn.example/packages");
  const simPackage = publishAway(organisation);
  const { contentId } = simPackage;
  cdn.add(simPackage);
  organisation.server.command({
    kind: "deploy",
    contentId,
    targets: { all: true },
    priority: "high",
  });
  organisation.runUntil(() => allHave(everyone(organisation), simPackage), 60);

  const ranges = organisation
    .office("Central")
    .flatMap((device) => explained(device, simPackage).ranges)
    .filter(({ source }) => source.kind === "origin");

  expect(ranges[0]).toMatchObject({
    source: { kind: "origin", location: "https://cdn.example/packages" },
    reason: "no device had it; the CDN did",
  });
});

test("a piece that was asked for again says after what", () => {
  const organisation = settled(3);
  const liar = organisation.office("Branch").find((device) => device.status()?.rvp);
  if (liar === undefined) throw new Error("the branch has an RVP");
  liar.spoil = (bytes) => bytes.map((byte, index) => (index === 7 ? byte ^ 1 : byte));

  const simPackage = organisation.deploy(SMALL);
  const others = organisation.office("Branch").filter((device) => device !== liar);
  organisation.runUntil(() => allHave(others, simPackage), 120);

  const reasons = others.flatMap((device) =>
    explained(device, simPackage).ranges.map(({ reason }) => reason),
  );
  expect(reasons).toContain(`asked again after ${liar.host} sent wrong bytes`);
});

test("what is explained is the same after a restart", () => {
  const organisation = settled(4);
  const simPackage = organisation.deploy(SMALL);
  const [device] = organisation.office("Branch");
  if (device === undefined) throw new Error("the branch has devices");
  organisation.runUntil(() => device.status()?.contents[0]?.state === "complete", 60);
  const before = explained(device, simPackage);

  device.stop();
  device.start();

  expect(explained(device, simPackage)).toEqual(before);
});

function settled(seed: number): Organisation {
  const organisation = new Organisation(seed, OFFICES);
  organisation.settle();
  return organisation;
}

function explained(device: SimDevice, { contentId }: SimPackage): Explanation {
  const explanation = device.explain(contentId);
  if (explanation === undefined) throw new Error("the content is known");
  return explanation;
}

function piecesOf({ ranges }: Explanation): readonly number[] {
  return ranges.flatMap(({ first, last }) =>
    Array.from({ length: last - first + 1 }, (_, step) => first + step),
  );
}

function bytesOf({ totals }: Explanation, kind: string): number {
  return totals
    .filter(({ source }) => source.kind === kind)
    .reduce((bytes, total) => bytes + total.bytes, 0);
}
