import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { AGENT_ROUTES } from "../src/api/agent-routes.ts";
import { SERVER_ROUTES } from "../src/api/server-routes.ts";
import type { ContentId } from "../src/base/ids.ts";
import { nodeCrypto } from "../src/runtime/crypto.ts";
import { originName } from "../src/swarm/origin-name.ts";
import { intactOf } from "./content/compare.ts";
import { publishRandom } from "./content/random-package.ts";
import { faultBench } from "./faults.ts";
import { digits, officeFigures } from "./figures.ts";
import { trafficOf } from "./net/counters.ts";
import { makeSite } from "./net/internet.ts";
import type { NetworkPlan } from "./net/network.ts";
import type { BenchOptions } from "./options.ts";
import { type Distributed, Distribution } from "./organisation/distribution.ts";
import { logOf } from "./organisation/log.ts";
import { Organisation } from "./organisation/organisation.ts";
import { waitAtMost } from "./organisation/waiting.ts";
import type { Bench, BenchResult, Stage } from "./stage.ts";
import type { BadManner } from "./web/bad-origin.ts";
import { checkNginx, startBadOrigin, startNginx, type WebServer } from "./web/web-server.ts";

/** What is wanted: what crosses a line over the size, in IP bytes. */
const IP_COPIES_MAX = 1.1;

/** How long a bad origin has to be told apart, in milliseconds. */
const NAMED_MS_MAX = 30_000;

/** A good origin, and each manner of a bad one before it. */
const GOOD = "nginx";
const BAD: readonly BadManner[] = [
  "ignores-ranges",
  "lies-about-length",
  "breaks-off",
  "other-bytes",
];

/** Nobody has the package: it comes from a web server, once. */
export const ORIGIN: Bench = faultBench({
  claim: "nobody has it: one copy comes from an nginx; origins that lie are named and survived",
  faults: [GOOD, ...BAD],
  sizeText: "16MiB",
  run: async (stage, fault) => {
    checkNginx();
    const organisation = await Organisation.start(stage, plan(stage.options));
    const { rateBitsPerS } = stage.options;
    const place = { name: "cdn", number: 1, rateBitsPerS };
    const cdn = await makeSite(organisation.network, stage.namespaces, place);
    const nginx = await startNginx(stage, cdn);
    const content = await publishRandom(stage, organisation, "random");
    await upload(content, nginx);
    const manner = BAD.find((bad) => bad === fault);
    const bad = manner && (await BadOrigin.start(stage, organisation, { content, manner }));
    if (bad === undefined) await addOrigin(organisation, nginx);
    await takeFromAll(stage, organisation, content);
    const before = await trafficOf(cdn.link);
    const distribution = await Distribution.begin(stage, organisation, content);
    const named = await bad?.named(distribution);
    if (bad !== undefined) await addOrigin(organisation, nginx);
    const measured = await distribution.finish();
    const after = await trafficOf(cdn.link);
    const cdnIpCopies = (after.outOf.ipBytes - before.outOf.ipBytes) / content.sizeBytes;
    const offices = officeFigures(organisation, measured, content.sizeBytes);
    const intact = await intactOf(distribution);
    const wanted = organisation.devices.length;
    const ok =
      intact.length === wanted &&
      cdnIpCopies <= IP_COPIES_MAX &&
      offices.every(({ ipCopies }) => ipCopies <= IP_COPIES_MAX) &&
      (bad === undefined || named?.problem !== undefined);
    return {
      ok,
      verified: intact.length,
      wanted,
      seconds: digits(measured.seconds, 2),
      cdnIpCopies: digits(cdnIpCopies, 4),
      ...(bad && { bad: { ...named, ...(await bad.figures(content)) } }),
      offices,
      sizeBytes: content.sizeBytes,
      processorsBusy: digits(measured.processorsBusy, 2),
    } satisfies BenchResult;
  },
});

function plan({ rateBitsPerS }: BenchOptions): NetworkPlan {
  const offices = [
    { name: "Central", devices: 2 },
    { name: "A", parent: "Central", devices: 3 },
  ];
  return { rateBitsPerS, offices };
}

