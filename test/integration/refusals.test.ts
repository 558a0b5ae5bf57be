import { createSocket } from "node:dgram";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { agentFiles } from "../../src/agent/enrolment-file.ts";
import { DEVICE_PORTS } from "../../src/effects/channels.ts";
import { createAuthority } from "../../src/runtime/identity/authority.ts";
import { loadAuthority, saveIdentity } from "../../src/runtime/identity/identity-file.ts";
import { serverFiles } from "../../src/server/files.ts";
import { type Machine, ORGANISATION, Organisation } from "./support/organisation.ts";
import { type LogLine, runCommand, runForProblem } from "./support/programs.ts";
import { call, deviceIdentity, longExpired } from "./support/strangers.ts";
import { waitFor } from "./support/waiting.ts";

const TIMEOUT_MS = 120_000;

test(
  "a device that comes with something wrong is not enrolled, and is told what to mend",
  async () => {
    const organisation = await Organisation.make({ central: 1, branch: 0 });
    await organisation.initialise();
    await organisation.startServer();
    const agent = organisation.agent("central-1");
    const enrol = (changes: Parameters<Organisation["enrolment"]>[1]) =>
      runForProblem(organisation.enrolment(agent, changes), organisation.commands);

    const wrongKey = "AAAA-BBBB-CCCC-DDDD-EEEE-FFFF-GGGG-HHHH";
    expect(await enrol({ key: wrongKey })).toEqual({
      exitCode: 1,
      code: "security-key-wrong",
      message: expect.stringMatching(/security key.*(ask|administrator|new one)/i),
    });
    await logged(organisation.server, "enrolment-decided", { outcome: "refused" });
    const wrongFingerprint = organisation.fingerprint.replaceAll(/[0-9a-f]/g, (digit) =>
      (15 - Number.parseInt(digit, 16)).toString(16),
    );
    expect(await enrol({ fingerprint: wrongFingerprint })).toEqual({
      exitCode: 1,
      code: "foreign-certificate",
      message: expect.stringMatching(/fingerprint does not fit.*compare it/),
    });
    await logged(organisation.server, "association-ended", {
      code: "foreign-certificate",
      byPeer: true,
    });
    expect(await enrol({ fingerprint: "12:34" })).toMatchObject({
      exitCode: 1,
      code: "fingerprint-malformed",
    });
    await organisation.server.program?.end();
    expect(await enrol({})).toEqual({
      exitCode: 1,
      code: "server-unreachable",
      message: expect.stringMatching(/does not answer on UDP port 34323: is it running/),
    });
    expect(existsSync(agentFiles(agent.data).identity)).toBe(false);
    expect(await run(organisation, agent)).toEqual({
      exitCode: 1,
      code: "not-enrolled",
      message: expect.stringMatching(/run "branchline agent enrol" first/),
    });
  },
  TIMEOUT_MS,
);

test(
  "an agent that cannot start says why, and what to mend",
  async () => {
    const organisation = await Organisation.make({ central: 1, branch: 0 });
    await organisation.initialise();
    await organisation.startServer();
    const agent = organisation.agent("central-1");
    await organisation.enrol(agent);
    const settings = join(agent.data, "agent.toml");
    const sound = await readFile(settings, "utf8");

    const taken = createSocket("udp4");
    taken.bind(34_760, agent.address);
    await once(taken, "listening");
    expect(await run(organisation, agent)).toEqual({
      exitCode: 1,
      code: "port-in-use",
      message: expect.stringMatching(/UDP port 34760 on 127\.31\..* end that one, or choose/),
    });
    taken.close();
    expect(await run(organisation, agent, ["--set", "network.address=192.0.2.77"])).toEqual({
      exitCode: 1,
      code: "address-not-here",
      message: expect.stringMatching(/192\.0\.2\.77.*check network\.address/),
    });
    await writeFile(settings, `${sound}\n[netwrok]\naddress = "127.0.0.1"\n`);
    expect(await run(organisation, agent)).toEqual({
      exitCode: 2,
      code: expect.stringMatching(/^settings-/),
      message: expect.stringMatching(/netwrok in .*agent\.toml is no setting\. There are: data/),
    });
    await writeFile(settings, sound);
    const unknown = await runCommand(["agent", "run", "--netwrok"], organisation.commands);
    expect(unknown).toMatchObject({ code: 2, stderr: expect.stringContaining("--netwrok") });
    const absent = ["content", "show", "12345678", "--data", organisation.server.data];
    expect(await runForProblem(absent, organisation.commands)).toMatchObject({ exitCode: 3 });
    const asleep = ["agent", "status", "--data", agent.data];
    expect(await runForProblem(asleep, organisation.commands)).toEqual({
      exitCode: 1,
      code: "not-running",
      message: expect.stringMatching(/start it with/),
    });
    // None of that has left anything that keeps it from starting.
    await organisation.startAgents();
  },
  TIMEOUT_MS,
);

