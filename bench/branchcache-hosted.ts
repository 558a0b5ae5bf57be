import { type ChildProcess, spawn } from "node:child_process";
import { randomFillSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Segment } from "../src/branchcache/content-information.ts";
import { fetchWith } from "./branchcache/clients.ts";
import { fillHostedCache } from "./branchcache/fill.ts";
import { digits } from "./figures.ts";
import type { Bench, Stage } from "./stage.ts";
import { configureNginx } from "./web/nginx.ts";
import { checkNginx } from "./web/web-server.ts";

/** How many clients there are, each with a connection of its own. */
const CLIENTS = 64;

/** The most memory that the hosted cache may have. */
const RSS_BYTES_MAX = 300 << 20;

/** Where the two servers listen; nobody else is on this network. */
const ADDRESS = "127.77.72.1";
const HOSTED_PORT = 8_080;
const NGINX_PORT = 8_081;

const EXECUTABLE = fileURLToPath(new URL("../bin/branchline.js", import.meta.url));

/** What a hosted cache serves, beside a web server with the same bytes. */
export const BRANCHCACHE_HOSTED: Bench = {
  claim: "a hosted cache under 64 clients that fetch a package, beside nginx; at most 300 MiB",
  sizeText: "1GiB",
  simulated: true,
  copies: 4,
  devices: CLIENTS,
  run: async (stage) => {
    checkNginx();
    const { sizeBytes } = stage.options;
    const content = randomFillSync(new Uint8Array(sizeBytes));
    const web = join(stage.folder, "web");
    await mkdir(web);
    await writeFile(join(web, "package"), content);
    const nginx = await startNginx(stage, web);
    const plain = await fetchWith({ host: ADDRESS, port: NGINX_PORT, clients: CLIENTS, sizeBytes });
    await nginx();
    const rows: object[] = [{ server: "nginx", ...figures(plain, sizeBytes) }];
    let isSmall = true;
    for (const version of [1, 2] as const) {
      const folder = join(stage.folder, `hosted-${version}`);
      const segments = fillHostedCache(folder, version, content);
      const hosted = await startHostedCache(stage, folder);
      const seconds = await fetchSegments(segments);
      const peakRssBytes = peakRss(hosted.pid);
      isSmall &&= peakRssBytes <= RSS_BYTES_MAX;
      const kind = version === 1 ? "checked, version 1" : "as it came, version 2";
      rows.push({ server: kind, ...figures(seconds, sizeBytes), peakRssBytes });
      stage.say(JSON.stringify(rows.at(-1)));
      await hosted.end();
    }
    return { ok: isSmall, clients: CLIENTS, sizeBytes, rows };
  },
};

async function fetchSegments(segments: readonly Segment[]): Promise<number> {
  return await fetchWith({ host: ADDRESS, port: HOSTED_PORT, clients: CLIENTS, segments });
}

function figures(seconds: number, sizeBytes: number): object {
  return { seconds: digits(seconds, 2), megabytesPerSecond: digits(sizeBytes / seconds / 1e6, 0) };
}

async function startNginx(stage: Stage, root: string): Promise<() => Promise<void>> {
  const folder = join(stage.folder, "nginx");
  await mkdir(folder);
  const { command } = await configureNginx(folder, [
    "access_log off;",
    "keepalive_requests 1000000;",
    `server { listen ${ADDRESS}:${NGINX_PORT}; root ${root}; }`,
  ]);
  return (await start(stage, command, NGINX_PORT)).end;
}

async function startHostedCache(stage: Stage, folder: string) {
  const settings = [`network.address=${ADDRESS}`, `network.port=${HOSTED_PORT}`];
  settings.push("cache.disk_percent=100", "cache.max_age_days=0");
  const args = ["hosted-cache", "run", "--data", folder, "--exit-with-parent"];
  const set = settings.flatMap((setting) => ["--set", setting]);
  return await start(stage, [process.execPath, EXECUTABLE, ...args, ...set], HOSTED_PORT);
}

/** Starts a program and waits until it listens. */
async function start(stage: Stage, command: readonly string[], port: number) {
  const [program = "", ...args] = command;
  const child = spawn(program, args, { stdio: ["pipe", "ignore", "ignore"] });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  stage.own({ kill: () => void child.kill("SIGKILL"), ended });
  while (!(await isListening(port))) await new Promise((resolve) => setTimeout(resolve, 50));
  const end = async (): Promise<void> => {
    child.kill("SIGTERM");
    await ended;
  };
  return { pid: pidOf(child), end };
}

function pidOf(child: ChildProcess): number {
  return child.pid ?? 0;
}

async function isListening(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(port, ADDRESS, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}

function peakRss(pid: number): number {
  const [, kib = "0"] = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return 1_024 * Number(kib);
}
