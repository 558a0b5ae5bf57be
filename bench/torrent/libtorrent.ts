import { spawnSync } from "node:child_process";

/** The system's Python, which has libtorrent where Debian's package is installed. */
export const PYTHON = "/usr/bin/python3";

/** What Debian calls it. */
export const LIBTORRENT_PACKAGE = "python3-libtorrent";

/** Whether libtorrent is on this machine. */
export function hasLibtorrent(): boolean {
  return spawnSync(PYTHON, ["-c", "import libtorrent"], { stdio: "ignore" }).status === 0;
}
