import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { SERVER_ROUTES } from "../api/server-routes.ts";
import type { ContentId, DeviceId } from "../base/ids.ts";
import type { Answer, Command, CoordinatorInput } from "../coordinator/contract.ts";
import { Coordinator } from "../coordinator/coordinator.ts";
import { progress, register } from "../coordinator/test-world.ts";
import { type ControlClient, createControlClient } from "../runtime/control-client.ts";
import { type ControlServer, serveControl } from "../runtime/control-server.ts";
import type { Progress } from "../wire/messages.ts";
import { createServerHandlers } from "./api.ts";
import { Committer } from "./committer.ts";
import { ServerDatabase } from "./database.ts";

const CENTRAL = { name: "Central", type: "default", subnets: ["10.0.0.0/16"] };
const NORTH = { name: "North", parent: "Central", type: "default", subnets: ["10.1.0.0/16"] };
const CONTENT = `c1${"0".repeat(62)}` as ContentId;
const DEVICE = "d1".repeat(16) as DeviceId;

let folder: string;
let server: Server;
let client: ControlClient;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "branchline-api-"));
  server = await Server.start(folder);
  client = createControlClient(join(folder, "control.sock"));
});

afterEach(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
});

test("the server says what it is", async () => {
  const view = await client.call(SERVER_ROUTES.showServer);

  expect(view).toMatchObject({
    organisation: "Acme",
    fingerprint: "f1",
    devices: { enrolled: 1, present: 1 },
  });
});

test("a content is found by the first digits of its id, where they are unique", async () => {
  const { contents } = await client.call(SERVER_ROUTES.listContents);
  const { fileList, ...content } = await client.call(SERVER_ROUTES.showContent, {
    params: { contentId: "C1000000" },
  });

  expect(contents).toEqual([content]);
  expect(fileList).toEqual([
    { path: "tool", sizeBytes: 1_000, mode: 0o755, sha256: "ab".repeat(32) },
  ]);
  await server.publish(`c1000000ff${"0".repeat(54)}` as ContentId);
  const show = (contentId: string) =>
    client.call(SERVER_ROUTES.showContent, { params: { contentId } });
  await expect(show("c1000000")).rejects.toMatchObject({ code: "content-ambiguous" });
  await expect(show("c1000000f")).resolves.toMatchObject({ name: "tool" });
  await expect(show("dddddddd")).rejects.toMatchObject({ code: "content-unknown" });
  await expect(show("c1")).rejects.toMatchObject({ code: "request-malformed" });
});

test("a topology is replaced as a whole, or not at all", async () => {
  const offices = [CENTRAL, NORTH];
  const replaced = await client.call(SERVER_ROUTES.replaceOffices, { body: { offices } });
  expect(replaced).toEqual({ offices, findings: [] });
  expect((await client.call(SERVER_ROUTES.listDevices)).devices).toMatchObject([
    { deviceId: DEVICE, office: "North", present: true },
  ]);

  const bad = { offices: [CENTRAL, { ...NORTH, parent: "Atlantis" }] };
  const refused = client.call(SERVER_ROUTES.replaceOffices, { body: bad });

  await expect(refused).rejects.toMatchObject({
    code: "bad-topology",
    message: expect.stringContaining("Atlantis"),
  });
  expect((await client.call(SERVER_ROUTES.listOffices)).offices).toEqual(offices);
});

test("a deployment is made, listed and shown, and outlives the server", async () => {
  await client.call(SERVER_ROUTES.replaceOffices, { body: { offices: [CENTRAL, NORTH] } });
  const { deploymentId } = await client.call(SERVER_ROUTES.deploy, {
    body: { contentId: "c1000000", targets: { offices: ["North"] }, priority: "high" },
  });
  const params = { deploymentId };
  const before = await client.call(SERVER_ROUTES.showDeployment, { params });
  expect(before).toMatchObject({
    contentId: CONTENT,
    priority: "high",
    sizeBytes: 1_000,
    devices: [{ deviceId: DEVICE, office: "North", state: "waiting", present: true }],
    offices: [{ office: "North", parent: "Central", devices: 1, verified: 0, copies: 0, rvp: "" }],
  });

  await server.stop();
  server = await Server.start(folder);

  const { deployments } = await client.call(SERVER_ROUTES.listDeployments);
  expect(deployments).toMatchObject([{ deploymentId, devices: 1, verified: 0 }]);
  expect(await client.call(SERVER_ROUTES.showDeployment, { params })).toEqual(before);
});

