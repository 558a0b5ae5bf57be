import { spawnSync } from "node:child_process";

/** Kills whatever still runs in a network namespace, and removes it; nothing where there is none. */
export function removeNamespace(name: string): void {
  // A stopped process does not see that its parent is gone, and would keep the namespace alive.
  const { stdout } = spawnSync("ip", ["netns", "pids", name], { encoding: "utf8" });
  for (const pid of (stdout ?? "").split("\n").filter(Boolean).map(Number)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has ended meanwhile.
    }
  }
  spawnSync("ip", ["netns", "del", name], { stdio: "ignore" });
}