async function addOrigin(organisation: Organisation, { location }: WebServer): Promise<void> {
  const control = await organisation.control(organisation.server);
  // The second one is file storage to the devices: they ask the CDN before it.
  const { origins } = await control(SERVER_ROUTES.listOrigins);
  const kind = origins.length === 0 ? "cdn" : "storage";
  await control(SERVER_ROUTES.addOrigin, { body: { location, kind } });
}

/** Puts the package, which is one file and so its own complete transfer, where a web server has it. */
async function upload(content: Distributed, { packages }: WebServer): Promise<void> {
  const name = originName(nodeCrypto, content.contentId as ContentId);
  await copyFile(content.path, join(packages, name));
}

/** Makes sure that no device has it: even the one that published it gives it up. */
async function takeFromAll(
  stage: Stage,
  organisation: Organisation,
  { contentId }: Distributed,
): Promise<void> {
  const [publisher] = organisation.devices;
  if (publisher === undefined) return;
  const control = await organisation.control(publisher);
  const { purged } = await control(AGENT_ROUTES.purgeCache, { body: { contentId, force: true } });
  stage.say(`${publisher.name} gives up ${purged.length} content; nobody has it`);
}

/** A bad web server, which is the only origin until it has been told apart. */
class BadOrigin {
  readonly #stage: Stage;
  readonly #organisation: Organisation;
  readonly #server: WebServer;
  readonly #badBytes: () => Promise<number>;

  static async start(
    stage: Stage,
    organisation: Organisation,
    given: { readonly content: Distributed; readonly manner: BadManner },
  ): Promise<BadOrigin> {
    const { rateBitsPerS } = stage.options;
    const place = { name: "bad", number: 2, rateBitsPerS };
    const site = await makeSite(organisation.network, stage.namespaces, place);
    const server = await startBadOrigin(stage, site, given.manner);
    await upload(given.content, server);
    await addOrigin(organisation, server);
    const badBytes = async () => (await trafficOf(site.link)).outOf.ipBytes;
    return new BadOrigin({ stage, organisation, server, badBytes });
  }

  private constructor(parts: {
    readonly stage: Stage;
    readonly organisation: Organisation;
    readonly server: WebServer;
    readonly badBytes: () => Promise<number>;
  }) {
    this.#stage = parts.stage;
    this.#organisation = parts.organisation;
    this.#server = parts.server;
    this.#badBytes = parts.badBytes;
  }

  /** Waits until the server's list says, in words, that this origin is at fault. */
  async named(distribution: Distribution) {
    const wait = { signal: this.#stage.signal, patienceMs: NAMED_MS_MAX };
    const problem = await waitAtMost(async () => {
      const devices = (await distribution.look())?.devices ?? [];
      const blamed = devices.find((device) => device.problem.includes(this.#server.location));
      return blamed?.problem;
    }, wait);
    this.#stage.say(`said of the origin: ${problem ?? "nothing"}`);
    return { problem, namedAfterSeconds: digits(distribution.seconds, 2) };
  }

  /** What it has sent in all, who leaves it alone, and what of the content is from it. */
  async figures({ contentId, sizeBytes }: Distributed) {
    let [pieces, shunnedBy] = [0, 0];
    for (const device of this.#organisation.devices) {
      const control = await this.#organisation.control(device);
      const { totals } = await control(AGENT_ROUTES.explain, { params: { contentId } });
      const own = totals.filter(({ source }) => source.location === this.#server.location);
      pieces += own.reduce((sum, total) => sum + total.pieces, 0);
      const log = await logOf(this.#stage, device);
      const shuns = ({ msg, source }: (typeof log)[number]): boolean =>
        msg === "source-shunned" && source === this.#server.location;
      if (log.some(shuns)) shunnedBy += 1;
    }
    return { ipCopies: digits((await this.#badBytes()) / sizeBytes, 4), shunnedBy, pieces };
  }
}