test(
  "a device that plays the server is refused by agents and by those who would enrol",
  async () => {
    const organisation = await Organisation.make({ central: 2, branch: 0 });
    await organisation.initialise();
    await organisation.startServer();
    const [agent, other] = [organisation.agent("central-1"), organisation.agent("central-2")];
    await organisation.enrol(agent);
    const deviceId = await organisation.enrol(other);
    await organisation.server.program?.end();
    const { authority, identity } = serverFiles(organisation.server.data);
    const device = await deviceIdentity(await loadAuthority(authority), { deviceId });
    await saveIdentity(identity, device);
    await organisation.startServer();

    organisation.startAgent(agent);
    const refusal = {
      code: "wrong-role",
      reason: expect.stringMatching(/is for a device where a server is wanted: check/),
    };
    await logged(agent, "server-lost", refusal);
    await logged(organisation.server, "association-ended", { ...refusal, byPeer: true });
    expect((await organisation.status(agent)).server.connected).toBe(false);
    const newcomer = { ...agent, data: join(organisation.folder, "newcomer") };
    await mkdir(newcomer.data);
    expect(await runForProblem(organisation.enrolment(newcomer), organisation.commands)).toEqual({
      exitCode: 1,
      code: "wrong-role",
      message: expect.stringMatching(/check/),
    });
    expect(existsSync(agentFiles(newcomer.data).identity)).toBe(false);
  },
  TIMEOUT_MS,
);

test(
  "expired and foreign certificates are refused by the server and by other agents",
  async () => {
    const organisation = await Organisation.make({ central: 2, branch: 0 });
    await organisation.initialise();
    await organisation.startServer();
    const [agent, other] = [organisation.agent("central-1"), organisation.agent("central-2")];
    await organisation.enrol(agent);
    const deviceId = await organisation.enrol(other);
    organisation.startAgent(agent);
    await waitFor(
      "the agent to reach the server",
      async () => (await organisation.status(agent)).server.connected || undefined,
    );
    const own = await loadAuthority(serverFiles(organisation.server.data).authority);
    const foreign = await createAuthority(ORGANISATION, Math.floor(Date.now() / 1_000));
    const bad = [
      [
        "expired-certificate",
        /expired 370 days ago.*enrol again/,
        await deviceIdentity(own, { deviceId, validity: longExpired() }),
      ],
      [
        "foreign-certificate",
        /another organisation's authority: enrol at this/,
        await deviceIdentity(foreign, { deviceId }),
      ],
    ] as const;

    for (const [code, says, identity] of bad) {
      const refusal = { code, reason: expect.stringMatching(says) };
      const toAgent = { host: agent.address, ports: DEVICE_PORTS, from: other.address };
      expect(await call(identity, toAgent)).toMatchObject({ kind: "association-down", ...refusal });
      await logged(agent, "peer-refused", { ...refusal, host: other.address });
      await saveIdentity(agentFiles(other.data).identity, identity);
      organisation.startAgent(other);
      await logged(other, "server-lost", refusal);
      await logged(organisation.server, "association-ended", { host: other.address, code });
      await other.program?.end();
    }
  },
  TIMEOUT_MS,
);

test(
  "a device that enrols again gets along under its new certificate",
  async () => {
    const organisation = await Organisation.make({ central: 1, branch: 0 });
    await organisation.initialise();
    await organisation.startServer();
    const agent = organisation.agent("central-1");

    const first = await organisation.enrol(agent);
    const second = await organisation.enrol(agent);

    expect(second).not.toBe(first);
    await organisation.startAgents();
    expect((await organisation.status(agent)).deviceId).toBe(second);
  },
  TIMEOUT_MS,
);

/** `agent run` where it must fail at once. */
async function run(organisation: Organisation, agent: Machine, changes: readonly string[] = []) {
  const args = ["agent", "run", "--data", agent.data, ...changes];
  return await runForProblem(args, organisation.commands);
}

/** Waits until a program has logged an event with these fields. */
async function logged({ name, program }: Machine, msg: string, fields: object): Promise<LogLine> {
  const wanted = expect.objectContaining({ msg, ...fields });
  return await waitFor(`${name} to log ${msg} ${JSON.stringify(fields)}: ${program?.log}`, () =>
    program?.events.find((event) => wanted.asymmetricMatch(event)),
  );
}
