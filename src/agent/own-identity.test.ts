import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, onTestFinished, test, vi } from "vitest";
import type { DeviceId } from "../base/ids.ts";
import { createAuthority, issueDeviceCertificate } from "../runtime/identity/authority.ts";
import type { Identity } from "../runtime/identity/identity.ts";
import { loadIdentity, saveIdentity } from "../runtime/identity/identity-file.ts";
import { createSigningRequest } from "../runtime/identity/keys.ts";
import { loadSettings } from "../runtime/settings.ts";
import { agentFiles, type EnrolmentRecord, saveEnrolment } from "./enrolment-file.ts";
import { loadOwnIdentity } from "./own-identity.ts";
import { Reidentification } from "./reidentification.ts";
import { AGENT_SETTINGS, type AgentSettings } from "./settings.ts";

const OLD = "0123456789abcdef0123456789abcdef" as DeviceId;
const NEW = "fedcba9876543210fedcba9876543210" as DeviceId;
const NOW_S = Math.floor(Date.now() / 1_000);
const authority = await createAuthority("Example Ltd", NOW_S);
const OTHERS = { organisation: "Example Ltd", serverHost: "192.0.2.1", publishers: [] };

let files: ReturnType<typeof agentFiles>;
let settings: AgentSettings;

beforeEach(async () => {
  const data = await mkdtemp(join(tmpdir(), "branchline-own-"));
  onTestFinished(() => rm(data, { recursive: true }));
  files = agentFiles(data);
  const flags = { data, machine_id: "this machine" };
  settings = loadSettings(AGENT_SETTINGS, { environment: {}, flags });
});

test("after a crash between a new identity's two files, the certificate counts", async () => {
  await saveIdentity(files.identity, await identityFor(NEW));
  await saveEnrolment(files.enrolment, { ...OTHERS, deviceId: OLD, machineId: "another" });

  const { enrolment } = await loadOwnIdentity(settings, files);

  expect(enrolment).toEqual({ ...OTHERS, deviceId: NEW, machineId: "this machine" });
  expect(await record()).toEqual(enrolment);
});

test("a device that was told of a clone asks with a new key, and keeps what it is given", async () => {
  const { asked, device, restarted } = await reidentification("this machine");

  device.onEvent({ kind: "server-connected" });
  device.onEvent({ kind: "identity-cloned" });
  device.onEvent({ kind: "identity-cloned" });
  await vi.waitUntil(() => asked.length === 2);
  // It is the same request: an answer to either is good.
  expect(asked[0]).toEqual(asked[1]);
  const certificate = await issue(NEW, asked[0] ?? new Uint8Array());
  device.onEvent({ kind: "identity-issued", deviceId: NEW, certificate });
  await restarted;

  const before = await identityOfDisk();
  expect(before.certificateDer).toEqual(certificate);
  expect(await record()).toMatchObject({ deviceId: NEW, machineId: "this machine" });
});

test("a device that enrolled on another machine asks as soon as the server is there", async () => {
  const { asked, device } = await reidentification("another machine");

  device.onEvent({ kind: "server-connected" });

  await vi.waitUntil(() => asked.length === 1);
});

test("a certificate for another key is not kept", async () => {
  const { asked, device, faults } = await reidentification("this machine");
  const before = await identityOfDisk();
  device.onEvent({ kind: "identity-cloned" });
  await vi.waitUntil(() => asked.length === 1);

  const { requestDer } = await createSigningRequest();
  const certificate = await issue(NEW, requestDer);
  device.onEvent({ kind: "identity-issued", deviceId: NEW, certificate });
  await vi.waitUntil(() => faults.length === 1);

  expect(faults).toMatchObject([{ code: "identity-mismatch" }]);
  expect(await identityOfDisk()).toEqual(before);
  expect(await record()).toMatchObject({ deviceId: OLD });
});

/** A device that enrolled on a machine of this name. */
async function reidentification(machineThen: string) {
  const enrolment = { ...OTHERS, deviceId: OLD, machineId: machineThen };
  const identity = await identityFor(OLD);
  await saveIdentity(files.identity, identity);
  await saveEnrolment(files.enrolment, enrolment);
  const asked: Uint8Array[] = [];
  const faults: unknown[] = [];
  const restart = Promise.withResolvers<void>();
  const device = new Reidentification({
    ...{ files, identity, enrolment, machineId: "this machine" },
    request: (request) => asked.push(request),
    onNewIdentity: () => restart.resolve(),
    onFault: (error) => faults.push(error),
  });
  return { asked, device, faults, restarted: restart.promise };
}

async function identityFor(id: DeviceId): Promise<Identity> {
  const { privateKeyPem, requestDer } = await createSigningRequest();
  const { certificateDer: authorityDer } = authority;
  return { privateKeyPem, certificateDer: await issue(id, requestDer), authorityDer };
}

async function issue(id: DeviceId, requestDer: Uint8Array): Promise<Uint8Array> {
  const issued = await issueDeviceCertificate(authority, requestDer, id, NOW_S);
  if (!issued.ok) throw new Error(issued.error.reason);
  return issued.value.certificateDer;
}

async function identityOfDisk(): Promise<Identity> {
  return await loadIdentity(files.identity);
}

async function record(): Promise<EnrolmentRecord> {
  return JSON.parse(await readFile(files.enrolment, "utf8"));
}
