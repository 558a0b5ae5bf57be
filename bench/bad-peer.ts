import { fileURLToPath } from "node:url";
import { SERVER_ROUTES } from "../src/api/server-routes.ts";
import type { DeviceDetail } from "../src/api/server-schemas.ts";
import type { Lie } from "./bad/bad-agent.ts";
import { intactOf } from "./content/compare.ts";
import { publishRandom } from "./content/random-package.ts";
import { faultBench } from "./faults.ts";
import { digits, officeFigures } from "./figures.ts";
import type { NetworkPlan } from "./net/network.ts";
import type { BenchOptions } from "./options.ts";
import { Distribution } from "./organisation/distribution.ts";
import { logOf } from "./organisation/log.ts";
import { type Machine, Organisation } from "./organisation/organisation.ts";
import { waitAtMost } from "./organisation/waiting.ts";
import type { Bench, BenchResult, Stage } from "./stage.ts";

/** The bad device. It is preferred as RVP: nobody in its office can do without it at first. */
const LIAR = "a-1";

/** Whom the organisation is to shun in the end, and whom the bad device may be accused by. */
const SHUNNED: Readonly<Record<Lie, boolean>> = {
  "flips-bits": true,
  claims: true,
  // One accuser is not believed, and nobody accuses it.
  accuses: false,
};

/** How long the organisation may take to shun the liar after all is done, in milliseconds. */
const SHUNNED_MS_MAX = 60_000;

const BAD_AGENT = fileURLToPath(new URL("bad/bad-agent.ts", import.meta.url));

/** An office whose best device lies. */
export const BAD_PEER: Bench = faultBench({
  claim: "one device lies: all others verify; the liar is named and shunned, nobody else is",
  faults: Object.keys(SHUNNED),
  sizeText: "16MiB",
  run: async (stage, fault) => {
    const lie = fault as Lie;
    const organisation = await Organisation.start(stage, plan(stage.options), {
      [LIAR]: { settings: { facts: { preferred: true } }, script: [BAD_AGENT, lie] },
    });
    const content = await publishRandom(stage, organisation, "random");
    const distribution = await Distribution.begin(stage, organisation, content);
    distribution.excused.add(LIAR);
    const measured = await distribution.finish({ withServer: false });
    const shunnedSeconds = await untilShunned(stage, organisation, { distribution, lie });
    const intact = (await intactOf(distribution)).filter(({ name }) => name !== LIAR);
    const others = organisation.devices.filter(({ name }) => name !== LIAR);
    const details = await Promise.all(
      organisation.devices.map((device) => detailOf(organisation, device)),
    );
    const accused = details.flatMap(({ name, accusations }) =>
      accusations.map(({ reporter }) => ({ name, by: organisation.nameOf(reporter) })),
    );
    const shunned = details.filter(({ shunnedAtMs }) => shunnedAtMs !== undefined);
    const shunnedNames = shunned.map(({ name }) => name);
    const named = accused.filter(({ name, by }) => (lie === "accuses" ? by : name) === LIAR);
    const ok =
      intact.length === others.length &&
      shunnedNames.join() === (SHUNNED[lie] ? LIAR : "") &&
      named.length > 0 &&
      named.length === accused.length;
    return {
      ok,
      verified: intact.length,
      wanted: others.length,
      seconds: digits(measured.deliveredSeconds, 2),
      liar: LIAR,
      shunned: shunnedNames,
      shunnedSeconds: shunnedSeconds === undefined ? null : digits(shunnedSeconds, 2),
      accused,
      mismatches: await mismatches(stage, others),
      offices: officeFigures(organisation, measured, content.sizeBytes),
      sizeBytes: content.sizeBytes,
      processorsBusy: digits(measured.processorsBusy, 2),
    } satisfies BenchResult;
  },
});

function plan({ rateBitsPerS }: BenchOptions): NetworkPlan {
  const offices = [
    { name: "Central", devices: 1 },
    { name: "A", parent: "Central", devices: 5 },
  ];
  return { rateBitsPerS, offices };
}

type Named = DeviceDetail & { readonly name: string };

async function detailOf(organisation: Organisation, { name, deviceId }: Machine): Promise<Named> {
  const control = await organisation.control(organisation.server);
  return { ...(await control(SERVER_ROUTES.showDevice, { params: { deviceId } })), name };
}

/** When the organisation shuns the liar, since the deployment; or that nobody is, where so. */
async function untilShunned(
  stage: Stage,
  organisation: Organisation,
  { distribution, lie }: { readonly distribution: Distribution; readonly lie: Lie },
): Promise<number | undefined> {
  const liar = organisation.device(LIAR);
  const wait = { signal: stage.signal, patienceMs: SHUNNED_MS_MAX };
  return await waitAtMost(async () => {
    const details = await Promise.all(
      organisation.devices.map((device) => detailOf(organisation, device)),
    );
    const isDone = SHUNNED[lie]
      ? details.some(({ name, shunnedAtMs }) => name === LIAR && shunnedAtMs !== undefined)
      : details.some(({ accusations }) =>
          accusations.some(({ reporter }) => reporter === liar.deviceId),
        );
    return isDone ? distribution.seconds : undefined;
  }, wait);
}

/** How many pieces the others threw away. */
async function mismatches(stage: Stage, others: readonly Machine[]): Promise<number> {
  const logs = await Promise.all(others.map((device) => logOf(stage, device)));
  return logs.flat().filter(({ msg }) => msg === "piece-mismatched").length;
}
