import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { buildTopology, judgeServer, officeOf } from "../../topology/topology.ts";
import { planDemo } from "./plan.ts";

const DATA = join(tmpdir(), "demo");
const PLAN = planDemo({ data: DATA });

// With one loopback address alone there are no offices apart.
const severalOffices = test.skipIf(process.platform === "darwin");

severalOffices("the organisation is sound: nothing in its topology is even worth a look", () => {
  const built = buildTopology(PLAN.offices);

  expect(built).toMatchObject({ ok: true, value: { findings: [], central: "Central Office" } });
  if (built.ok) expect(judgeServer(built.value, [PLAN.server.address])).toBeUndefined();
});

severalOffices(
  "it has every type of office, two levels below the Central Office, and 12 agents",
  () => {
    const parents = new Map(PLAN.offices.map(({ name, parent }) => [name, parent]));
    const lowest = PLAN.offices.find(({ type }) => type === "wifi");

    expect(new Set(PLAN.offices.map(({ type }) => type))).toEqual(
      new Set(["default", "wifi", "vpn"]),
    );
    expect(parents.get(parents.get(lowest?.name ?? "") ?? "")).toBe("Central Office");
    expect(PLAN.agents).toHaveLength(12);
  },
);

severalOffices("every agent has an address of its own in its office's subnet", () => {
  const built = buildTopology(PLAN.offices);
  if (!built.ok) throw new Error("the topology is not sound");

  const offices = PLAN.agents.map(({ address }) => officeOf(built.value, address));

  expect(offices).toEqual(PLAN.agents.map(({ office }) => office));
  expect(new Set(PLAN.agents.map(({ address }) => address)).size).toBe(PLAN.agents.length);
});

severalOffices("an office has one line to its parent, and by VPN each device has its own", () => {
  const lines = PLAN.lines.map(({ office, parent, mbit }) => ({ office, parent, mbit }));

  expect(lines).toEqual([
    { office: "Branch Office", parent: "Central Office", mbit: 100 },
    { office: "Branch WiFi", parent: "Branch Office", mbit: 100 },
    { office: "Home VPN", parent: "Central Office", mbit: 50 },
    { office: "Home VPN", parent: "Central Office", mbit: 50 },
    { office: "Home VPN", parent: "Central Office", mbit: 50 },
  ]);
});

severalOffices("a rate that the user chooses holds for every line", () => {
  const { lines } = planDemo({ data: DATA, wanMbit: 20 });

  expect(lines.map(({ mbit }) => mbit)).toEqual([20, 20, 20, 20, 20]);
});
