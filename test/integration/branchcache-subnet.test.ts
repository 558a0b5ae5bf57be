import { mkdir, mkdtemp, open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { DownloadReport } from "../../src/peerdist/branchcache-program.ts";
import { branchCacheCrypto as crypto } from "../../src/peerdist/node-crypto.ts";
import { type CommandOptions, Program, runForJson } from "./support/programs.ts";
import { lackOfNamespaces, Subnet } from "./support/subnet.ts";
import { waitFor } from "./support/waiting.ts";

const lacking = lackOfNamespaces();
const SIZE = 6 * 1_048_576 + 11;
const PORT = 8_445;

const why = lacking === undefined ? "" : ` (${lacking})`;
let world: World;

beforeAll(async () => {
  if (lacking === undefined) world = await World.make();
});
afterAll(async () => {
  if (lacking === undefined) await world.remove();
});

describe.skipIf(lacking !== undefined)(`honest peers of one subnet${why}`, () => {
  test("PD1, RR14: what one has, all others get from it, found by multicast", async () => {
    const first = await world.stay(2);
    const second = await world.download(3);
    const served = await world.servedBy(first.name, SIZE);

    expect(first.report.bytes).toEqual({ own: 0, peer: 0, hosted: 0, server: SIZE });
    expect(second.bytes).toEqual({ own: 0, peer: SIZE, hosted: 0, server: 0 });
    // Over IPv4, and over IPv6 once the network is ready for that.
    expect([1, 2]).toContain(second.peers);
    expect(served["Retrieval: Bytes served"]).toBe(SIZE);
    expect(served["Discovery: Probes answered"]).toBeGreaterThan(0);
  });

  test("RR17: two peers with different halves have all of it together", async () => {
    const a = await world.stay(2);
    const b = await world.stay(3);
    const names = (await segmentFiles(a.segments)).map((file) => file.slice(-64)).toSorted();
    const half = new Set(names.filter((_, index) => index % 2 === 0));
    for (const file of await segmentFiles(a.segments))
      if (half.has(file.slice(-64))) await rm(file);
    for (const file of await segmentFiles(b.segments))
      if (!half.has(file.slice(-64))) await rm(file);
    const report = await world.download(5);

    expect(report.bytes).toEqual({ own: 0, peer: SIZE, hosted: 0, server: 0 });
    expect(report.peers).toBeGreaterThanOrEqual(2);
  });

  test("PD1: who is alone has everything from the server", async () => {
    const report = await world.download(6);

    expect(report.bytes).toEqual({ own: 0, peer: 0, hosted: 0, server: SIZE });
    expect(report.peers).toBe(0);
  });
});

describe.skipIf(lacking !== undefined)(`peers with faults${why}`, () => {
  test("RR17: what rots at a peer is fetched from the server, the rest from the peer", async () => {
    const peer = await world.stay(2);
    const rotten = await spoil(peer.segments, 10);
    const { bytes, badBlocks } = await world.download(4);

    expect(rotten).toBe(10);
    expect(bytes.peer + bytes.server).toBe(SIZE);
    expect(bytes.server).toBeGreaterThan(0);
    expect(bytes.peer).toBeGreaterThan(SIZE / 2);
    expect(badBlocks).toBe(0);
  });

  test("RR15: a peer that is stopped costs seconds, and no byte", async () => {
    const { program } = await world.stay(2);
    program.process.kill("SIGSTOP");
    onTestFinished(() => void program.process.kill("SIGCONT"));
    const report = await world.download(6);

    expect(report.bytes).toEqual({ own: 0, peer: 0, hosted: 0, server: SIZE });
    expect(report.seconds).toBeLessThan(15);
  });
});

/** A peer that serves on. */
type Staying = {
  readonly name: string;
  readonly program: Program;
  readonly report: DownloadReport;
  /** Where its segments lie. */
  readonly segments: string;
};

/** A subnet of six computers; the first has a content server with one file. */
class World {
  readonly #home: string;
  readonly #content: Uint8Array;
  readonly #subnet: Subnet;
  readonly #server: Program;
  #names = 0;

  static async make(): Promise<World> {
    const home = await mkdtemp(join(tmpdir(), "branchline-subnet-"));
    const content = crypto.randomBytes(SIZE);
    await mkdir(join(home, "files"));
    await writeFile(join(home, "files", "a"), content);
    const subnet = new Subnet(6);
    const data = ["--data", join(home, "server")];
    const args = ["content-server", "run", "--dir", join(home, "files"), ...data];
    const [first] = subnet.hosts;
    const server = Program.start(args, { home, namespace: first?.namespace ?? "" });
    await waitFor("the hashes", () => server.events.find(({ msg }) => msg === "content-hashed"));
    return new World(home, content, subnet, server);
  }

  private constructor(home: string, content: Uint8Array, subnet: Subnet, server: Program) {
    this.#home = home;
    this.#content = content;
    this.#subnet = subnet;
    this.#server = server;
  }

  async remove(): Promise<void> {
    await this.#server.end();
    this.#subnet.remove();
    await rm(this.#home, { recursive: true });
  }

  /** Fetches the file on one of the computers, with an empty cache. */
  async download(number: number): Promise<DownloadReport> {
    const name = this.#name();
    const report = await runForJson<DownloadReport>(this.#args(name), this.#at(number));
    expect(Buffer.compare(await readFile(this.#path(`${name}.out`)), this.#content)).toBe(0);
    return report;
  }

  /** The same, and serves on until the test is over. */
  async stay(number: number): Promise<Staying> {
    const name = this.#name();
    const program = Program.start([...this.#args(name), "--stay", "--json"], this.#at(number));
    onTestFinished(async () => void (await program.end()));
    await waitFor("the download", () => program.stdout.includes("\n") || undefined);
    const report = JSON.parse(program.stdout) as DownloadReport;
    return { name, program, report, segments: join(this.#path(name), "segments") };
  }

  async servedBy(name: string, wanted: number): Promise<Record<string, number>> {
    const args = ["branchcache", "counters", "--data", this.#path(name)];
    return await waitFor("what was served", async () => {
      const all = await runForJson<Record<string, number>>(args, { home: this.#home });
      return (all["Retrieval: Bytes served"] ?? 0) >= wanted ? all : undefined;
    });
  }

  #name(): string {
    this.#names += 1;
    return `peer-${this.#names}`;
  }

  #path(name: string): string {
    return join(this.#home, name);
  }

  #at(number: number): CommandOptions {
    return { home: this.#home, namespace: this.#subnet.hosts[number - 1]?.namespace ?? "" };
  }

  #args(name: string): readonly string[] {
    const url = `http://${this.#subnet.hosts[0]?.address}:${PORT}/content/a`;
    const folder = ["--data", this.#path(name)];
    return ["branchcache", "get", url, "--out", this.#path(`${name}.out`), ...folder];
  }
}

async function segmentFiles(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((one) => join(one.parentPath, one.name));
}

/** Changes one byte in each of so many files. Gives how many there were. */
async function spoil(folder: string, count: number): Promise<number> {
  const files = (await segmentFiles(folder)).slice(0, count);
  for (const file of files) {
    const handle = await open(file, "r+");
    const byte = new Uint8Array(1);
    await handle.read(byte, 0, 1, 100);
    await handle.write(Uint8Array.of((byte[0] ?? 0) ^ 1), 0, 1, 100);
    await handle.close();
  }
  return files.length;
}
