import { afterEach, beforeEach, expect, test } from "vitest";
import type { QueryOf } from "../../api/route.ts";
import { SERVER_ROUTES } from "../../api/server-routes.ts";
import type { ContentId } from "../../base/ids.ts";
import type { ApiClient } from "../../runtime/http/client.ts";
import { closeFixture, openFixture } from "./test-fixture.ts";
import { CONTENT, DEVICE, type TestServer } from "./test-server.ts";

const SECOND_CONTENT = `c2${"0".repeat(62)}` as ContentId;

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
  // The content has 1,000 bytes, and was published by DEVICE, which is in the North.
  server.report({ state: "complete", lanOutBytes: 1_000 });
  const one = server.join("pc-2", "10.1.0.7");
  const two = server.join("pc-3", "10.1.0.8");
  const far = server.join("pc-4", "10.2.0.9");
  server.say(one, { state: "complete", wanInBytes: 700, originInBytes: 50, cacheInBytes: 250 });
  server.say(two, { state: "complete", lanInBytes: 1_000 });
  server.say(far, { state: "complete", wanInBytes: 1_000 });
});

afterEach(() => closeFixture({ folder, server }));

test("A5, D6: an application's bytes by source, and what a copy for each device would have cost", async () => {
  const { entries, sums } = await show({});

  expect(entries).toEqual([
    {
      ...{ contentId: CONTENT, name: "tool", version: "1.0", sizeBytes: 1_000, holders: 3 },
      ...{ cacheInBytes: 250, peerInBytes: 2_700, lanInBytes: 1_000, wanInBytes: 1_700 },
      ...{ hostedInBytes: 0, originInBytes: 50, servedBytes: 1_000 },
      // Three copies into the North, of which one goes on to the Far North.
      ...{ unicastBytes: 4_000, lineBytes: 1_750, savedBytes: 2_250, savedPercent: 56.3 },
    },
  ]);
  expect(sums).toMatchObject({ holders: 3, unicastBytes: 4_000, savedBytes: 2_250 });
});

test("A5: of an office with those below it, and of one office alone where there is none below", async () => {
  await expect(show({ office: "North" })).resolves.toMatchObject({ sums: { unicastBytes: 4_000 } });
  await expect(show({ office: "Far North" })).resolves.toMatchObject({
    sums: { holders: 1, unicastBytes: 1_000, lineBytes: 1_000, savedBytes: 0, savedPercent: 0 },
  });
});

test("A5: device by device, and one device alone", async () => {
  const { entries } = await show({ by: "device" });
  const alone = await show({ device: DEVICE });

  expect(
    entries.map(({ hostName, holders, unicastBytes, savedBytes }) => [
      hostName,
      holders,
      unicastBytes,
      savedBytes,
    ]),
  ).toEqual([
    ["pc-1", 0, 0, 0],
    ["pc-2", 1, 1_000, 250],
    ["pc-3", 1, 1_000, 1_000],
    ["pc-4", 1, 1_000, 0],
  ]);
  expect(alone.sums).toMatchObject({ holders: 0, servedBytes: 1_000, unicastBytes: 0 });
});

test("A5: versions of one name are one application, and figures are sorted and filtered", async () => {
  await server.publish(SECOND_CONTENT);

  const versions = await show({ name: "tool", sort: "-line" });
  const application = await show({ by: "application" });

  expect(versions.entries.map(({ contentId, lineBytes }) => [contentId, lineBytes])).toEqual([
    [CONTENT, 1_750],
    [SECOND_CONTENT, 0],
  ]);
  expect(application.entries).toMatchObject([{ name: "tool", versions: 2, lineBytes: 1_750 }]);
  await expect(show({ name: "other" })).resolves.toMatchObject({ entries: [], total: 0 });
  await expect(show({ content: "c2000000" })).resolves.toMatchObject({ total: 1 });
  await expect(show({ office: "Nowhere" })).rejects.toMatchObject({ code: "office-unknown" });
});

test("A5: the figures for Prometheus add all of it up", async () => {
  const text = await server.live?.metrics.text();

  expect(text).toContain('branchline_piece_bytes{source="own_cache"} 250');
  expect(text).toContain('branchline_piece_bytes{source="wan"} 1700');
  expect(text).toContain('branchline_piece_bytes{source="served"} 1000');
});

function show(query: QueryOf<typeof SERVER_ROUTES.showStatistics>) {
  return client.call(SERVER_ROUTES.showStatistics, { query });
}
