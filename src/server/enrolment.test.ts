import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { DeviceId } from "../base/ids.ts";
import { type Authority, createAuthority } from "../runtime/identity/authority.ts";
import { createSigningRequest } from "../runtime/identity/keys.ts";
import { ServerDatabase } from "./database.ts";
import { decideEnrolment } from "./enrolment.ts";

const NOW_MS = 1_800_000_000_000;

let folder: string;
let database: ServerDatabase;
let authority: Authority;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "branchline-enrolment-"));
  const path = join(folder, "server.db");
  database = await ServerDatabase.create({ kind: "sqlite", path }, "Acme");
  authority = await createAuthority("Acme", NOW_MS / 1_000);
});
afterEach(async () => {
  await database.close();
  await rm(folder, { recursive: true });
});

test("EN14: a request that a certificate speaks for needs no key; a stranger's needs a good one", async () => {
  const key = await database.securityKeys.create(NOW_MS, { usesMax: 1 });

  expect(await decide(undefined)).toMatchObject({ kind: "enrolled", organisation: "Acme" });
  expect(await decide("")).toMatchObject({ kind: "refused", code: "security-key-wrong" });
  // The request without a key has used none up.
  expect(await decide(key)).toMatchObject({ kind: "enrolled" });
  expect(await decide(key)).toMatchObject({ kind: "refused", code: "security-key-used-up" });
});

async function decide(securityKey: string | undefined) {
  const { requestDer } = await createSigningRequest();
  const parts = { securityKeys: database.securityKeys, authority };
  const who = { hostName: "pc-1", machineId: "m1", host: "10.0.0.5", request: requestDer };
  const deviceId = "ab".repeat(16) as DeviceId;
  const key = securityKey === undefined ? {} : { securityKey };
  return await decideEnrolment(parts, { ...who, ...key, deviceId }, NOW_MS);
}
