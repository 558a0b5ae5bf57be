import { OperatorError } from "../../src/runtime/operator-error.ts";
import { isThere, type Tool } from "./commands.ts";

/** The tools without which there is no network, and the Debian packages that bring them. */
const TOOLS: readonly (readonly [tool: Tool, debianPackage: string])[] = [
  ["ip", "iproute2"],
  ["tc", "iproute2"],
  ["nft", "nftables"],
  ["sysctl", "procps"],
  ["mount", "mount"],
];

/** Makes sure that networks can be made here. @throws OperatorError that says what is missing. */
export function checkRequirements(): void {
  if (process.platform !== "linux") {
    throw new OperatorError(
      "bench-platform",
      `Benches need the network namespaces of Linux; this is ${process.platform}.`,
    );
  }
  if (process.getuid?.() !== 0) {
    throw new OperatorError(
      "bench-root",
      "Benches make network namespaces, which only root may: run this with sudo.",
    );
  }
  const missing = TOOLS.filter(([tool]) => !isThere(tool));
  if (missing.length === 0) return;
  const names = missing.map(([tool]) => tool).join(", ");
  const packages = [...new Set(missing.map(([, name]) => name))].join(" ");
  throw new OperatorError(
    "bench-tools",
    `Not installed: ${names}. On Debian: apt-get install ${packages}.`,
  );
}
