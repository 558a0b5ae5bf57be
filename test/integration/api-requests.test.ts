import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { askManyThings } from "./support/api-requests.ts";
import { ApiServer } from "./support/api-server.ts";

test("2,000 requests made from the OpenAPI document, good and bad, are answered as it says", async () => {
  const folder = await mkdtemp(join(tmpdir(), "bl-"));
  const server = await ApiServer.start(folder, 500);
  try {
    const { wrong, statuses, operations } = await askManyThings(server, { count: 2_000, seed: 1 });

    expect(wrong).toEqual([]);
    expect([...statuses.keys()]).toEqual(expect.arrayContaining([200, 201, 400, 401, 404, 405]));
    expect(operations.size).toBeGreaterThan(25);
  } finally {
    expect(await server.stop()).toEqual([]);
    await rm(folder, { recursive: true });
  }
});
