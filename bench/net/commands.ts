import { execFile, spawnSync } from "node:child_process";
import { OperatorError } from "../../src/runtime/operator-error.ts";

/** The tools of the system that build our networks. */
export type Tool = "ip" | "tc" | "nft" | "sysctl" | "mount";

/**
 * Runs a tool of the system to its end and gives what it wrote.
 *
 * @param input - What it reads from standard input.
 * @throws OperatorError `bench-command` with its own words where it fails.
 */
export async function run(tool: Tool, args: readonly string[], input?: string): Promise<string> {
  return await new Promise((resolve, reject) => {
    const child = execFile(tool, [...args], (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(failed(tool, args, stderr.trim() || error.message));
    });
    child.stdin?.on("error", () => {});
    child.stdin?.end(input);
  });
}

/** Runs several commands of `ip` in one process, within a namespace where one is named. */
export async function runIp(
  namespace: string | undefined,
  lines: readonly string[],
): Promise<void> {
  const where = namespace === undefined ? [] : ["-n", namespace];
  await run("ip", [...where, "-batch", "-"], `${lines.join("\n")}\n`);
}

/** Runs a tool in a namespace. */
export async function runIn(
  namespace: string,
  tool: Tool,
  args: readonly string[],
  input?: string,
): Promise<string> {
  return await run("ip", ["netns", "exec", namespace, tool, ...args], input);
}

/** Whether a tool can be run at all. */
export function isThere(tool: Tool): boolean {
  return spawnSync(tool, ["-V"], { stdio: "ignore" }).error === undefined;
}

function failed(tool: Tool, args: readonly string[], why: string): OperatorError {
  return new OperatorError("bench-command", `${tool} ${args.join(" ")} failed: ${why}`);
}
