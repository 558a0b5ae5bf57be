// Enrols several devices from one computer: enrol-all.ts SERVER KEY FINGERPRINT PUBLISHER DATA...
// Writes their ids as JSON. A process for each would use a processor for half a second.
import { enableCompileCache } from "node:module";
import { fileURLToPath } from "node:url";

// The same as the executable's. A program that is killed keeps nothing of what it has compiled:
// we end in peace, and compile what agents will need.
enableCompileCache(fileURLToPath(new URL("../../node_modules/.cache/compiled", import.meta.url)));
const { enrolTheAgent } = await import("../../src/cli/parts.ts");
const { agentSettings } = await import("../../src/cli/settings-flags.ts");
for (const module of ["../../src/cli/main.ts", "../../src/agent/program.ts", "pino"]) {
  await import(module);
}

const [server = "", key = "", fingerprint = "", publisher = "", ...folders] = process.argv.slice(2);
const io = { stdout: process.stdout, stderr: process.stderr, environment: {} };
const enrolment = { server, key, fingerprint, publisherFiles: [publisher] };
const deviceIds: string[] = [];
for (const data of folders) {
  const { deviceId } = await enrolTheAgent(agentSettings({ data }, io), enrolment);
  deviceIds.push(deviceId);
}
process.stdout.write(`${JSON.stringify(deviceIds)}\n`);
