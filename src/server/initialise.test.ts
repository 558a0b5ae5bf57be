import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { DeviceId } from "../base/ids.ts";
import { fingerprintOf } from "../runtime/identity/fingerprint.ts";
import { loadAuthority, loadIdentity } from "../runtime/identity/identity-file.ts";
import { createSigningRequest } from "../runtime/identity/keys.ts";
import { ServerDatabase } from "./database.ts";
import { decideEnrolment } from "./enrolment.ts";
import { serverFiles } from "./files.ts";
import { initialiseServer } from "./initialise.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "branchline-init-"));
});
afterEach(() => rm(folder, { recursive: true }));

test("a new server has an authority, a certificate, a database and one key that enrols", async () => {
  const data = join(folder, "deep", "server");
  const { securityKey, fingerprint } = await initialiseServer({
    data,
    organisation: "Acme",
    database: {},
  });

  const files = serverFiles(data);
  const authority = await loadAuthority(files.authority);
  const identity = await loadIdentity(files.identity);
  expect(fingerprintOf(authority.certificateDer)).toBe(fingerprint);
  expect(identity.authorityDer).toEqual(authority.certificateDer);
  expect((await stat(data)).mode & 0o777).toBe(0o700);
  const database = await ServerDatabase.open({ kind: "sqlite", path: files.database });
  const { securityKeys } = database;
  const { requestDer } = await createSigningRequest();
  const ask = (key: string, request = requestDer) =>
    decideEnrolment(
      { securityKeys, authority },
      {
        deviceId: "d1".repeat(16) as DeviceId,
        securityKey: key,
        request,
        hostName: "pc-1",
        machineId: "m1",
        host: "10.0.0.5",
      },
      Date.now(),
    );
  expect(await ask(securityKey)).toMatchObject({ kind: "enrolled", organisation: "Acme" });
  expect(await ask("A".repeat(32))).toMatchObject({ code: "security-key-wrong" });
  expect(await ask(securityKey, Uint8Array.of(1))).toMatchObject({ code: "request-malformed" });
  await database.close();
});

test("a server that is there is not overwritten", async () => {
  const data = join(folder, "server");
  const { securityKey } = await initialiseServer({ data, organisation: "Acme", database: {} });

  await expect(
    initialiseServer({ data, organisation: "Other", database: {} }),
  ).rejects.toMatchObject({
    code: "already-initialised",
  });

  const database = await ServerDatabase.open({
    kind: "sqlite",
    path: serverFiles(data).database,
  });
  expect(await database.organisation()).toBe("Acme");
  expect(await database.securityKeys.judge(securityKey, Date.now())).toBeUndefined();
  await database.close();
  expect(await readdir(data)).toEqual(["state"]);
});

test("after an error nothing is there that was not there before", async () => {
  const data = join(folder, "server");
  const bad = { data, organisation: "x".repeat(100), database: {} };
  await expect(initialiseServer(bad)).rejects.toMatchObject({ code: "organisation-name" });
  expect(await readdir(folder)).toEqual([]);

  await mkdir(data);
  await writeFile(join(data, "server.toml"), "");
  await expect(initialiseServer(bad)).rejects.toMatchObject({ code: "organisation-name" });
  expect(await readdir(data)).toEqual(["server.toml"]);

  await writeFile(join(folder, "file"), "");
  const blocked = { data: join(folder, "file"), organisation: "Acme", database: {} };
  await expect(initialiseServer(blocked)).rejects.toMatchObject({ code: "data-folder-unusable" });
});

test("what an interrupted attempt left behind does not stand in the way", async () => {
  const data = join(folder, "server");
  await mkdir(join(data, "state.new"), { recursive: true });
  await writeFile(join(data, "state.new", "server.db"), "half");

  await initialiseServer({ data, organisation: "Acme", database: {} });

  expect(await readdir(data)).toEqual(["state"]);
});
