import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { Prng } from "../../src/base/prng.ts";
import { DEVICE_PORTS, SERVER_PORTS } from "../../src/effects/channels.ts";
import type { Address } from "../../src/effects/network.ts";
import { RECORD_HEADER_BYTES } from "../../src/wire/datagram.ts";
import { Forger } from "./support/forger.ts";
import { BRANCH, type Machine, Organisation } from "./support/organisation.ts";
import { hashOfFile, noise } from "./support/packages.ts";
import { type Passed, Relay } from "./support/relay.ts";
import { waitFor } from "./support/waiting.ts";

const SIZE_BYTES = 40_000_000;

/** How many datagrams of each kind. */
const NONSENSE = 100_000;
const FORGERIES = 100_000;

/** How many are sent in a row. */
const BURST = 64;

/** Slow while the attack lasts, so that it falls within the transfer; then as fast as it goes. */
const ATTACKED_MBIT = 10;
const FREE_MBIT = 400;

const RSS_MB_MAX = 300;

/** What garbage that has not been collected yet may add between two looks. */
const RSS_GROWTH_MB_MAX = 60;

test("a transfer goes on through 100,000 senseless and 100,000 forged datagrams, and nothing else changes", async ({
  annotate,
}) => {
  const relay = await Relay.open(ATTACKED_MBIT);
  const organisation = await Organisation.start({ central: 1, branch: 2, line: relay.address });
  const path = join(organisation.folder, "tool.bin");
  await writeFile(path, noise(40, SIZE_BYTES));
  const published = await organisation.publish({ path, name: "tool", version: "1" });
  const deploymentId = await organisation.deploy(published);
  const fetcher = await waitFor("the transfer to be under way", () =>
    underWay(organisation, published.contentId),
  );
  const before = await picture(organisation, fetcher, published.contentId);

  const attack = new Attack(relay, organisation, fetcher);
  const goesOn = async ({ heldBytes }: { readonly heldBytes: number }) => {
    const content = await organisation.contentOn(fetcher, published.contentId);
    return (content?.heldBytes ?? 0) > heldBytes;
  };
  await attack.send((forger, seen) => forger.nonsense(seen), { count: NONSENSE });
  await attack.goOn((forger, seen) => forger.nonsense(seen), { until: () => goesOn(before) });
  const between = await picture(organisation, fetcher, published.contentId);
  await attack.send((forger, seen) => forger.forgery(seen), { count: FORGERIES });
  await attack.goOn((forger, seen) => forger.forgery(seen), { until: () => goesOn(between) });
  const after = await picture(organisation, fetcher, published.contentId);

  await annotate(
    `held: ${before.heldBytes}, ${between.heldBytes}, ${after.heldBytes} bytes; ` +
      `resident: ${before.rssMb}; ${between.rssMb}; ${after.rssMb} MB; ` +
      `dropped by the kernel: ${after.dropped - before.dropped}`,
  );
  expect(attack.sent).toBeGreaterThanOrEqual(NONSENSE + FORGERIES);
  // It went on all the while, and was not over before the attack was.
  expect(between.heldBytes).toBeGreaterThan(before.heldBytes);
  expect(after.heldBytes).toBeGreaterThan(between.heldBytes);
  expect(after.heldBytes).toBeLessThan(SIZE_BYTES);
  expect(between.facts).toEqual(before.facts);
  expect(after.facts).toEqual(before.facts);
  for (const [index, rssMb] of after.rssMb.entries()) {
    expect(rssMb).toBeLessThan(RSS_MB_MAX);
    expect(rssMb - (between.rssMb[index] ?? 0)).toBeLessThan(RSS_GROWTH_MB_MAX);
  }

  relay.setRate(FREE_MBIT);
  await organisation.distributed(deploymentId);
  const wanted = await hashOfFile(path);
  for (const { data } of organisation.agentsOf(BRANCH)) {
    expect(await hashOfFile(join(data, "delivered/tool/1/tool.bin"))).toBe(wanted);
  }
}, 180_000);

/** The branch agent that fetches over the line, once it has got something. */
async function underWay(organisation: Organisation, contentId: string) {
  for (const agent of organisation.agentsOf(BRANCH)) {
    const content = await organisation.contentOn(agent, contentId);
    if ((content?.wanInBytes ?? 0) > SIZE_BYTES / 50) return agent;
  }
  return undefined;
}

