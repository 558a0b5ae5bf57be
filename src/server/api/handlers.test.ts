import { afterEach, beforeEach, expect, test } from "vitest";
import { SERVER_ROUTES } from "../../api/server-routes.ts";
import type { ContentId } from "../../base/ids.ts";
import type { ApiClient } from "../../runtime/http/client.ts";
import { closeFixture, openFixture } from "./test-fixture.ts";
import { CONTENT, DEVICE, TestServer } from "./test-server.ts";

const CENTRAL = { name: "Central", type: "default", subnets: ["10.0.0.0/16"] };
const NORTH = { name: "North", parent: "Central", type: "default", subnets: ["10.1.0.0/16"] };

let folder: string;
let server: TestServer;
let client: ApiClient;

beforeEach(async () => {
  ({ folder, server, client } = await openFixture());
});

afterEach(() => closeFixture({ folder, server }));

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
  server = await TestServer.start(folder);

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
  server = await TestServer.start(folder);
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
  const query = { content: "c1000000" };
  expect(await client.call(SERVER_ROUTES.showLedger, { query })).toEqual({ entries, total: 1 });
  await server.idle();
  await server.stop();
  server = await TestServer.start(folder);
  expect(await client.call(SERVER_ROUTES.showLedger)).toEqual({ entries, total: 1 });
});

test("devices are listed by page, filtered and sorted", async () => {
  for (let index = 0; index < 5; index += 1) server.enrol(`pc-${index + 2}`);
  const list = (query: object) => client.call(SERVER_ROUTES.listDevices, { query });
  const names = async (query: object) =>
    (await list(query)).devices.map(({ hostName }) => hostName);

  const first = await list({ sort: "-hostName", limit: 4 });
  expect(first).toMatchObject({ total: 6, next: expect.any(String) });
  const second = await list({ sort: "-hostName", limit: 4, cursor: first.next });
  expect([...first.devices, ...second.devices].map(({ hostName }) => hostName)).toEqual([
    "pc-6",
    "pc-5",
    "pc-4",
    "pc-3",
    "pc-2",
    "pc-1",
  ]);
  expect(second.next).toBeUndefined();
  expect(await names({ present: true })).toEqual(["pc-1"]);
  expect(await names({ search: "PC-5" })).toEqual(["pc-5"]);
  expect(await names({ search: DEVICE.slice(0, 8) })).toEqual(["pc-1"]);
  expect(await names({ office: "Nowhere" })).toEqual([]);
  expect(await names({ mark: "none", versionFit: "unknown", limit: 2 })).toEqual(["pc-2", "pc-3"]);
  await expect(list({ cursor: "e30" })).rejects.toMatchObject({ code: "cursor-malformed" });
  await expect(list({ limit: 0 })).rejects.toMatchObject({ code: "request-malformed" });
  await expect(list({ sort: "machineId" })).rejects.toMatchObject({ code: "request-malformed" });
});

