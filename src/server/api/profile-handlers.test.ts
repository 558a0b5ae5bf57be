import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { MOVABLE_CHANNELS } from "../../api/profile-schemas.ts";
import { SERVER_ROUTES } from "../../api/server-routes.ts";
import { channelOf } from "../../effects/channels.ts";
import type { ApiClient } from "../../runtime/http/client.ts";
import { createControlClient } from "../../runtime/http/control-client.ts";
import { entityTag } from "../../runtime/http/entity-tag.ts";
import { closeFixture, openFixture } from "./test-fixture.ts";
import { DEVICE, TestServer } from "./test-server.ts";

const {
  createProfile,
  changeProfile,
  showProfile,
  removeProfile,
  publishProfile,
  unpublishProfile,
  listProfiles,
  listProfileDevices,
  showDeviceProfile,
} = SERVER_ROUTES;

const PORTS = { offset: 7, channels: [{ channel: "content-foreground" as const, port: 40_000 }] };

let folder: string;
let server: TestServer;
let client: ApiClient;

beforeEach(async () => {
  ({ folder, server, client } = await openFixture());
  const storage = { storageId: "s1", kind: "directory", location: folder, details: {} } as const;
  server.input({
    kind: "command",
    requestNumber: 0,
    command: { kind: "set-file-storage", storage },
  });
  await client.call(SERVER_ROUTES.replaceOffices, {
    body: { offices: [{ name: "Central", type: "default", subnets: ["10.1.0.0/16"] }] },
  });
});

afterEach(() => closeFixture({ folder, server }));

test("a profile is made, published, taken and shown; all of it is as its schema says", async () => {
  const values = { mode: "local" as const, diskPercent: 10, ports: PORTS };
  const made = await client.call(createProfile, { body: { name: "A/b", values } });
  expect(made).toMatchObject({ profile: { name: "A/b", order: 10, values }, devices: 0 });
  const params = { name: "A/b" };
  register();

  const published = await client.call(publishProfile, { params, body: { offices: ["Central"] } });
  expect(published).toMatchObject({ devices: 1, present: 1 });
  const before = await client.call(showDeviceProfile, { params: { deviceId: DEVICE } });
  expect(before).toMatchObject({ pending: ["mode", "diskPercent", "ports"], problems: [] });
  expect(before.wanted.ports).toEqual({ value: PORTS, profile: "A/b" });

  report({ mode: "local", diskPercent: 10 });
  const after = await client.call(showDeviceProfile, { params: { deviceId: DEVICE } });
  expect(after).toMatchObject({
    reported: { mode: { value: "local", profile: "A/b" } },
    pending: ["ports"],
    problems: ["Restart it."],
  });
  const { devices } = await client.call(listProfileDevices, { params, query: { pending: true } });
  expect(devices).toMatchObject([
    { deviceId: DEVICE, present: true, sets: ["mode", "diskPercent", "ports"], pending: ["ports"] },
  ]);

  await client.call(unpublishProfile, { params, body: { everywhere: true } });
  const left = await client.call(listProfileDevices, { params, query: {} });
  expect(left.devices).toEqual([]);
});

test("a change or removal of what has been changed meanwhile is refused, and changes nothing", async () => {
  await client.call(createProfile, { body: { name: "A", values: { diskPercent: 10 } } });
  const params = { name: "A" };
  const seen = entityTag(await client.call(showProfile, { params }));

  await client.call(changeProfile, { params, body: { values: {} }, ifMatch: seen });
  const again = client.call(changeProfile, {
    ...{ params, ifMatch: seen },
    body: { values: { diskPercent: 99 } },
  });
  await expect(again).rejects.toMatchObject({ code: "changed-meanwhile" });
  const removal = client.call(removeProfile, { params, ifMatch: seen });
  await expect(removal).rejects.toMatchObject({ code: "changed-meanwhile" });

  const { profiles } = await client.call(listProfiles);
  expect(profiles).toMatchObject([{ name: "A", values: {} }]);
  const now = entityTag(await client.call(showProfile, { params }));
  await client.call(removeProfile, { params, ifMatch: now });
  await expect(client.call(showProfile, { params })).rejects.toMatchObject({
    code: "profile-unknown",
  });
});

test("what cannot be is refused with its reason", async () => {
  const create = (values: object) =>
    client.call(createProfile, { body: { name: "A", values } }).catch((error: unknown) => error);
  expect(await create({ mode: "hosted" })).toMatchObject({ code: "hosted-cache-missing" });
  expect(await create({ mode: "nonsense" })).toMatchObject({ code: "request-malformed" });
  expect(await create({ diskPercent: 0 })).toMatchObject({ code: "request-malformed" });
  expect(await create({ other: 1 })).toMatchObject({ code: "request-malformed" });
  expect(await create({})).toMatchObject({ profile: { name: "A" } });
  const publish = client.call(publishProfile, { params: { name: "A" }, body: {} });
  await expect(publish).rejects.toMatchObject({ code: "no-targets" });
  const device = client.call(showDeviceProfile, { params: { deviceId: "00".repeat(16) } });
  await expect(device).rejects.toMatchObject({ code: "device-unknown" });
});

test("profiles and what devices report of them outlive the server", async () => {
  register();
  await client.call(createProfile, { body: { name: "A", values: { ports: PORTS } } });
  await client.call(publishProfile, { params: { name: "A" }, body: { devices: [DEVICE] } });
  report({ mode: "distributed" });
  await server.idle();
  const before = await client.call(showDeviceProfile, { params: { deviceId: DEVICE } });

  await server.stop();
  server = await TestServer.start(folder);
  client = createControlClient(join(folder, "control.sock"));

  expect(await client.call(showDeviceProfile, { params: { deviceId: DEVICE } })).toEqual(before);
  expect(before.reported).toMatchObject({ mode: { value: "distributed", profile: "A/b" } });
});

test("channels have the names of their numbers", () => {
  expect(MOVABLE_CHANNELS.map((_, index) => channelOf(index + 1))).toEqual([...MOVABLE_CHANNELS]);
});

function register(): void {
  server.report({ state: "waiting" });
}

/** The device says that these values are in force on it, and that something hinders others. */
function report({ mode, diskPercent }: { mode: "local" | "distributed"; diskPercent?: number }) {
  const profile = "A/b";
  const values = {
    mode: { value: mode, profile },
    ...(diskPercent === undefined ? {} : { diskPercent: { value: diskPercent, profile } }),
  };
  const message = { kind: "profile-report", values, problems: ["Restart it."] } as const;
  server.input({ kind: "message", association: 1, deviceId: DEVICE, message });
}