/** Sends to an agent and to the server, in turns. */
class Attack {
  readonly #relay: Relay;
  readonly #forger = new Forger(new Prng(41));
  readonly #prng = new Prng(42);
  readonly #targets: readonly Target[];
  /** How many datagrams have been sent. */
  sent = 0;

  constructor(relay: Relay, organisation: Organisation, agent: Machine) {
    this.#relay = relay;
    this.#targets = [
      { host: agent.address, ports: Object.values(DEVICE_PORTS) },
      { host: organisation.server.address, ports: Object.values(SERVER_PORTS) },
    ];
  }

  /** Makes each datagram of one that has passed to the same target not long ago. */
  async send(make: Make, { count }: { readonly count: number }): Promise<void> {
    for (let sent = 0; sent < count; sent += BURST) {
      await this.#burst(make, Math.min(BURST, count - sent));
      // Whoever is attacked has to share two processors with us.
      await sleep(2);
    }
  }

  /**
   * Sends on, more slowly, until something has happened. The line is in this process: what it is
   * late with while others compute is to Background a busy line, and it waits.
   */
  async goOn(
    make: Make,
    { until }: { readonly until: () => Promise<boolean | undefined> },
  ): Promise<void> {
    await waitFor("the transfer to go on while it is attacked", async () => {
      await this.#burst(make, BURST);
      return (await until()) || undefined;
    });
  }

  async #burst(make: Make, count: number): Promise<void> {
    const burst = Array.from({ length: count }, (_, index) => {
      const target = this.#targets[index % 2];
      return target === undefined ? undefined : this.#sendOne(target, make);
    });
    await Promise.all(burst);
  }

  async #sendOne({ host, ports }: Target, make: Make): Promise<void> {
    const passed = this.#relay.passedTo(host);
    let seen = this.#pick(passed);
    while (seen !== undefined && !isRecord(seen)) seen = this.#pick(passed);
    if (seen === undefined) return;
    const anywhere = { host, port: this.#pick(ports) ?? seen.to.port };
    const to: Address = this.#prng.below(2) === 0 ? seen.to : anywhere;
    await this.#relay.say(seen.from, to, make(this.#forger, seen.bytes));
    this.sent += 1;
  }

  #pick<T>(things: readonly T[]): T | undefined {
    return things[this.#prng.below(things.length)];
  }
}

/** Makes a datagram of one that has passed. */
type Make = (forger: Forger, seen: Uint8Array) => Uint8Array;

type Target = { readonly host: string; readonly ports: readonly number[] };

function isRecord({ bytes }: Passed): boolean {
  return bytes.length > RECORD_HEADER_BYTES && (bytes[0] ?? 0) >> 7 === 1;
}

/** What can be seen of the organisation: what must stay as it is, and what must stay bounded. */
async function picture(organisation: Organisation, fetcher: Machine, contentId: string) {
  const programs = [organisation.server, ...organisation.agents];
  const statuses = await Promise.all(organisation.agents.map((one) => organisation.status(one)));
  const own = await organisation.contentOn(fetcher, contentId);
  return {
    heldBytes: own?.heldBytes ?? 0,
    rssMb: programs.map(({ program }) => rssMb(program?.pid ?? 0)),
    dropped: droppedDatagrams(),
    facts: {
      statuses: statuses.map(({ deviceId, office, rvp, server, peers, contents }) => ({
        ...{ deviceId, office, rvp, server },
        peers: peers.map((peer) => [peer.deviceId, peer.connected]).sort(),
        contents: contents.map((content) => content.contentId),
      })),
      lost: programs.map(({ program }) =>
        program?.events.filter(({ msg }) => LOSSES.has(msg)).map(({ msg }) => msg),
      ),
    },
  };
}

/** What programs log when something has changed for the worse. */
const LOSSES = new Set([
  "association-ended",
  "peer-lost",
  "server-lost",
  "peer-misbehaved",
  "piece-mismatched",
  "message-unreadable",
]);

function rssMb(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Math.round(Number(kib) / 1024);
}

/** How many datagrams the kernel had no room for, on all sockets that are open. */
function droppedDatagrams(): number {
  const rows = readFileSync("/proc/net/udp", "utf8").trim().split("\n").slice(1);
  return rows.reduce((sum, row) => sum + Number(row.trim().split(/\s+/).at(-1)), 0);
}
