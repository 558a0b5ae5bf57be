import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "smol-toml";
import { expect, test } from "vitest";
import type { AgentCacheView, CachePurged, ExplanationView } from "../../src/api/agent-schemas.ts";
import { type Machine, Organisation } from "./support/organisation.ts";
import { noise } from "./support/packages.ts";
import { Program, runCommand, runForJson, runForProblem } from "./support/programs.ts";
import { waitFor } from "./support/waiting.ts";

const TIMEOUT_MS = 120_000;

test(
  "the operator sees what a device keeps and why, pins it and purges it; what was handed over stays",
  async () => {
    const organisation = await Organisation.start({ central: 2, branch: 0 });
    const agent = organisation.agent("central-2");
    const bytes = noise(1, 2_000_000);
    await writeFile(join(organisation.folder, "tool"), bytes);
    const { contentId } = await organisation.publish({
      path: join(organisation.folder, "tool"),
      name: "tool",
      version: "1",
    });
    await organisation.distributed(await organisation.deploy({ contentId }));
    const prefix = contentId.slice(0, 8);
    const cache = <T>(...args: readonly string[]): Promise<T> =>
      runForJson<T>(["agent", "cache", ...args, "--data", agent.data], organisation.commands);
    const refused = (...args: readonly string[]) =>
      runForProblem(["agent", "cache", ...args, "--data", agent.data], organisation.commands);

    const { contents, usableBytes } = await cache<AgentCacheView>("list");
    expect(usableBytes).toBeGreaterThan(0);
    expect(contents).toMatchObject([
      { contentId, name: "tool", version: "1", heldBytes: bytes.length, delivered: true },
    ]);

    await cache("pin", prefix);
    expect((await cache<AgentCacheView>("list")).contents[0]?.keptBecause).toBe("pinned");
    const text = await runCommand(["agent", "cache", "list", "--data", agent.data], {
      ...organisation.commands,
    });
    expect(text.stdout).toMatch(/tool +1 +2\.00 MB +0 min .* yes +it is pinned/);
    expect(await refused("purge", prefix)).toMatchObject({ code: "content-kept", exitCode: 1 });
    expect((await cache<CachePurged>("purge", "--all")).kept).toHaveLength(1);
    expect(await refused("purge", "ffffffff")).toMatchObject({ code: "content-unknown" });
    expect(await refused("purge")).toMatchObject({ code: "usage-arguments", exitCode: 2 });

    const explained = await runForJson<ExplanationView>(
      ["explain", prefix, "--data", agent.data],
      organisation.commands,
    );
    expect(explained.totals).toMatchObject([{ source: { kind: "office-device" } }]);

    await cache("unpin", prefix);
    expect((await cache<CachePurged>("purge", prefix, "--force")).purged).toHaveLength(1);
    expect((await cache<AgentCacheView>("list")).contents).toMatchObject([
      { heldBytes: 0, delivered: true },
    ]);
    const place = join(agent.data, "delivered", "tool", "1", "tool");
    expect(new Uint8Array(await readFile(place))).toEqual(bytes);
  },
  TIMEOUT_MS,
);

test(
  "a device whose data folder was copied to another machine gets an identity of its own there",
  async () => {
    const organisation = await Organisation.start({ central: 2, branch: 0 });
    const original = organisation.agent("central-2");
    const { deviceId } = await organisation.status(original);
    const copy = await cloneOf(organisation, original);

    const changed = await waitFor("another identity", async () => {
      const status = await organisation.status(copy).catch(() => undefined);
      return status !== undefined && status.deviceId !== deviceId && status.server.connected
        ? status
        : undefined;
    });

    const enrolment = JSON.parse(await readFile(join(copy.data, "enrolment.json"), "utf8"));
    expect(enrolment).toMatchObject({ deviceId: changed.deviceId, machineId: "the copy" });
    expect(copy.program?.running).toBe(true);
    expect(await copy.program?.end()).toBe(0);
    // It is another device from then on.
    copy.program = run(organisation, copy);
    await waitFor("the copy to be back", async () => {
      const status = await organisation.status(copy).catch(() => undefined);
      return status?.server.connected || undefined;
    });
    expect((await organisation.status(copy)).deviceId).toBe(changed.deviceId);
    await copy.program.end();
  },
  TIMEOUT_MS,
);

/** Copies the data folder of an agent, as an image of its disk would, and starts it elsewhere. */
async function cloneOf(organisation: Organisation, original: Machine): Promise<Machine> {
  const address = original.address.replace(/\d+$/, "99");
  const copy: Machine = { ...original, address, data: join(organisation.folder, "copy") };
  await cp(original.data, copy.data, {
    recursive: true,
    // What is being written has another name until it is whole.
    filter: (path) => !path.endsWith("control.sock") && !path.endsWith(".new"),
  });
  // The store was open while it was copied: an image has it as a crash leaves it.
  await rm(join(copy.data, "store"), { recursive: true, force: true });
  const settings = { machine_id: "the copy", network: { address } };
  await writeFile(join(copy.data, "agent.toml"), stringify(settings));
  copy.program = run(organisation, copy);
  return copy;
}

function run(organisation: Organisation, machine: Machine): Program {
  return Program.start(["agent", "run", "--data", machine.data], organisation.commands);
}
