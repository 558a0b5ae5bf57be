import { expect, test } from "vitest";
import { LawTrial } from "../../../test/simulation/fixtures/law-trial.ts";
import { Prng } from "../../base/prng.ts";
import { MS, SECOND } from "../../base/units.ts";
import { type Controller, WINDOW_BYTES_MIN } from "./controller.ts";

/** What every implementation of `Controller` promises. */
export function controllerContract(make: () => Controller): void {
  test("whatever it is told, its window has its minimum and it says when to ask again", () => {
    const prng = new Prng(9);
    for (let run = 0; run < 50; run += 1) {
      const controller = make();
      let nowUs = prng.below(10 * SECOND);
      for (let step = 0; step < 500; step += 1) {
        nowUs += prng.below(100 * MS);
        tellAnything(controller, nowUs, prng);
        const wrong = unsound(controller, nowUs);
        if (wrong !== undefined) expect.fail(wrong);
      }
    }
  });

  test("it fills a line that is its own", () => {
    const trial = new LawTrial(1, LINE);
    trial.stream(make()).start();
    trial.run(4);

    expect(trial.share(1, 2, 4)).toBeGreaterThan(0.85);
  });

  test("persistent congestion sets it back to where it began, or further", () => {
    const trial = new LawTrial(1, LINE);
    const controller = make();
    trial.stream(controller).start();
    trial.run(2);
    const warmBytes = controller.windowBytes();
    controller.onPersistentCongestion(trial.world.nowUs);

    expect(controller.windowBytes()).toBeLessThanOrEqual(warmBytes);
    expect(controller.allowance(trial.world.nowUs, 0)).toBeLessThanOrEqual(200_000);
  });

  test("a line that was cut is filled again once it delivers", () => {
    const trial = new LawTrial(1, LINE);
    trial.stream(make()).start();
    trial.run(2);
    trial.router.options = { ...trial.router.options, lossPercent: 100 };
    trial.run(5);
    trial.router.options = { ...trial.router.options, lossPercent: 0 };
    trial.run(9);

    expect(trial.share(1, 12, 16)).toBeGreaterThan(0.85);
  });
}

/** What is wrong with what it says, if anything is. */
function unsound(controller: Controller, nowUs: number): string | undefined {
  controller.onWaiting(nowUs, true);
  const windowBytes = controller.windowBytes();
  if (!(windowBytes >= WINDOW_BYTES_MIN)) return `a window of ${windowBytes}`;
  if (!(controller.lineRate() > 0)) return `a line of ${controller.lineRate()}`;
  const allowance = controller.allowance(nowUs, 10 * MS);
  const againUs = Math.min(controller.allowedAtUs(nowUs), controller.due().atUs);
  const isForEver = againUs === Number.POSITIVE_INFINITY;
  if (allowance > 0 || !isForEver) return undefined;
  return `${allowance} bytes are allowed, for ever`;
}

const LINE = { mbit: 40, queueMs: 30 };

function tellAnything(controller: Controller, nowUs: number, prng: Prng): void {
  const packet = prng.below(1_000);
  switch (prng.below(8)) {
    case 0:
      controller.onCongestion(nowUs);
      break;
    case 1:
      if (prng.below(10) === 0) controller.onPersistentCongestion(nowUs);
      break;
    case 2:
      controller.onTimer(nowUs);
      break;
    case 3:
      controller.onSent(nowUs, {
        packet,
        bytes: 1 + prng.below(1_472),
        probe: prng.below(2) === 0,
      });
      break;
    case 4:
      controller.onArrivals(nowUs, nowUs - prng.below(MS), {
        arrived: [{ packet, atUs: prng.below(2 * SECOND) }],
        saidAtUs: prng.below(2 * SECOND),
      });
      break;
    case 5:
      controller.onLost(nowUs, 1 + prng.below(300));
      break;
    case 6:
      controller.wantsProbe(nowUs);
      break;
    default:
      controller.onAcked(nowUs, {
        bytes: 1 + prng.below(200_000),
        rttUs: prng.below(3) === 0 ? undefined : 1 + prng.below(2 * SECOND),
        appLimited: prng.below(2) === 0,
      });
  }
}
