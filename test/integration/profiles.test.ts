import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { AgentStatusView } from "../../src/api/agent-schemas.ts";
import type { AuditView } from "../../src/api/deployment-schemas.ts";
import type { DeviceProfileView, ProfileChanged } from "../../src/api/profile-schemas.ts";
import { SERVER_ROUTES } from "../../src/api/server-routes.ts";
import { BRANCH, type Machine, Organisation } from "./support/organisation.ts";
import { noise } from "./support/packages.ts";
import { runForJson, runForProblem } from "./support/programs.ts";
import { waitFor } from "./support/waiting.ts";

const TIMEOUT_MS = 150_000;

const SIZE_BYTES = 8_000_000;

/** Within this time everyone who is there has taken what was published. */
const TAKEN_MS = 2_000;

test(
  "A1, A2: publishing is in force on running agents at once, and survives SIGKILL of both",
  async () => {
    const organisation = await Organisation.start({ central: 1, branch: 2, lineMbit: 50 });
    await expect(
      runForProblem(args(organisation, "profile", "create", "Early"), organisation.commands),
    ).resolves.toMatchObject({ code: "storage-not-configured" });
    await setStorage(organisation);
    const [one, other] = organisation.agentsOf(BRANCH);
    if (one === undefined || other === undefined) throw new Error("the branch has two devices");
    const { deviceId } = await organisation.status(one);

    await run(organisation, "profile", "create", "Branches", "--disk-percent", "7");
    await run(organisation, "profile", "create", "Kiosk", "--mode", "disabled");
    await run(organisation, "profile", "publish", "Branches", "--office", BRANCH);
    const tookMs = await timed(() => inForce(organisation, other, "diskPercent", 7));
    expect(tookMs).toBeLessThan(TAKEN_MS);
    const changed = await run<ProfileChanged>(
      organisation,
      ...["profile", "publish", "Kiosk", "--device", deviceId],
    );
    expect(changed).toMatchObject({ devices: 1, present: 1 });
    expect(await timed(() => inForce(organisation, one, "mode", "disabled"))).toBeLessThan(
      TAKEN_MS,
    );

    const shown = await run<{ profile: DeviceProfileView }>(
      organisation,
      ...["device", "show", deviceId],
    );
    expect(shown.profile).toMatchObject({
      wanted: {
        mode: { value: "disabled", profile: "Kiosk" },
        diskPercent: { value: 7, profile: "Branches" },
      },
      reported: { maxAgeDays: { value: 90 } },
      pending: [],
      problems: [],
    });
    await distribute(organisation, { alone: one, fetcher: other });

    await one.program?.kill();
    await organisation.server.program?.kill();
    organisation.startAgent(one);
    const { profile, server } = await waitFor("the agent to be back", async () =>
      organisation.status(one).catch(() => undefined),
    );
    // It knows by itself: the server is gone.
    expect(server.connected).toBe(false);
    expect([profile.mode, profile.diskPercent]).toEqual([
      { value: "disabled", profile: "Kiosk" },
      { value: 7, profile: "Branches" },
    ]);
    await organisation.startServer();
    await waitFor("everyone to be back", async () => {
      const { connected } = (await organisation.status(one)).server;
      return connected || undefined;
    });
    await run(organisation, "profile", "unpublish", "Kiosk", "--everywhere");
    expect(await timed(() => inForce(organisation, one, "mode", "distributed"))).toBeLessThan(
      TAKEN_MS,
    );
    await run(organisation, "profile", "delete", "Kiosk");
    const { rows } = await run<{ rows: AuditView[] }>(organisation, "audit", "list");
    expect(rows.slice(0, 2).map(({ action, subject }) => [action, subject])).toEqual([
      ["profile-delete", "Kiosk"],
      ["profile-unpublish", "Kiosk"],
    ]);
  },
  TIMEOUT_MS,
);

