import { blowTo, type Fault, victim } from "./fault.ts";

/** A device's program is gone at once, or its power is; it starts with what the disk kept. */
export const crash: Fault = {
  kind: "crash",
  strike: (scene) => {
    const device = victim(scene);
    if (device === undefined) return undefined;
    const lost = device.store.cutPower(scene.prng);
    device.stop();
    const sentence = `loses its power, and ${lost} changes of its disk`;
    return blowTo(scene, device, { sentence, heal: () => device.start() });
  },
};

/** A device that restarts again and again, faster than anything can settle. */
export const crashLoop: Fault = {
  kind: "crash-loop",
  strike: (scene) => {
    const device = victim(scene);
    if (device === undefined) return undefined;
    const { world, prng } = scene;
    let over = false;
    const turn = (): void => {
      if (over) return;
      if (device.running) {
        device.store.cutPower(prng);
        device.stop();
      } else device.start();
      world.plan(50_000 + prng.below(3_000_000), turn);
    };
    turn();
    const heal = (): void => {
      over = true;
      if (!device.running) device.start();
    };
    return blowTo(scene, device, { sentence: "restarts again and again", heal });
  },
};

/** A device sleeps; its clock goes on or stands still, as systems have it. */
export const sleep: Fault = {
  kind: "sleep",
  strike: (scene) => {
    const device = victim(scene);
    if (device === undefined) return undefined;
    device.sleep();
    const stoodStill = scene.prng.below(2) === 0;
    return blowTo(scene, device, { sentence: "sleeps", heal: () => device.wake(stoodStill) });
  },
};
