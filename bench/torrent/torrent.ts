import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { KIB } from "../../src/base/units.ts";
import { OperatorError } from "../../src/runtime/operator-error.ts";
import { writeRandomFile } from "../content/random-file.ts";
import { digits } from "../figures.ts";
import { type Host, Network } from "../net/network.ts";
import { shapePorts } from "../net/ports.ts";
import { processorSeconds } from "../organisation/programs.ts";
import { waitAtMost } from "../organisation/waiting.ts";
import type { Stage } from "../stage.ts";
import { hasLibtorrent, LIBTORRENT_PACKAGE, PYTHON } from "./libtorrent.ts";

const SCRIPT = fileURLToPath(new URL("torrent.py", import.meta.url));

/** About the size of our own pieces. */
const PIECE_BYTES = 256 * KIB;

const PORT = "6881";

/** The same swarm with libtorrent: a seed and so many devices behind ports of the same rate. */
export async function showTorrent(
  stage: Stage,
  what: { readonly boundSeconds: number; readonly devices: number },
): Promise<object> {
  if (!hasLibtorrent()) {
    stage.say(`libtorrent is not there (Debian: ${LIBTORRENT_PACKAGE}): nothing to compare with`);
    return { missing: LIBTORRENT_PACKAGE };
  }
  const { boundSeconds, devices } = what;
  const { rateBitsPerS, sizeBytes } = stage.options;
  await stage.clear();
  const folders = Array.from({ length: devices + 1 }, (_, index) =>
    join(stage.folder, `torrent-${index}`),
  );
  for (const folder of folders) await mkdir(folder);
  const file = join(folders[0] ?? "", "random.bin");
  await writeRandomFile(file, sizeBytes);
  const offices = [{ name: "Torrent", devices: devices + 1 }];
  const network = await Network.make({ offices, rateBitsPerS }, stage.namespaces);
  await shapePorts(network, rateBitsPerS);
  const torrent = join(stage.folder, "random.torrent");
  const made = spawnSync(PYTHON, [SCRIPT, "make", file, torrent, String(PIECE_BYTES)]);
  if (made.status !== 0) throw new OperatorError("bench-program", made.stderr.toString());
  const peers: TorrentPeer[] = [];
  for (const [index, host] of network.devices.entries()) {
    const folder = folders[index] ?? "";
    // Each begins what joins it with those before it: two of them need one connection.
    const others = network.devices.slice(0, index).map(({ address }) => address);
    peers.push(TorrentPeer.start(stage, { host, torrent, folder, others }));
  }
  return await measure(stage, peers, { boundSeconds, sizeBytes });
}

async function measure(
  stage: Stage,
  peers: readonly TorrentPeer[],
  { boundSeconds, sizeBytes }: { readonly boundSeconds: number; readonly sizeBytes: number },
): Promise<object> {
  const { signal, options } = stage;
  const all = async (what: (peer: TorrentPeer) => boolean, patienceMs: number) =>
    await waitAtMost(() => peers.every(what) || undefined, { signal, patienceMs });
  await all(({ ready }) => ready, 60_000);
  stage.say(`a swarm of libtorrent is ready: ${peers.length} peers`);
  const startMs = performance.now();
  for (const peer of peers) peer.go();
  const done = await all((peer) => peer.done, options.patienceMs);
  const seconds = (performance.now() - startMs) / 1000;
  const cpuSeconds = peers.reduce((sum, { pid }) => sum + processorSeconds(pid), 0);
  const uploaded = await Promise.all(peers.map((peer) => peer.end()));
  return {
    finished: peers.filter((peer) => peer.done).length - 1,
    seconds: digits(seconds, 2),
    ratio: done === undefined ? undefined : digits(seconds / boundSeconds, 3),
    seedCopies: digits((uploaded[0] ?? 0) / sizeBytes, 3),
    cpuSeconds: digits(cpuSeconds, 1),
  };
}

/** One process of libtorrent. */
class TorrentPeer {
  readonly #child: ChildProcess;
  ready = false;
  done = false;
  #uploaded = 0;

  static start(
    stage: Stage,
    what: {
      readonly host: Host;
      readonly torrent: string;
      readonly folder: string;
      readonly others: readonly string[];
    },
  ): TorrentPeer {
    const { host, torrent, folder, others } = what;
    const script = [PYTHON, SCRIPT, "run", torrent, folder, host.address, PORT, ...others];
    const child = spawn("ip", ["netns", "exec", host.namespace, ...script], {
      stdio: ["pipe", "pipe", "ignore"],
    });
    const peer = new TorrentPeer(child);
    const ended = once(child, "close").then(() => {});
    stage.own({ kill: () => child.kill("SIGKILL"), ended });
    return peer;
  }

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.stdin?.on("error", () => {});
    if (child.stdout === null) return;
    createInterface({ input: child.stdout }).on("line", (line) => {
      const [word, number] = line.split(" ");
      if (word === "ready") this.ready = true;
      else if (word === "done") this.done = true;
      else if (word === "uploaded") this.#uploaded = Number(number);
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Lets it connect to the others. */
  go(): void {
    this.#child.stdin?.write("\n");
  }

  /** Ends it; gives how many bytes of pieces it has uploaded. */
  async end(): Promise<number> {
    const closed = once(this.#child, "close");
    this.#child.stdin?.end();
    await closed;
    return this.#uploaded;
  }
}
