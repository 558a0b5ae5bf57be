import { expect, test } from "vitest";
import { KIB } from "../../src/base/units.ts";
import { Organisation } from "../../src/sim/organisation.ts";
import { allHave, CLEAN_LINE, everyone, sum } from "./fixtures/organisation.ts";

// What worlds by chance have found, each in the smallest world that shows it.

test("CO12: two contents that are published while the server is away both come to it", () => {
  const organisation = new Organisation(1, [{ name: "Central", devices: 1 }]);
  organisation.settle();
  const [publisher] = everyone(organisation);
  organisation.stopServer();

  const packages = [1, 2].map(() => organisation.makePackage({ pieces: 3, pieceBytes: KIB }));
  for (const simPackage of packages) publisher?.publish(simPackage);
  organisation.runUntil(() => false, 30);
  organisation.startServer();
  const { coordinator } = organisation.server;
  const areThere = () =>
    packages.every(({ contentId }) => coordinator.findContents(contentId).length > 0);

  expect(organisation.runUntil(areThere, 60)).toBe(true);
});

test("SW16: devices above that knew nothing of one content are asked for the next one", () => {
  const slow = { ...CLEAN_LINE, rate: 70_000, queueBytes: 20_000 };
  const organisation = new Organisation(2, [
    { name: "Central", devices: 1 },
    { name: "Branch", devices: 2, line: CLEAN_LINE },
    { name: "Homes", parent: "Branch", type: "vpn", devices: 1, line: slow },
  ]);
  organisation.settle();
  const first = organisation.deploy({ pieces: 40, pieceBytes: 32 * KIB }, { offices: ["Homes"] });
  const homes = organisation.office("Homes");
  // Long enough for those in between, who are not to have it, to be let go of.
  organisation.runUntil(() => false, 14);

  const second = organisation.deploy({ pieces: 10, pieceBytes: 32 * KIB });
  const done = organisation.runUntil(
    () => allHave(homes, first) && allHave(everyone(organisation), second),
    200,
  );

  expect(done).toBe(true);
  const branch = sum(organisation.office("Branch"), "wanInBytes");
  expect(branch).toBe(second.sizeBytes);
  // The first content from the Central Office, the second one from the branch that has it.
  expect(sum(organisation.office("Central"), "wanOutBytes")).toBe(
    first.sizeBytes + second.sizeBytes,
  );
});

test("nobody is said to fetch for an office whose devices do not share", () => {
  const organisation = new Organisation(3, [
    { name: "Central", devices: 1 },
    { name: "Homes", type: "vpn", devices: 2, line: CLEAN_LINE },
  ]);
  organisation.settle();
  const simPackage = organisation.deploy({ pieces: 4, pieceBytes: 16 * KIB });
  organisation.runUntil(() => allHave(everyone(organisation), simPackage), 60);
  organisation.runUntil(() => false, 2);

  const homes = organisation.office("Homes");
  const { coordinator } = organisation.server;
  const standings = coordinator
    .deployments()
    .flatMap(({ deploymentId }) => coordinator.deployment(deploymentId)?.devices ?? []);

  expect(homes.map((device) => device.status()?.rvp)).toEqual([false, false]);
  expect(standings.filter(({ office, rvp }) => office === "Homes" && rvp)).toEqual([]);
});
