import { MS } from "../../src/base/units.ts";
import type { LinkOptions } from "../../src/sim/link.ts";
import type { SimOffice } from "../../src/sim/organisation.ts";

/** One way of a line, without its queue. */
const DELAY_US = 10 * MS;

/** Below the Central Office. */
export const LEVELS = 3;

/**
 * Offices in a tree of four levels, the Central Office at the top, with as many children for each as
 * it takes, and devices evenly among them.
 */
export function officesInTree(given: {
  readonly offices: number;
  readonly devices: number;
  readonly rateBitsPerS: number;
}): readonly SimOffice[] {
  const { offices, devices, rateBitsPerS } = given;
  const children = childrenFor(offices);
  const rate = rateBitsPerS / 8;
  const line: LinkOptions = {
    delayUs: DELAY_US,
    rate,
    queueBytes: rate / 10,
    lossPercent: 0,
    duplicatePercent: 0,
    jitterUs: 0,
  };
  return Array.from({ length: offices }, (_, index) => ({
    name: nameOf(index),
    devices:
      Math.floor((devices * (index + 1)) / offices) - Math.floor((devices * index) / offices),
    ...(index === 0 ? {} : { parent: nameOf(Math.floor((index - 1) / children)), line }),
  }));
}

/** The fewest children that hold so many offices in {@link LEVELS} below the first. */
function childrenFor(offices: number): number {
  for (let children = 1; ; children += 1) {
    let room = 1;
    for (let level = 1; level <= LEVELS; level += 1) room += children ** level;
    if (room >= offices) return children;
  }
}

function nameOf(index: number): string {
  return index === 0 ? "Central" : `Office ${index}`;
}
