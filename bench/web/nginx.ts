import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";

/** Where Debian has it, which is not on everybody's path. */
const NGINX = "/usr/sbin/nginx";

/** What Debian calls it. */
export const NGINX_PACKAGE = "nginx-light";

/** Whether nginx is on this machine. */
export function hasNginx(): boolean {
  return existsSync(NGINX);
}

/** How an nginx is started, and the file that is there once it listens. */
export type NginxCommand = { readonly command: readonly string[]; readonly ready: string };

/**
 * Writes the configuration of an nginx with little more than a folder to its name: one process,
 * which runs as who we are and ends with one signal.
 *
 * @param http - Lines of its `http` section.
 */
export async function configureNginx(
  folder: string,
  http: readonly string[],
): Promise<NginxCommand> {
  const [configuration, ready] = [join(folder, "nginx.conf"), join(folder, "nginx.pid")];
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  const lines = [
    "daemon off;",
    "master_process off;",
    `pid ${ready};`,
    "events {}",
    "http {",
    ...temporary.map((name) => `  ${name}_temp_path ${join(folder, name)};`),
    ...http.map((line) => `  ${line}`),
    "}",
    "",
  ];
  await writeFile(configuration, lines.join("\n"));
  const log = join(folder, "error.log");
  return { command: [NGINX, "-e", log, "-p", folder, "-c", configuration], ready };
}