test(
  "B11: other ports are in force from the next start, others learn them, and taken ones cut nobody off",
  async () => {
    const organisation = await Organisation.start({ central: 1, branch: 2 });
    await setStorage(organisation);
    const [one, other] = organisation.agentsOf(BRANCH);
    if (one === undefined || other === undefined) throw new Error("the branch has two devices");
    await run(
      organisation,
      ...["profile", "create", "Ports", "--port-offset", "100"],
      ...["--port", "content-foreground=41000"],
    );
    await run(organisation, "profile", "publish", "Ports", "--office", BRANCH);
    const waiting = await waitFor("the agent to say that it waits", async () => {
      const status = await organisation.status(one);
      return status.profileProblems.some((text) => /next start/.test(text)) ? status : undefined;
    });
    expect(waiting.profile.ports).toEqual({ value: { offset: 0 } });

    for (const agent of [one, other]) {
      expect(await agent.program?.end()).toBe(0);
      organisation.startAgent(agent);
    }
    const value = { offset: 100, channels: [{ channel: "content-foreground", port: 41_000 }] };
    for (const agent of [one, other]) await inForce(organisation, agent, "ports", value);
    await distribute(organisation, { fetcher: one });

    expect(await one.program?.end()).toBe(0);
    const taken = createSocket("udp4");
    onTestFinished(() => void taken.close());
    const bound = once(taken, "listening");
    taken.bind({ port: 41_000, address: one.address, exclusive: true });
    await bound;
    organisation.startAgent(one);
    const status = await waitFor("the agent to be back", async () => {
      const said = await organisation.status(one).catch(() => undefined);
      return said?.server.connected === true ? said : undefined;
    });
    expect(status.profile.ports).toEqual({ value: { offset: 0 } });
    expect(status.profileProblems[0]).toMatch(/ports of profile "Ports" are not to be had/);
  },
  TIMEOUT_MS,
);

test(
  "ETag: who changes a profile that somebody else has changed meanwhile is told",
  async () => {
    const organisation = await Organisation.make({ central: 0, branch: 0 });
    await organisation.initialise();
    await organisation.startServer();
    await setStorage(organisation);
    const problem = await runForProblem(
      args(organisation, "profile", "create", "Empty", "--mode", "hosted"),
      organisation.commands,
    );
    expect(problem.code).toBe("hosted-cache-missing");
    await run(organisation, "profile", "create", "A", "--disk-percent", "7", "--preferred", "yes");

    const changed = await run<ProfileChanged>(
      organisation,
      ...["profile", "change", "A", "--max-age-days", "3", "--unset", "preferred"],
    );
    expect(changed.profile).toMatchObject({ values: { diskPercent: 7, maxAgeDays: 3 }, order: 10 });
    expect(changed.profile.values.preferred).toBeUndefined();
    const control = await organisation.control(organisation.server);
    const stale = control(SERVER_ROUTES.changeProfile, {
      ...{ params: { name: "A" }, ifMatch: '"AAAAAAAAAAAAAAAAAAAAAA"' },
      body: { values: {} },
    });
    await expect(stale).rejects.toMatchObject({ code: "changed-meanwhile" });
    const still = await control(SERVER_ROUTES.showProfile, { params: { name: "A" } });
    expect(still.values.diskPercent).toBe(7);
  },
  TIMEOUT_MS,
);

/** Publishes a package and waits until all have it; who is alone has it from nobody's device. */
async function distribute(
  organisation: Organisation,
  who: { readonly alone?: Machine; readonly fetcher: Machine },
): Promise<void> {
  const file = join(organisation.folder, "tool.bin");
  await writeFile(file, noise(1, SIZE_BYTES));
  const what = [file, "--name", "tool", "--version", "1", "--type", "application"];
  const signed = ["--key", join(organisation.folder, "it.key")];
  const { contentId } = await runForJson<{ contentId: string }>(
    ["publish", ...what, ...signed, "--server-data", organisation.server.data],
    organisation.commands,
  );
  const deploymentId = await organisation.deploy({ contentId });
  await organisation.distributed(deploymentId);
  const fetched = await organisation.contentOn(who.fetcher, contentId);
  expect((fetched?.wanInBytes ?? 0) + (fetched?.lanInBytes ?? 0)).toBe(SIZE_BYTES);
  if (who.alone === undefined) return;
  expect(await organisation.contentOn(who.alone, contentId)).toMatchObject({
    ...{ wanInBytes: 0, lanInBytes: 0, wanOutBytes: 0, lanOutBytes: 0 },
    originInBytes: SIZE_BYTES,
  });
}

async function setStorage(organisation: Organisation): Promise<void> {
  const folder = join(organisation.folder, "packages");
  await mkdir(folder);
  await run(organisation, "storage", "set", "directory", folder);
}

function args(organisation: Organisation, ...words: readonly string[]): readonly string[] {
  return [...words, "--data", organisation.server.data];
}

async function run<T>(organisation: Organisation, ...words: readonly string[]): Promise<T> {
  return await runForJson<T>(args(organisation, ...words), organisation.commands);
}

async function inForce(
  organisation: Organisation,
  agent: Machine,
  key: keyof AgentStatusView["profile"],
  value: unknown,
): Promise<void> {
  await waitFor(`${key} to be in force`, async () => {
    const status = await organisation.status(agent).catch(() => undefined);
    const there = status?.profile[key]?.value;
    return JSON.stringify(there) === JSON.stringify(value) || undefined;
  });
}

/** How long something takes, in milliseconds. */
async function timed(work: () => Promise<void>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return performance.now() - startedMs;
}
