import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { OfficeView } from "../../src/api/server-schemas.ts";
import type { TopologyChangeEntry, TopologyChangeView } from "../../src/api/topology-schemas.ts";
import { readTopologyFile, writeTopologyFile } from "../../src/cli/topology-file.ts";
import { CENTRAL, Organisation } from "./support/organisation.ts";
import { runCommand, runForJson, runForProblem } from "./support/programs.ts";

const TIMEOUT_MS = 120_000;

test(
  "B5: a spreadsheet goes down, is edited, goes up, and is taken back",
  async () => {
    const organisation = await Organisation.start({ central: 1, branch: 1 });
    const { commands, server } = organisation;
    const run = <T>(...words: readonly string[]) =>
      runForJson<T>(["topology", ...words, "--data", server.data], commands);
    const file = join(organisation.folder, "offices.xlsx");

    await run("export", file);
    const { offices } = await readTopologyFile(file);
    const central = offices.filter(({ name }) => name === CENTRAL);
    const edited = central.map((office) => ({ ...office, timeZone: "Europe/Berlin" }));
    await writeTopologyFile(file, edited);
    const tried = await run<TopologyChangeView>("import", file, "--dry-run");
    const still = await run<{ offices: readonly OfficeView[] }>("show");
    await run("import", file);
    const now = await run<{ offices: readonly OfficeView[] }>("show");
    const outside = await run<{ devices: readonly { seenHost: string }[] }>("outside");
    await run("undo");
    const back = await run<{ offices: readonly OfficeView[] }>("show");
    const { changes } = await run<{ changes: readonly TopologyChangeEntry[] }>("history");

    expect(tried).toMatchObject({ removed: ["Branch Office"], moves: [{ to: "(none)" }] });
    expect(tried.changed).toMatchObject([{ fields: [{ field: "timeZone" }] }]);
    expect(still.offices).toHaveLength(2);
    expect(now.offices).toMatchObject([{ name: CENTRAL, timeZone: "Europe/Berlin" }]);
    expect(outside.devices.map(({ seenHost }) => seenHost)).toEqual([
      organisation.agent("branch-1").address,
    ]);
    expect(back.offices).toEqual(still.offices);
    expect(changes.map(({ number, action }) => `${number} ${action}`)).toEqual([
      "3 undo",
      "2 import",
      "1 import",
    ]);
    const unknown = ["topology", "undo", "77", "--data", server.data];
    expect(await runForProblem(unknown, commands)).toMatchObject({
      code: "topology-change-unknown",
      exitCode: 3,
    });
  },
  TIMEOUT_MS,
);

test(
  "B13: a topology in which the server is in no subnet of the Central Office changes nothing",
  async () => {
    const organisation = await Organisation.start({ central: 1, branch: 0 });
    const { commands, server } = organisation;
    const file = join(organisation.folder, "wrong.csv");
    await writeFile(file, "Office,Parent Office,Office Type,Subnet\nCentral,,default,10.0.0.0/8\n");
    const words = ["topology", "import", file, "--data", server.data];

    const problem = await runForProblem(words, commands);
    const { stdout } = await runCommand(["topology", "export", "--data", server.data], commands);

    expect(problem.code).toBe("bad-topology");
    expect(problem.message).toContain(server.address);
    expect(stdout).toContain(CENTRAL);
    expect(await readFile(file, "utf8")).not.toContain(CENTRAL);
  },
  TIMEOUT_MS,
);
