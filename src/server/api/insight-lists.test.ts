import { afterEach, beforeEach, expect, test } from "vitest";
import type { QueryOf } from "../../api/route.ts";
import { SERVER_ROUTES } from "../../api/server-routes.ts";
import type { ApiClient } from "../../runtime/http/client.ts";
import { closeFixture, openFixture } from "./test-fixture.ts";
import { CONTENT, DEVICE, type TestServer } from "./test-server.ts";

let folder: string;
let server: TestServer;
let client: ApiClient;

beforeEach(async () => {
  ({ folder, server, client } = await openFixture());
  const offices = [
    { name: "Central", type: "default", subnets: ["10.0.0.0/16"] },
    { name: "North", parent: "Central", type: "default", subnets: ["10.1.0.0/16"] },
    { name: "Far North", parent: "North", type: "default", subnets: ["10.2.0.0/16"] },
  ];
  await client.call(SERVER_ROUTES.replaceOffices, { body: { offices } });
  // One device is in the North and reports; the other, of no subnet, never will.
  server.report({ state: "downloading", lanInBytes: 300, wanInBytes: 40, lanOutBytes: 5 });
  server.enrol("pc-2", "192.0.2.9");
  await client.call(SERVER_ROUTES.deploy, {
    body: { contentId: CONTENT, targets: { all: true }, priority: "medium" },
  });
});

afterEach(() => closeFixture({ folder, server }));

test("C2: each office shows itself with all below it, and the sums show all once", async () => {
  const { entries, sums, total } = await show({});

  expect(
    entries.map(({ office, depth, devices, wanted }) => [office, depth, devices, wanted]),
  ).toEqual([
    ["Central", 0, 2, 2],
    ["North", 1, 1, 1],
    ["Far North", 2, 0, 0],
    ["(none)", 1, 1, 1],
  ]);
  expect(entries[0]).toMatchObject({ fetching: 1, waiting: 1, lanInBytes: 300, servedBytes: 5 });
  expect(sums).toMatchObject({ wanted: 2, fetching: 1, waiting: 1, wanInBytes: 40 });
  expect(total).toBe(4);
});

test("C2: from an office down to its contents, its types, and one device", async () => {
  const byType = await show({ by: "type", office: "North" });
  const byContent = await show({ by: "content", office: "North", type: "application" });
  const byDevice = await show({ by: "device" });
  const one = await show({ device: DEVICE });
  const way = await show({ by: "office", device: DEVICE });

  expect(byType.entries).toMatchObject([{ type: "application", contents: 1, fetching: 1 }]);
  expect(byContent.entries).toMatchObject([{ contentId: CONTENT, name: "tool", wanted: 1 }]);
  expect(
    byDevice.entries.map(({ hostName, office, waiting }) => [hostName, office, waiting]),
  ).toEqual([
    ["pc-1", "North", 0],
    ["pc-2", "(none)", 1],
  ]);
  expect(one.entries).toMatchObject([
    { contentId: CONTENT, wanted: 1, fetching: 1, lanInBytes: 300 },
  ]);
  expect(one.sums).toMatchObject({ wanted: 1, lanInBytes: 300 });
  expect(way.entries.map(({ office, wanted }) => [office, wanted])).toEqual([
    ["Central", 1],
    ["North", 1],
    ["Far North", 0],
  ]);
  await expect(show({ type: "driver" })).resolves.toMatchObject({ sums: { wanted: 0 } });
});

test("C2: it is sorted, paged, and refuses what is not there", async () => {
  const first = await show({ by: "device", sort: "-waiting", limit: 1 });
  const { next = "" } = first;
  const second = await show({ by: "device", sort: "-waiting", limit: 1, cursor: next });

  expect([...first.entries, ...second.entries].map(({ hostName }) => hostName)).toEqual([
    "pc-2",
    "pc-1",
  ]);
  await expect(show({ office: "Nowhere" })).rejects.toMatchObject({ code: "office-unknown" });
  await expect(show({ device: "dd".repeat(16) })).rejects.toMatchObject({ code: "device-unknown" });
  await expect(show({ content: "dddddddd" })).rejects.toMatchObject({ code: "content-unknown" });
});

function show(query: QueryOf<typeof SERVER_ROUTES.showDistribution>) {
  return client.call(SERVER_ROUTES.showDistribution, { query });
}