test("what cannot be deployed, or found, is refused with a code and a sentence", async () => {
  const deploy = (targets: object) =>
    client.call(SERVER_ROUTES.deploy, { body: { contentId: CONTENT, targets } });
  await expect(deploy({})).rejects.toMatchObject({ code: "no-targets" });
  await expect(deploy({ offices: ["Nort"] })).rejects.toMatchObject({ code: "office-unknown" });
  await expect(deploy({ everyone: true })).rejects.toMatchObject({ code: "request-malformed" });
  const params = { deploymentId: "nope" };
  await expect(client.call(SERVER_ROUTES.showDeployment, { params })).rejects.toMatchObject({
    code: "deployment-unknown",
    message: expect.stringContaining("nope"),
  });
});

test("B12: origins are added, listed and removed, and refused with a reason", async () => {
  const add = (location: string) => client.call(SERVER_ROUTES.addOrigin, { body: { location } });
  await add("/srv/packages");
  const { origins } = await add("https://cdn.example/p");

  expect(origins).toEqual([
    { kind: "cdn", location: "https://cdn.example/p" },
    { kind: "storage", location: "/srv/packages" },
  ]);
  await expect(add("packages")).rejects.toMatchObject({ code: "origin-malformed" });
  await expect(add("/srv/packages/")).rejects.toMatchObject({ code: "origin-duplicate" });
  await server.stop();
  server = await Server.start(folder);
  expect(await client.call(SERVER_ROUTES.listOrigins)).toEqual({ origins });
  const location = "/srv/packages";
  await client.call(SERVER_ROUTES.removeOrigin, { body: { location } });
  const gone = client.call(SERVER_ROUTES.removeOrigin, { body: { location } });
  await expect(gone).rejects.toMatchObject({ code: "origin-unknown" });
});

test("D3: the ledger is shown as a whole and by content, and outlives the server", async () => {
  await client.call(SERVER_ROUTES.replaceOffices, { body: { offices: [CENTRAL, NORTH] } });
  server.report({ wanInBytes: 1_100, state: "complete" });

  const { entries } = await client.call(SERVER_ROUTES.showLedger);
  expect(entries).toMatchObject([
    { office: "North", parent: "Central", wanBytes: 1_100, copies: 1.1, alarm: true },
  ]);
  const params = { contentId: "c1000000" };
  expect(await client.call(SERVER_ROUTES.showContentLedger, { params })).toEqual({ entries });
  await server.idle();
  await server.stop();
  server = await Server.start(folder);
  expect(await client.call(SERVER_ROUTES.showLedger)).toEqual({ entries });
});

test("a device is shown with its marks, and pardoned", async () => {
  const params = { deviceId: DEVICE };
  const shown = await client.call(SERVER_ROUTES.showDevice, { params });
  expect(shown).toMatchObject({ machineId: "m1", versionFit: "fits", accusations: [] });

  expect(await client.call(SERVER_ROUTES.pardonDevice, { params })).toEqual(params);
  const unknown = { params: { deviceId: "ab".repeat(16) } };
  await expect(client.call(SERVER_ROUTES.showDevice, unknown)).rejects.toMatchObject({
    code: "device-unknown",
  });
  await expect(client.call(SERVER_ROUTES.pardonDevice, unknown)).rejects.toMatchObject({
    code: "device-unknown",
  });
});

test("B14: a new security key replaces the old one at once", async () => {
  const { securityKey: first } = await client.call(SERVER_ROUTES.regenerateSecurityKey);
  const { securityKey: second } = await client.call(SERVER_ROUTES.regenerateSecurityKey);

  const { securityKeys } = server.database;
  expect(await securityKeys.judge(first, 2)).toMatchObject({ code: "security-key-replaced" });
  expect(await securityKeys.judge(second, 2)).toBeUndefined();
});

/** The server's parts without its network, with one device and one content. */
class Server {
  readonly database: ServerDatabase;
  readonly #coordinator: Coordinator;
  readonly #committer: Committer;
  readonly #answers = new Map<number, (answer: Answer) => void>();
  readonly #began = performance.now();
  #control: ControlServer | undefined;
  #requests = 0;

