import { spawnSync } from "node:child_process";
import { closeSync, existsSync, openSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { equalBytes } from "../../src/base/bytes.ts";
import { testIdentity } from "../../src/netperf/test-identity.ts";
import { waitFor } from "../organisation/waiting.ts";
import type { Stage } from "../stage.ts";
import { hasLibtorrent, LIBTORRENT_PACKAGE, PYTHON } from "../torrent/libtorrent.ts";
import { configureNginx, hasNginx, NGINX_PACKAGE } from "../web/nginx.ts";
import { blobOf, hashFile, LAN_WORD, type LanContent, preallocate } from "./content.ts";
import { EndProgram, runEnds, runMeasured, type Transfer } from "./ends.ts";
import type { Limits } from "./limits.ts";
import type { Pair } from "./pair.ts";

/** What a row has to work with. */
export type Lan = { readonly stage: Stage; readonly pair: Pair; readonly content: LanContent };

/** What a row gives: a transfer, or why there is none. */
export type Row = (Transfer & { readonly intact: boolean }) | { readonly missing: string };

const PORT = 5_301;

const script = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** The rows by name, in the order in which they are run. */
export const ROWS = {
  branchline: (lan: Lan) => branchline(lan, {}),
  plain: (lan: Lan) => branchline(lan, { BRANCHLINE_UDP: "plain" }),
  curl,
  libtorrent,
  tls,
} as const satisfies Readonly<Record<string, (lan: Lan) => Promise<Row>>>;

export type RowName = keyof typeof ROWS;

/** Our own transport, and the verifying and writing of our own store. */
async function branchline(
  { stage, pair, content }: Lan,
  env: Readonly<Record<string, string>>,
): Promise<Row> {
  const { folder } = content;
  const store = join(stage.folder, "store");
  const at = [pair.sender.address, String(PORT)];
  const commands = {
    sender: [process.execPath, script("send.ts"), folder, ...at],
    receiver: [process.execPath, script("receive.ts"), folder, store, ...at],
  };
  const transfer = await runEnds(stage, pair, commands, { env });
  const intact = await isIntact(await blobOf(folder, store), content);
  await rm(store, { recursive: true });
  return { ...transfer, intact };
}

/** HTTPS from nginx to a file, which is hashed afterwards. */
async function curl({ stage, pair, content }: Lan): Promise<Row> {
  if (!hasNginx()) return { missing: `nginx: apt-get install ${NGINX_PACKAGE}` };
  for (const tool of ["curl", "openssl"]) {
    if (!isThere(tool)) return { missing: `${tool}: apt-get install ${tool}` };
  }
  const server = await startNginx({ stage, pair, content });
  const file = join(stage.folder, "curl.bin");
  await preallocate(file, content.sizeBytes);
  const output = openSync(file, "r+");
  const before = server.usage();
  const url = `https://${pair.sender.address}/source.bin`;
  const fetched = await runMeasured(
    new EndProgram(stage, pair.receiver, ["curl", "-s", "-S", "-k", "-f", url], { output }),
  );
  closeSync(output);
  const after = server.usage();
  const digest = ["openssl", "dgst", "-sha256", file];
  const hashed = await runMeasured(new EndProgram(stage, pair.receiver, digest));
  server.kill();
  const intact = await isIntact(file, content);
  await rm(file);
  const seconds = fetched.seconds + hashed.seconds;
  return {
    sender: {
      seconds: fetched.seconds,
      cpuSeconds: (after?.cpuS ?? 0) - (before?.cpuS ?? 0),
      peakRssBytes: after?.peakRssBytes ?? 0,
    },
    receiver: {
      seconds,
      cpuSeconds: fetched.cpuSeconds + hashed.cpuSeconds,
      peakRssBytes: Math.max(fetched.peakRssBytes, hashed.peakRssBytes),
    },
    intact,
  };
}

/** Starts an nginx that serves the folder of the content over TLS 1.3. */
async function startNginx({ stage, pair, content }: Lan): Promise<EndProgram> {
  const { folder } = stage;
  const { key, certificate } = await makeCertificate(folder);
  const { command, ready } = await configureNginx(folder, [
    "access_log off;",
    "output_buffers 2 1m;",
    "server {",
    `  listen ${pair.sender.address}:443 ssl;`,
    `  ssl_certificate ${certificate};`,
    `  ssl_certificate_key ${key};`,
    "  ssl_protocols TLSv1.3;",
    `  root ${content.folder};`,
    "}",
  ]);
  const server = new EndProgram(stage, pair.sender, command);
  await waitFor("nginx to listen", () => existsSync(ready) || undefined, stage);
  return server;
}

/** BitTorrent over TCP, without encryption: pieces of 1 MiB, SHA-1. */
async function libtorrent({ stage, pair, content }: Lan): Promise<Row> {
  if (!hasLibtorrent()) return { missing: `libtorrent: apt-get install ${LIBTORRENT_PACKAGE}` };
  const torrent = join(stage.folder, "content.torrent");
  const folder = join(stage.folder, "leech");
  const program = [PYTHON, script("bittorrent.py")];
  await new EndProgram(stage, pair.sender, [...program, "make", content.file, torrent]).finished();
  const at = [pair.sender.address, String(PORT)];
  const commands = {
    sender: [...program, "seed", content.file, torrent, ...at],
    receiver: [...program, "leech", folder, torrent, pair.receiver.address, String(PORT), ...at],
  };
  const transfer = await runEnds(stage, pair, commands);
  const intact = await isIntact(join(folder, "source.bin"), content);
  await rm(folder, { recursive: true });
  return { ...transfer, intact };
}

/** Node's TLS, hashing and writing as it comes. */
async function tls({ stage, pair, content }: Lan): Promise<Row> {
  const { key, certificate } = await makeCertificate(stage.folder);
  const file = join(stage.folder, "tls.bin");
  const at = [pair.sender.address, String(PORT)];
  const commands = {
    sender: [process.execPath, script("tls-send.ts"), content.file, ...at, key, certificate],
    receiver: [process.execPath, script("tls-receive.ts"), content.folder, file, ...at],
  };
  const transfer = await runEnds(stage, pair, commands);
  const intact = await isIntact(file, content);
  await rm(file);
  return { ...transfer, intact };
}

/** The rates that bound what anybody can reach who receives. */
export async function measureLimits({ stage, pair }: Lan): Promise<Limits> {
  const file = join(stage.folder, "limits.bin");
  const program = new EndProgram(stage, pair.receiver, [
    process.execPath,
    script("limits.ts"),
    file,
  ]);
  await program.finished();
  await rm(file);
  return program.result<Limits>();
}

async function isIntact(file: string, { sha256 }: LanContent): Promise<boolean> {
  return equalBytes(await hashFile(file), sha256);
}

async function makeCertificate(folder: string) {
  const [key, certificate] = [join(folder, "tls.key"), join(folder, "tls.crt")];
  const identity = await testIdentity(LAN_WORD, Math.floor(Date.now() / 1_000));
  const base64 = Buffer.from(identity.certificateDer).toString("base64");
  const lines = base64.match(/.{1,64}/g) ?? [];
  await writeFile(key, identity.privateKeyPem, { mode: 0o600 });
  await writeFile(
    certificate,
    ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join("\n"),
  );
  return { key, certificate };
}

function isThere(tool: string): boolean {
  return spawnSync(tool, ["--version"], { stdio: "ignore" }).error === undefined;
}