test("contents, offices, deployments and the ledger are filtered too", async () => {
  await client.call(SERVER_ROUTES.replaceOffices, { body: { offices: [CENTRAL, NORTH] } });
  const body = { contentId: "c1000000", targets: { all: true as const } };
  await client.call(SERVER_ROUTES.deploy, { body });
  server.report({ wanInBytes: 1_100, state: "complete" });
  const total = async (asked: Promise<{ readonly total: number }>) => (await asked).total;

  const contents = (query: object) => total(client.call(SERVER_ROUTES.listContents, { query }));
  expect([await contents({ search: "TO" }), await contents({ type: "none" })]).toEqual([1, 0]);
  const offices = (query: object) => total(client.call(SERVER_ROUTES.listOffices, { query }));
  expect([await offices({ parent: "Central" }), await offices({ type: "vpn" })]).toEqual([1, 0]);
  const running = (query: object) =>
    total(client.call(SERVER_ROUTES.listDeployments, { query: { ...query, content: "c1000000" } }));
  expect([await running({ priority: "medium" }), await running({ priority: "low" })]).toEqual([
    1, 0,
  ]);
  const ledger = (query: object) => total(client.call(SERVER_ROUTES.showLedger, { query }));
  expect([await ledger({ alarm: true }), await ledger({ alarm: false })]).toEqual([1, 0]);
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

test("who lets people in or shuts them out is in the audit, and no secret is", async () => {
  const made = await client.call(SERVER_ROUTES.createToken, { body: { name: "build" } });
  await client.call(SERVER_ROUTES.revokeToken, { params: { tokenId: made.tokenId } });
  const { securityKey } = await client.call(SERVER_ROUTES.regenerateSecurityKey);

  const { rows } = await client.call(SERVER_ROUTES.listAudit, { query: { limit: 3 } });

  expect(rows).toMatchObject([
    { action: "regenerate-security-key", who: "local" },
    { action: "revoke-token", subject: made.tokenId, before: expect.stringContaining("build") },
    { action: "create-token", subject: made.tokenId, after: expect.stringContaining("build") },
  ]);
  for (const secret of [made.token, securityKey]) {
    expect(JSON.stringify(rows)).not.toContain(secret);
  }
});

test("C3: a deployment is paused through the API, says so, and leaves a row for the auditor", async () => {
  await client.call(SERVER_ROUTES.replaceOffices, { body: { offices: [CENTRAL, NORTH] } });
  const { deploymentId } = await client.call(SERVER_ROUTES.deploy, {
    body: {
      contentId: CONTENT,
      targets: { officeTrees: ["Central"] },
      windows: ["daily 00:00-24:00"],
    },
  });
  const steer = (body: object) =>
    client.call(SERVER_ROUTES.steerDeployments, { body: body as { order: { kind: "pause" } } });

  const order = { kind: "pause" } as const;
  expect(await steer({ deploymentId, office: "North", order })).toEqual({
    deployments: [deploymentId],
    changed: 1,
    devices: 1,
    reached: 1,
  });

  const params = { deploymentId };
  expect(await client.call(SERVER_ROUTES.showDeployment, { params })).toMatchObject({
    windows: ["daily 00:00-24:00"],
    directives: [{ kind: "pause", office: "North" }],
    devices: [{ standing: { kind: "paused", why: 'office "North" is paused' } }],
  });
  const first = await client.call(SERVER_ROUTES.listAudit, { query: { limit: 1 } });
  expect(first).toMatchObject({ total: 3, rows: [{ action: "deployment-pause", who: "local" }] });
  const query = { after: first.rows[0]?.id ?? "" };
  const { rows } = await client.call(SERVER_ROUTES.listAudit, { query });
  expect(rows.map(({ action }) => action)).toEqual(["deployment-create", "offices-replace"]);
  await expect(steer({ order })).rejects.toMatchObject({ code: "bad-scope" });
  await expect(steer({ deploymentId: "no", order })).rejects.toMatchObject({
    code: "deployment-unknown",
  });
});

test("a group is made, changed and removed, and named in a deployment meanwhile", async () => {
  const params = { name: "Pilots" };
  await client.call(SERVER_ROUTES.createGroup, { body: params });
  const changed = await client.call(SERVER_ROUTES.changeGroup, { params, body: { add: [DEVICE] } });
  expect(changed).toEqual({ name: "Pilots", devices: 1, present: 1 });
  const targets = { groups: ["Pilots"] };
  const { deploymentId } = await client.call(SERVER_ROUTES.deploy, {
    body: { contentId: CONTENT, targets },
  });

  const { groups } = await client.call(SERVER_ROUTES.listGroups);
  expect(groups).toEqual([{ name: "Pilots", devices: [DEVICE] }]);
  const remove = () => client.call(SERVER_ROUTES.removeGroup, { params });
  await expect(remove()).rejects.toMatchObject({ code: "group-in-use" });
  const order = { kind: "cancel" } as const;
  await client.call(SERVER_ROUTES.steerDeployments, { body: { deploymentId, order } });
  await remove();
  expect((await client.call(SERVER_ROUTES.listGroups)).groups).toEqual([]);
});
