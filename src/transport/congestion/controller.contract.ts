import { expect, test } from "vitest";
import { Prng } from "../../base/prng.ts";
import { MS, SECOND } from "../../base/units.ts";
import { type Controller, WINDOW_BYTES_MIN } from "./controller.ts";

/** What every implementation of `Controller` promises. */
export function controllerContract(make: () => Controller): void {
  test("the window never falls below its minimum, nor the rate to nothing, whatever is told", () => {
    const prng = new Prng(9);
    for (let run = 0; run < 50; run += 1) {
      const controller = make();
      let nowUs = prng.below(10 * SECOND);
      for (let step = 0; step < 500; step += 1) {
        nowUs += prng.below(100 * MS);
        tellAnything(controller, nowUs, prng);
        const rate = controller.pacingRate();
        if (!(controller.windowBytes() >= WINDOW_BYTES_MIN && rate > 0)) {
          expect.fail(`${controller.windowBytes()} bytes at ${rate} bytes a second`);
        }
      }
    }
  });

  test("acknowledgements of an idle sender do not widen the window nor raise the rate", () => {
    const controller = warm(make());
    const windowBytes = controller.windowBytes();
    const rate = controller.pacingRate();
    for (let round = 0; round < 100; round += 1) {
      const nowUs = 2 * SECOND + round * 20 * MS;
      controller.onAcked(nowUs, { bytes: 1_200, rttUs: 20 * MS, appLimited: true });
    }

    expect(controller.windowBytes()).toBeLessThanOrEqual(1.001 * windowBytes);
    expect(controller.pacingRate()).toBeLessThanOrEqual(1.3 * rate);
  });

  test("congestion slows the sender down", () => {
    const controller = warm(make());
    const before = controller.pacingRate();
    controller.onCongestion(2 * SECOND);

    expect(controller.pacingRate()).toBeLessThan(before);
  });

  test("persistent congestion sets the sender back to where it began, or further", () => {
    const controller = warm(make());
    const warmBytes = controller.windowBytes();
    controller.onPersistentCongestion(2 * SECOND);

    expect(controller.windowBytes()).toBeLessThan(warmBytes);
    expect(controller.windowBytes()).toBeLessThanOrEqual(Math.max(make().windowBytes(), 24_000));
  });

  test("what was lost by congestion is won back once the path delivers again", () => {
    const controller = warm(make());
    const warmBytes = controller.windowBytes();
    controller.onPersistentCongestion(2 * SECOND);
    deliver(controller, { fromUs: 2 * SECOND, untilUs: 32 * SECOND, rate: RATE });

    expect(controller.windowBytes()).toBeGreaterThan(0.8 * warmBytes);
  });
}

/** The rate of the path, in bytes a second. */
const RATE = 5_000_000;

/** A controller that has known a path of `RATE` and 20 ms for two seconds. */
function warm(controller: Controller): Controller {
  deliver(controller, { fromUs: 0, untilUs: 2 * SECOND, rate: RATE });
  return controller;
}

/** A path that delivers what the window and the pacing let through, up to its rate. */
function deliver(
  controller: Controller,
  path: { readonly fromUs: number; readonly untilUs: number; readonly rate: number },
): void {
  const stepUs = 2 * MS;
  for (let nowUs = path.fromUs; nowUs < path.untilUs; nowUs += stepUs) {
    const windowRate = (controller.windowBytes() * SECOND) / (20 * MS);
    const rate = Math.min(path.rate, windowRate, controller.pacingRate());
    const bytes = (rate * stepUs) / SECOND;
    controller.onAcked(nowUs, { bytes, rttUs: 20 * MS, appLimited: false });
  }
}

function tellAnything(controller: Controller, nowUs: number, prng: Prng): void {
  switch (prng.below(4)) {
    case 0:
      controller.onCongestion(nowUs);
      break;
    case 1:
      if (prng.below(10) === 0) controller.onPersistentCongestion(nowUs);
      break;
    default:
      controller.onAcked(nowUs, {
        bytes: 1 + prng.below(200_000),
        rttUs: prng.below(3) === 0 ? undefined : 1 + prng.below(2 * SECOND),
        appLimited: prng.below(2) === 0,
      });
  }
}
