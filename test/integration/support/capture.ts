import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { open, readFile } from "node:fs/promises";
import { onTestFinished } from "vitest";
import { waitFor } from "./waiting.ts";

/** How much the kernel keeps for us while we are not looking, in KiB. */
const BUFFER_KIB = 131_072;

/** A capture under way. */
export type Capture = {
  /**
   * Waits until these bytes have been seen, which must have been sent last, ends it, and gives the
   * whole capture file.
   *
   * @throws Error where packets are missing.
   */
  stopAfter(last: Uint8Array): Promise<Buffer>;
};

/** Why this machine cannot capture packets; `undefined` where it can. */
export function lackOfCapture(): string | undefined {
  const tried = spawnSync("tcpdump", ["-i", "lo", "-c", "1", "-w", "/dev/null", "less 0"], {
    timeout: 2_000,
    encoding: "utf8",
  });
  if (tried.error !== undefined && "code" in tried.error && tried.error.code === "ENOENT") {
    return "needs tcpdump, which is not installed";
  }
  // Where it may capture it goes on until it is told to end.
  if (/listening on/.test(tried.stderr)) return undefined;
  return "tcpdump may not capture here: run it as root";
}

/** Captures every packet to or from these subnets on the loopback interface into a file. */
export async function startCapture(subnets: readonly string[], file: string): Promise<Capture> {
  const filter = subnets.map((subnet) => `net ${subnet}`).join(" or ");
  const args = ["-i", "lo", "-s", "0", "-U", "-B", String(BUFFER_KIB), "-w", file];
  // It keeps its rights, else it could not write into a folder that is ours alone.
  const tcpdump = spawn("tcpdump", [...args, "-Z", "root", filter], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  onTestFinished(() => void tcpdump.kill("SIGKILL"));
  const said = textOf(tcpdump);
  await waitFor("tcpdump to listen", () => /listening on/.test(said.text) || undefined);
  return {
    stopAfter: async (last) => {
      await waitFor(
        "the last packet",
        async () => (await tailOf(file)).includes(Buffer.from(last)) || undefined,
      );
      const ended = once(tcpdump, "close");
      tcpdump.kill("SIGINT");
      await ended;
      if (!/^0 packets dropped by kernel/m.test(said.text)) throw new Error(said.text);
      return await readFile(file);
    },
  };
}

/** Sends one datagram in clear, so that it can be seen that a capture sees what there is. */
export async function sendInClear(from: string, to: string, bytes: Uint8Array): Promise<void> {
  const socket = createSocket("udp4");
  socket.bind(0, from);
  await once(socket, "listening");
  await new Promise((resolve) => socket.send(bytes, 9, to, resolve));
  socket.close();
}

/**
 * Looks in `haystack` for runs of `runBytes` bytes that begin at every `everyBytes`-th byte of
 * `source`. Gives the offsets in `source` of those that are there.
 */
export function runsIn(
  haystack: Uint8Array,
  source: Uint8Array,
  { runBytes, everyBytes }: { readonly runBytes: number; readonly everyBytes: number },
): readonly number[] {
  const starts = new Map<number, number[]>();
  const begins = new Uint8Array(1 << 24);
  for (let at = 0; at + runBytes <= source.length; at += everyBytes) {
    const word = wordAt(source, at);
    begins[word >>> 8] = 1;
    starts.set(word, [...(starts.get(word) ?? []), at]);
  }
  const found = new Set<number>();
  for (let at = 0; at + runBytes <= haystack.length; at += 1) {
    const word = wordAt(haystack, at);
    if (begins[word >>> 8] === 0) continue;
    for (const start of starts.get(word) ?? []) {
      const run = source.subarray(start, start + runBytes);
      if (run.every((byte, index) => byte === haystack[at + index])) found.add(start);
    }
  }
  return [...found];
}

async function tailOf(path: string): Promise<Buffer> {
  await using file = await open(path);
  const { size } = await file.stat();
  const tail = Buffer.alloc(Math.min(size, TAIL_BYTES));
  await file.read(tail, 0, tail.length, size - tail.length);
  return tail;
}

/** Within how many bytes of a capture its last packets are. */
const TAIL_BYTES = 1_000_000;

function wordAt(bytes: Uint8Array, at: number): number {
  const [a = 0, b = 0, c = 0, d = 0] = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
}

function textOf(child: ChildProcess): { readonly text: string } {
  const said = { text: "" };
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    said.text += text;
  });
  return said;
}
