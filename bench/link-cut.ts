import { pause } from "../src/cli/interruption.ts";
import { intactOf } from "./content/compare.ts";
import { digits, officeFigures } from "./figures.ts";
import { Arrivals } from "./net/arrivals.ts";
import { cutLink } from "./net/faults.ts";
import type { NetworkPlan } from "./net/network.ts";
import type { BenchOptions } from "./options.ts";
import { Organisation } from "./organisation/organisation.ts";
import type { Bench } from "./stage.ts";
import { beginRandomFile } from "./tree.ts";

/** How far the office is when its link is cut, and for how long it is, in seconds. */
const CUT_AT = 0.4;
const CUT_S = 60;

/** What is wanted: until pieces come over the link again, in seconds. */
const RETURN_S_MAX = 5;

/** How long they are waited for. */
const PATIENCE_S = 120;

/** The link to the parent office is cut for a minute, in the middle of everything. */
export const LINK_CUT: Bench = {
  claim: "the link to the parent office is cut for 60 s: it goes on by itself within 5 s",
  run: async (stage) => {
    const organisation = await Organisation.start(stage, plan(stage.options));
    const { network } = organisation;
    const arrivals = await Arrivals.at(network.office("A"), network);
    const distribution = await beginRandomFile(stage, organisation);
    await distribution.until(() => distribution.shareIn("A") >= CUT_AT);
    const cutAtShare = distribution.shareIn("A");
    const mend = await cutLink(network.link("A"));
    stage.say(`the link of A is cut at ${Math.round(cutAtShare * 100)} %`);
    await pause(CUT_S * 1000, stage.signal);
    // From the first rule that goes: the link carries before all are gone.
    const back = arrivals.next(stage, { patienceMs: PATIENCE_S * 1000 });
    await mend();
    const arrival = await back;
    stage.say(`the link is back; pieces again after ${arrival?.seconds.toFixed(1)} s`);
    const measured = await distribution.finish();
    const intact = await intactOf(distribution);
    const { sizeBytes } = distribution.content;
    const whole = intact.length === organisation.devices.length;
    return {
      ok: whole && cutAtShare < 1 && arrival !== undefined && arrival.seconds <= RETURN_S_MAX,
      backSeconds: arrival === undefined ? null : digits(arrival.seconds, 2),
      secondsMax: RETURN_S_MAX,
      verified: intact.length,
      wanted: organisation.devices.length,
      seconds: digits(measured.seconds, 2),
      cutAtShare: digits(cutAtShare, 2),
      cutSeconds: CUT_S,
      offices: officeFigures(organisation, measured, sizeBytes),
      sizeBytes,
      processorsBusy: digits(measured.processorsBusy, 2),
    };
  },
};

function plan({ rateBitsPerS }: BenchOptions): NetworkPlan {
  const offices = [
    { name: "Central", devices: 1 },
    { name: "A", parent: "Central", devices: 2 },
    { name: "A1", parent: "A", devices: 2 },
  ];
  return { rateBitsPerS, offices };
}
