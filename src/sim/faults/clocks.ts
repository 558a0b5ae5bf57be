import { YEAR_S } from "../clock.ts";
import { blowTo, type Fault, pick, victim } from "./fault.ts";

/** A wall clock that is wrong, by minutes or by years. */
export const wrongClock: Fault = {
  kind: "wrong-clock",
  strike: (scene) => {
    const { prng } = scene;
    const device = victim(scene);
    if (device === undefined) return undefined;
    const byS = pick(prng, [-100 * YEAR_S, -3 * YEAR_S, -3_600, 600, 5 * YEAR_S, 90 * YEAR_S]) ?? 0;
    device.clock.wrongS = byS;
    const heal = (): void => {
      device.clock.wrongS = 0;
    };
    return blowTo(scene, device, { sentence: `has a clock that is wrong by ${byS} s`, heal });
  },
};

/** A counting clock that goes too fast or too slowly; it is never set right. */
export const skewedClock: Fault = {
  kind: "skewed-clock",
  strike: (scene) => {
    const { prng, world } = scene;
    const device = victim(scene);
    if (device === undefined) return undefined;
    const rate = 1 + (prng.below(40_001) - 20_000) / 1_000_000;
    device.clock.goAt(rate, world.nowUs);
    world.touch(device.host);
    return { sentence: `${device.host} counts ${rate} us in each`, offices: [] };
  },
};

/** The server's wall clock jumps. */
export const serverClock: Fault = {
  kind: "server-clock",
  strike: (scene) => {
    const { world, prng, organisation } = scene;
    if (!scene.serverUp) return undefined;
    const byS = pick(prng, [-10 * YEAR_S, -3_600, 86_400, 10 * YEAR_S]) ?? 0;
    organisation.server.setClock((world.wallS + byS) * 1_000);
    return {
      sentence: `the server's clock jumps by ${byS} s`,
      offices: [],
      heal: () => {
        if (scene.serverUp) organisation.server.setClock(world.wallS * 1_000);
      },
    };
  },
};
