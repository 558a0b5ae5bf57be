import type { Prng } from "../base/prng.ts";
import { KIB, MS } from "../base/units.ts";
import type { Priority, Targets } from "../coordinator/state.ts";
import type { OfficeType } from "../wire/messages.ts";
import type { Weather } from "./faults/weather.ts";
import type { LinkOptions } from "./link.ts";
import type { SimOffice } from "./organisation.ts";

/** Most devices of an invented world: small worlds are many worlds. */
const DEVICES_MAX = 10;

/** How much earlier one device of each office is to have something: long enough to get it. */
const FIRST_US = 30_000 * MS;

/** A package that is to be deployed, and when. */
export type PlannedOrder = {
  readonly atUs: number;
  readonly shape: { readonly pieces: number; readonly pieceBytes: number };
  readonly targets: Targets;
  readonly priority: Priority;
  /** It is for one device of each of these offices at first, and for the others so much later. */
  readonly first?: { readonly offices: readonly string[]; readonly aheadUs: number };
};

/** What a world is like before anything happens in it. */
export type WorldPlan = {
  readonly offices: readonly SimOffice[];
  readonly orders: readonly PlannedOrder[];
  /** For how long faults strike. */
  readonly stormUs: number;
};

/** Draws a world: a tree of offices, their lines, and what is deployed. */
export function drawWorld(prng: Prng, weather: Weather): WorldPlan {
  const offices = drawOffices(prng, weather);
  const orders = Array.from({ length: 1 + prng.below(2) + Math.floor(prng.below(4) / 3) }, () =>
    drawOrder(prng, offices, weather),
  );
  return { offices, orders, stormUs: (6 + prng.below(30)) * 1_000 * MS };
}

function drawOffices(prng: Prng, weather: Weather): readonly SimOffice[] {
  const offices: SimOffice[] = [{ name: "Central", devices: 1 + prng.below(4) }];
  let devices = offices[0]?.devices ?? 0;
  const count = 1 + prng.below(5);
  const levels = new Map([["Central", 1]]);
  while (offices.length < count && devices < DEVICES_MAX) {
    const parents = offices.filter(
      ({ name, type }) => type !== "vpn" && (levels.get(name) ?? 0) < 3,
    );
    const parent = parents[prng.below(parents.length)]?.name ?? "Central";
    const name = `Office ${offices.length}`;
    const own = 1 + prng.below(Math.min(6, DEVICES_MAX - devices));
    devices += own;
    levels.set(name, (levels.get(parent) ?? 0) + 1);
    offices.push({
      name,
      parent,
      type: drawType(prng),
      devices: own,
      line: drawLine(prng, weather),
    });
  }
  return offices;
}

function drawType(prng: Prng): OfficeType {
  const types = ["default", "default", "default", "wifi", "vpn"] as const;
  return types[prng.below(types.length)] ?? "default";
}

function drawLine(prng: Prng, weather: Weather): LinkOptions {
  const rate = 100_000 * 2 ** prng.below(6);
  const clean = {
    delayUs: (1 + prng.below(60)) * MS,
    rate,
    queueBytes: Math.max(30_000, Math.round(rate * (0.02 + prng.below(30) / 100))),
    lossPercent: 0,
    duplicatePercent: 0,
    jitterUs: 0,
  };
  if (weather === "none") return clean;
  return {
    ...clean,
    lossPercent: prng.below(3) === 0 ? prng.below(30) / 10 : 0,
    duplicatePercent: prng.below(4) === 0 ? prng.below(30) / 10 : 0,
    // More than this looks like somebody else's traffic to Background, which then waits.
    jitterUs: prng.below(3) === 0 ? prng.below(3) * MS : 0,
  };
}

function drawOrder(prng: Prng, offices: readonly SimOffice[], weather: Weather): PlannedOrder {
  const shape = { pieces: 10 + prng.below(31), pieceBytes: (4 + prng.below(17)) * KIB };
  const names = offices.map(({ name }) => name).filter(() => prng.below(2) === 0);
  const some = prng.below(3) === 0 && names.length > 0;
  const targets: Targets = some ? { offices: names } : { all: true };
  const atUs = prng.below(12_000) * MS;
  // Where nothing goes wrong no request is taken back either, and each copy counts.
  if (weather !== "none") return { atUs, shape, targets, priority: drawPriority(prng) };
  const order = { atUs, shape, targets, priority: "medium" } as const;
  if (prng.below(2) === 0) return order;
  // Nothing else tells whether an office takes from one of its own what it has.
  const first = { offices: offices.map(({ name }) => name), aheadUs: FIRST_US };
  return { ...order, first };
}

function drawPriority(prng: Prng): Priority {
  const priorities = ["high", "medium", "medium", "low"] as const;
  return priorities[prng.below(priorities.length)] ?? "medium";
}
