import type { Prng } from "../../base/prng.ts";
import type { SimDevice } from "../device.ts";
import type { Scene } from "../scene.ts";

/** What a fault did, and how it ends. */
export type Blow = {
  /** What happened to whom, for who reads it. */
  readonly sentence: string;
  /** The offices that it may cost another copy; `all` where it is not about some. */
  readonly offices: readonly string[] | "all";
  /** Ends it; absent where it is over at once, or never. */
  readonly heal?: () => void;
};

/** Something that goes wrong. */
export type Fault = {
  /** Stable, for counting. */
  readonly kind: string;
  /** Does it to somebody whom chance picks; `undefined` where there is nobody to do it to now. */
  strike(scene: Scene): Blow | undefined;
};

/** One of several, by chance. */
export function pick<T>(prng: Prng, from: readonly T[]): T | undefined {
  return from[prng.below(from.length)];
}

/** A device that runs and that nothing else has befallen. */
export function victim(
  scene: Scene,
  suits: (device: SimDevice) => boolean = () => true,
): SimDevice | undefined {
  const { prng, devices, struck } = scene;
  return pick(
    prng,
    devices.filter((device) => device.running && !struck.has(device) && suits(device)),
  );
}

/** What befalls one device, until it is healed. */
export function blowTo(
  scene: Scene,
  device: SimDevice,
  what: { readonly sentence: string; readonly heal: () => void },
): Blow {
  scene.struck.add(device);
  return {
    sentence: `${device.host} ${what.sentence}`,
    offices: [scene.officeOf(device)],
    heal: () => {
      scene.struck.delete(device);
      what.heal();
    },
  };
}
