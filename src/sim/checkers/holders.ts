import { SECOND } from "../../base/units.ts";
import type { SimDevice } from "../device.ts";
import type { Scene } from "../scene.ts";
import type { Checker, CheckerParts } from "./checker.ts";

/**
 * How long two devices may both fetch for an office while each hears the other: a claim goes out
 * every 500 ms (EL2) and is answered by the stronger one, but who was passed over because he was
 * late waits for a later term than his own (EL9), and that takes up to 60 s (EL5).
 */
export const SETTLING_US: number = 75 * SECOND;

/** The same where nothing has ever gone wrong: nobody was late, and nobody is passed over. */
const CALM_SETTLING_US: number = 10 * SECOND;

/**
 * At most one device fetches for an office whose devices reach each other, once it has settled;
 * nobody for an office whose devices do not share. Devices between which there is no association
 * have nothing to agree on: they link up as soon as there is something to fetch.
 */
export function holders({ scene, violate }: CheckerParts): Checker {
  const name = "holders";
  const since = new Map<string, number>();
  let calmSinceUs = 0;
  let isStruck = false;
  return {
    name,
    onBlow: () => {
      isStruck = true;
      calmSinceUs = scene.world.nowUs;
    },
    onLook: () => {
      const { nowUs } = scene.world;
      if (isStruck && scene.isStormy) calmSinceUs = nowUs;
      const settlingUs = isStruck ? SETTLING_US : CALM_SETTLING_US;
      keepOnly(since, rivals(scene), nowUs);
      for (const [pair, begunUs] of since) {
        const sinceUs = Math.max(begunUs, calmSinceUs);
        if (nowUs - sinceUs < settlingUs) continue;
        violate(name, `${pair} since ${Math.round(sinceUs / SECOND)} s`);
      }
    },
    onEnd: () => {
      for (const sentence of needless(scene)) violate(name, sentence);
    },
  };
}

/** Forgets pairs that are none any more, and notes since when the others are. */
function keepOnly(since: Map<string, number>, pairs: readonly string[], nowUs: number): void {
  const now = new Set(pairs);
  for (const pair of since.keys()) if (!now.has(pair)) since.delete(pair);
  for (const pair of now) if (!since.has(pair)) since.set(pair, nowUs);
}

/** Who fetches for an office in which nobody shares. */
function needless(scene: Scene): readonly string[] {
  const offices = scene.organisation.server.coordinator.offices();
  return offices.flatMap(({ name: office, type }) => {
    const holding = type === "vpn" ? holdersOf(scene, office).map(({ host }) => host) : [];
    if (holding.length === 0) return [];
    return [`${holding.join(" and ")} fetch for ${office}, where nobody shares`];
  });
}

function holdersOf(scene: Scene, office: string): readonly SimDevice[] {
  return scene.devices.filter((device) => {
    const status = device.status();
    return status?.rvp === true && status.office === office;
  });
}

/** Pairs of devices that both fetch for one office, and are linked up with each other. */
function rivals(scene: Scene): readonly string[] {
  const found: string[] = [];
  for (const { name: office } of scene.offices) {
    const holding = holdersOf(scene, office);
    for (const [index, one] of holding.entries()) {
      for (const other of holding.slice(index + 1)) {
        if (!isLinked(one, other) || !isLinked(other, one)) continue;
        found.push(`${one.host} and ${other.host} both fetch for ${office}`);
      }
    }
  }
  return found;
}

function isLinked(one: SimDevice, other: SimDevice): boolean {
  return one.status()?.peers.some(({ deviceId }) => deviceId === other.deviceId) === true;
}
