import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { OperatorError } from "../../src/runtime/operator-error.ts";
import type { Site } from "../net/internet.ts";
import { waitFor } from "../organisation/waiting.ts";
import type { Stage } from "../stage.ts";
import type { BadManner } from "./bad-origin.ts";
import { configureNginx, hasNginx, NGINX_PACKAGE } from "./nginx.ts";

const BAD_ORIGIN = fileURLToPath(new URL("bad-origin.ts", import.meta.url));

/** A web server that serves a folder. */
export type WebServer = {
  /** What devices are told. */
  readonly location: string;
  /** Where packages are put. */
  readonly packages: string;
  kill(): void;
};

/** Makes sure that nginx is here. @throws OperatorError `bench-tools`. */
export function checkNginx(): void {
  if (hasNginx()) return;
  throw new OperatorError(
    "bench-tools",
    `Not installed: nginx. On Debian: apt-get install ${NGINX_PACKAGE}.`,
  );
}

/** Starts an nginx with little more than a folder to its name. */
export async function startNginx(stage: Stage, site: Site): Promise<WebServer> {
  const folder = join(stage.folder, "nginx");
  const packages = join(folder, "packages");
  await mkdir(packages, { recursive: true });
  const nginx = await configureNginx(folder, [
    `access_log ${join(folder, "access.log")};`,
    `server { listen ${site.address}:80; root ${folder}; }`,
  ]);
  return await start(stage, { site, packages, ...nginx });
}

/** Starts a web server that misbehaves in one manner. */
export async function startBadOrigin(
  stage: Stage,
  site: Site,
  manner: BadManner,
): Promise<WebServer> {
  const packages = join(stage.folder, manner);
  await mkdir(packages);
  const ready = join(stage.folder, `${manner}.ready`);
  const command = [process.execPath, BAD_ORIGIN, manner, site.address, packages, ready];
  return await start(stage, { site, packages, command, ready });
}

async function start(
  stage: Stage,
  given: {
    readonly site: Site;
    readonly packages: string;
    readonly command: readonly string[];
    /** A file that is there once the server listens. */
    readonly ready: string;
  },
): Promise<WebServer> {
  const { site, packages, command, ready } = given;
  const child = spawn("ip", ["netns", "exec", site.namespace, ...command], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr = `${stderr}${text}`.slice(-LAST_WORDS_LENGTH);
  });
  const kill = (): void => {
    child.kill("SIGKILL");
  };
  stage.own({ kill, ended: ended(child) });
  await waitFor(
    `${command[0]} to listen`,
    () => {
      if (child.exitCode === null && child.signalCode === null)
        return existsSync(ready) || undefined;
      throw new OperatorError("bench-program", `${command[0]} ended: ${stderr.trim()}`);
    },
    stage,
  );
  return { location: `http://${site.address}/packages`, packages, kill };
}

const LAST_WORDS_LENGTH = 1_000;

async function ended(child: ChildProcess): Promise<void> {
  await once(child, "close");
}
