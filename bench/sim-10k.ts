import type { Prng } from "../src/base/prng.ts";
import { SECOND } from "../src/base/units.ts";
import type { Organisation, SimOffice } from "../src/sim/organisation.ts";
import { digits } from "./figures.ts";
import { carriedInto, machineFigures, spread } from "./sim/spread.ts";
import { officesInTree } from "./sim/tree.ts";
import type { Bench } from "./stage.ts";

/** How many devices there are unless the command line says, and how many share an office. */
const DEVICES = 10_000;
const OFFICE_DEVICES = 20;

/** What goes wrong: devices that crash and come back, and offices that lose their RVP. */
const CRASHING_SHARE = 0.01;
const RVP_LOSS_EVERY = 20;
const DOWN_SECONDS_MAX = 30;

/** What is wanted: what crosses lines on average, and what the simulation may take. */
const COPIES_MAX = 1.02;
const WALL_SECONDS_MAX = 600;

/** Everybody who is alive has it, whoever crashes. */
export const SIM_10K: Bench = {
  claim: "simulated: 10,000 devices, some crash, every 20th office loses its RVP",
  sizeText: "1GiB",
  simulated: true,
  copies: 0,
  devices: DEVICES,
  run: (stage) => {
    const startedMs = performance.now();
    const { rateBitsPerS, sizeBytes, devices = DEVICES } = stage.options;
    const count = Math.max(2, Math.round(devices / OFFICE_DEVICES));
    const offices = officesInTree({ offices: count, devices, rateBitsPerS });
    const boundSeconds = (sizeBytes * 8) / rateBitsPerS;
    const spreaded = spread(stage, {
      offices,
      sizeBytes,
      weather: (organisation, prng) => {
        crashSome(organisation, { prng, seconds: boundSeconds });
        loseSomeRvps(organisation, { prng, seconds: boundSeconds, offices });
      },
    });
    const copies = carriedInto(spreaded, offices);
    const copiesMean = copies.reduce((sum, own) => sum + own, 0) / copies.length;
    const machine = machineFigures(startedMs, spreaded);
    const { finished, running, seconds, simPackage } = spreaded;
    return {
      ok:
        finished === running && copiesMean <= COPIES_MAX && machine.wallSeconds <= WALL_SECONDS_MAX,
      seconds: digits(seconds, 1),
      boundSeconds: digits(boundSeconds, 1),
      devices,
      offices: offices.length,
      pieces: simPackage.pieces.length,
      running,
      finished,
      copiesMean: digits(copiesMean, 4),
      ...machine,
    };
  },
};

/** One in a hundred devices loses its power at some time, and comes back. */
function crashSome(
  { world, devices }: Organisation,
  { prng, seconds }: { readonly prng: Prng; readonly seconds: number },
): void {
  const all = [...devices.values()].flat();
  const order = all.map((device) => ({ device, draw: prng.next() }));
  order.sort((a, b) => a.draw - b.draw);
  for (const { device } of order.slice(0, Math.round(CRASHING_SHARE * all.length))) {
    world.plan(prng.below(Math.ceil(seconds * SECOND)), () => {
      if (!device.running) return;
      device.stop();
      world.plan(SECOND + prng.below(DOWN_SECONDS_MAX * SECOND), () => device.start());
    });
  }
}

/** Who fetches for an office is gone for good at some time. */
function loseSomeRvps(
  organisation: Organisation,
  given: {
    readonly prng: Prng;
    readonly seconds: number;
    readonly offices: readonly SimOffice[];
  },
): void {
  const { prng, seconds, offices } = given;
  const losing = offices.filter((_, index) => index > 0 && index % RVP_LOSS_EVERY === 0);
  for (const { name } of losing) {
    organisation.world.plan(prng.below(Math.ceil(seconds * SECOND)), () => {
      const rvp = organisation.office(name).find((device) => device.status()?.rvp === true);
      rvp?.stop();
    });
  }
}