  private constructor(database: ServerDatabase, coordinator: Coordinator) {
    this.database = database;
    this.#coordinator = coordinator;
    const ignore = (): void => {};
    this.#committer = new Committer(
      (changes) => database.apply(changes),
      {
        send: ignore,
        close: ignore,
        requestEnrolment: ignore,
        judgeManifest: ignore,
        readManifest: ignore,
        note: ignore,
        answer: (requestNumber, answer) => this.#answers.get(requestNumber)?.(answer),
      },
      (error) => {
        throw error;
      },
    );
  }

  static async start(folder: string): Promise<Server> {
    const path = join(folder, "server.db");
    const database = await ServerDatabase.open(path).catch(() =>
      ServerDatabase.create(path, "Acme"),
    );
    const state = await database.start(Date.now());
    const setup = { serverHosts: [], wallMs: Date.now(), nowUs: 0 };
    const randomBytes = (length: number) => crypto.getRandomValues(new Uint8Array(length));
    const seeded = state.devices.length > 0 ? state : { ...state, devices: [device()] };
    if (seeded !== state) await database.apply([{ kind: "device-put", device: device() }]);
    const coordinator = new Coordinator({ state: seeded, randomBytes, ...setup });
    const server = new Server(database, coordinator);
    server.input({ kind: "device-up", association: 1, deviceId: DEVICE, host: "10.1.0.5" });
    if (state.contents.length === 0) await server.publish(CONTENT);
    server.#control = await serveControl({
      socketPath: join(folder, "control.sock"),
      routes: SERVER_ROUTES,
      handlers: createServerHandlers({
        coordinator,
        command: (command) => server.#command(command),
        database,
        organisation: "Acme",
        fingerprint: "f1",
        epoch: state.epoch,
        wallMs: () => 1,
      }),
      onFault: (error) => {
        throw error;
      },
    });
    return server;
  }

  input(input: CoordinatorInput): void {
    const nowUs = (performance.now() - this.#began) * 1_000;
    this.#coordinator.step(nowUs, input, this.#committer.outbox);
    this.#committer.commit();
  }

  /** The device registers and says how far it is. */
  report(said: Partial<Progress>): void {
    const from = { kind: "message", association: 1, deviceId: DEVICE } as const;
    this.input({ ...from, message: register({ hosts: ["10.1.0.5"] }) });
    this.input({ ...from, message: progress(CONTENT, { sizeBytes: 1_000, ...said }) });
  }

  /** Makes durable what is due later. */
  async idle(): Promise<void> {
    const nowUs = (performance.now() - this.#began) * 1_000 + 60_000_000;
    this.#coordinator.step(nowUs, { kind: "timer" }, this.#committer.outbox);
    this.#committer.commit();
    await this.#committer.idle();
  }

  async publish(contentId: ContentId): Promise<void> {
    const data = Uint8Array.of(1);
    const part = { kind: "publish-part", contentId, offsetBytes: 0, totalBytes: 1, data } as const;
    this.input({ kind: "message", association: 1, deviceId: DEVICE, message: part });
    const facts = {
      contentId,
      name: "tool",
      version: "1.0",
      type: "application",
      sizeBytes: 1_000,
      pieces: 1,
      files: 1,
      publisher: "aa".repeat(32),
      publisherName: "us",
      sha256: "bb".repeat(32),
    };
    const files = [{ path: "tool", sizeBytes: 1_000, mode: 0o755, sha256: "ab".repeat(32) }];
    const outcome = { kind: "accepted", facts, files } as const;
    this.input({ kind: "manifest-judged", association: 1, contentId, outcome });
    await this.#committer.idle();
  }

  async stop(): Promise<void> {
    await this.#control?.close();
    await this.#committer.idle();
    await this.database.close();
  }

  #command(command: Command): Promise<Answer> {
    this.#requests += 1;
    const requestNumber = this.#requests;
    const answered = new Promise<Answer>((resolve) => this.#answers.set(requestNumber, resolve));
    this.input({ kind: "command", requestNumber, command });
    return answered;
  }
}

function device() {
  return {
    deviceId: DEVICE,
    hostName: "pc-1",
    machineId: "m1",
    office: "(none)",
    hosts: ["10.1.0.5"],
    seenHost: "10.1.0.5",
    portOffset: 0,
    facts: {
      freeBytes: 0,
      usableBytes: 0,
      preferred: false,
      desktop: true,
      serverOs: false,
      uptimeS: 0,
    },
    productVersion: "0.1.0",
    enrolledAtMs: 1,
    lastSeenAtMs: 1,
  };
}
