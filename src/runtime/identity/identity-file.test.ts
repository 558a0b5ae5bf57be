import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { parseDeviceId } from "../../base/ids.ts";
import { type Authority, createAuthority, issueDeviceCertificate } from "./authority.ts";
import type { Identity } from "./identity.ts";
import { loadAuthority, loadIdentity, saveAuthority, saveIdentity } from "./identity-file.ts";
import { createPrivateKeyPem, createSigningRequest } from "./keys.ts";

const NOW_S = 1_800_000_000;
const authority = await createAuthority("Müller & Söhne", NOW_S);
const identity = await identityOf(authority);
let folder = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "branchline-identity-"));
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

test("an identity comes back from its file as it went in", async () => {
  const path = join(folder, "made", "on", "demand", "identity.pem");

  await saveIdentity(path, identity);

  expect(await loadIdentity(path)).toEqual(identity);
});

test("an authority comes back from its file, with the organisation's name", async () => {
  const path = join(folder, "authority.pem");

  await saveAuthority(path, authority);

  expect(await loadAuthority(path)).toEqual(authority);
});

test.skipIf(process.platform === "win32")("only the owner may read the files", async () => {
  await saveIdentity(join(folder, "identity.pem"), identity);
  await saveAuthority(join(folder, "authority.pem"), authority);

  for (const name of ["identity.pem", "authority.pem"]) {
    expect((await stat(join(folder, name))).mode & 0o777).toBe(0o600);
  }
});

test("saving replaces the old file as a whole, whatever a crash left beside it", async () => {
  const path = join(folder, "identity.pem");
  const renewed = await identityOf(authority);
  await saveIdentity(path, identity);
  await writeFile(`${path}.new`, "half of a k");
  await chmod(`${path}.new`, 0o644);

  await saveIdentity(path, renewed);

  expect(await loadIdentity(path)).toEqual(renewed);
  expect(await readdir(folder)).toEqual(["identity.pem"]);
  expect((await stat(path)).mode & 0o077).toBe(process.platform === "win32" ? 0o066 : 0);
});

test("a missing file is an error that says what to do", async () => {
  const path = join(folder, "identity.pem");

  await expect(loadIdentity(path)).rejects.toMatchObject({
    name: "OperatorError",
    code: "file-missing",
    message: `${path} does not exist: enrol this machine first.`,
  });
  await expect(loadAuthority(path)).rejects.toMatchObject({
    code: "file-missing",
    message: `${path} does not exist: set the server up first.`,
  });
});

test("a file that cannot be read is an error of its own", async () => {
  await mkdir(join(folder, "identity.pem"));

  await expect(loadIdentity(join(folder, "identity.pem"))).rejects.toMatchObject({
    code: "file-unreadable",
    message: expect.stringContaining("EISDIR"),
  });
});

test("a place where nothing can be written is an error that says what to check", async () => {
  await writeFile(join(folder, "file"), "");

  await expect(saveIdentity(join(folder, "file", "x.pem"), identity)).rejects.toMatchObject({
    code: "file-not-written",
    message: expect.stringContaining("check that its folder"),
  });
});

test("a file with anything else inside is malformed", async () => {
  const path = join(folder, "identity.pem");
  await saveIdentity(path, identity);
  const good = await readFile(path, "utf8");
  const [key = "", leaf = "", root = ""] = good.split(/(?<=END [A-Z ]+-----\n)/);
  const broken = leaf.replace(/\n.{20}/, `\n${"A".repeat(20)}`);
  const others = ["", "hello", key, key + leaf, leaf + root, key + good, key + broken + root];

  for (const text of others) {
    await writeFile(path, text);
    await expect(loadIdentity(path)).rejects.toMatchObject({ code: "identity-malformed" });
    await expect(loadAuthority(path)).rejects.toMatchObject({ code: "identity-malformed" });
  }
});

test("a key that does not belong to the certificate is refused on saving and loading", async () => {
  const path = join(folder, "identity.pem");
  const mixed = { ...identity, privateKeyPem: createPrivateKeyPem() };
  await saveIdentity(path, identity);
  const text = await readFile(path, "utf8");
  await writeFile(path, text.replace(identity.privateKeyPem, mixed.privateKeyPem));

  await expect(saveIdentity(path, mixed)).rejects.toMatchObject({ code: "identity-mismatch" });
  await expect(loadIdentity(path)).rejects.toMatchObject({
    code: "identity-mismatch",
    message: expect.stringContaining("private key does not belong"),
  });
});

test("a certificate beside another organisation's authority is refused", async () => {
  const other = await createAuthority("Other", NOW_S);
  const mixed = { ...identity, authorityDer: other.certificateDer };

  await expect(saveIdentity(join(folder, "x.pem"), mixed)).rejects.toMatchObject({
    code: "identity-mismatch",
    message: expect.stringContaining("not issued by the authority"),
  });
});

test("an authority with somebody else's key is refused", async () => {
  const path = join(folder, "authority.pem");
  await saveAuthority(path, { ...authority, privateKeyPem: createPrivateKeyPem() });

  await expect(loadAuthority(path)).rejects.toMatchObject({ code: "identity-mismatch" });
});

async function identityOf(issuer: Authority): Promise<Identity> {
  const { privateKeyPem, requestDer } = await createSigningRequest();
  const id = parseDeviceId("00112233445566778899aabbccddeeff");
  if (id === undefined) throw new Error("not a device id");
  const issued = await issueDeviceCertificate(issuer, requestDer, id, NOW_S);
  if (!issued.ok) throw new Error(issued.error.reason);
  const { certificateDer } = issued.value;
  return { privateKeyPem, certificateDer, authorityDer: issuer.certificateDer };
}
